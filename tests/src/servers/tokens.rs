//! An issuer of tokens, and relays that trust it.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::servers::redis::Redis;
use crate::servers::relay::Relay;

/// Metrics are only served there with tokens.
pub(super) const LISTEN_OPS: [&str; 2] = ["--listen-ops", "127.0.0.1:0"];
/// Scenarios bring many wrong credentials from one address.
pub(super) const NO_MAX_REFUSALS: [&str; 2] = ["--max-refusals", "0"];

/// What signs and verifies.
const SECRET: &str = "the secret of an application in a test";

/// An application's server that makes tokens.
pub struct Issuer {
    dir: TempDir,
}

impl Default for Issuer {
    fn default() -> Issuer {
        Issuer::new()
    }
}

impl Issuer {
    /// An issuer with a secret in a file.
    pub fn new() -> Issuer {
        let dir = tempfile::Builder::new().prefix("chat-issuer-").tempdir().expect("a directory");
        std::fs::write(dir.path().join("secret"), SECRET).expect("a file");
        Issuer { dir }
    }

    /// A relay that trusts its tokens, with further options, once it is ready. Its metrics are on
    /// a port of their own, and wrong credentials are not limited.
    #[track_caller]
    pub fn relay(&self, name: &str, redis: &Redis, options: &[&str]) -> Relay {
        let file = self.secret_file();
        let jwt = ["--auth", "jwt", "--jwt-secret-file", &file];
        let defaults = Relay::without(&[LISTEN_OPS, NO_MAX_REFUSALS], options);
        let relay = Relay::with(name, &redis.url(), &[&jwt[..], &defaults, options].concat());
        relay.wait_ready();
        relay
    }

    /// Two relays that trust its tokens and know each other's address, with further options, once they
    /// are ready.
    #[track_caller]
    pub fn relays(&self, redis: &Redis, options: &[&str]) -> [Relay; 2] {
        let file = self.secret_file();
        let jwt = ["--auth", "jwt", "--jwt-secret-file", &file, "--listen-ops", "127.0.0.1:0"];
        Relay::pair_with(redis, &[&jwt[..], options].concat())
    }

    /// The path of the file with the secret.
    pub fn secret_file(&self) -> String {
        self.dir.path().join("secret").to_str().expect("UTF-8").to_owned()
    }

    /// A token with exactly these claims.
    pub fn token(&self, claims: Value) -> String {
        signed_with(SECRET, &claims)
    }

    /// A token of a user, for ten minutes, with further claims.
    pub fn token_of(&self, user: &str, further: Value) -> String {
        let mut claims = json!({"sub": user, "iat": now_s(), "exp": now_s() + 600});
        for (name, value) in further.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        self.token(claims)
    }
}

/// A token that another secret has signed.
pub fn signed_with(secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).expect("a token")
}

/// Seconds since the Unix epoch.
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
