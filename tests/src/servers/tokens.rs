//! An issuer of tokens, and relays that trust it.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
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
    signing: EncodingKey,
    algorithm: Algorithm,
    /// The option that names the file with the relay's key.
    option: &'static str,
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
        let signing = EncodingKey::from_secret(SECRET.as_bytes());
        Issuer { dir, signing, algorithm: Algorithm::HS256, option: "--jwt-secret-file" }
    }

    /// An issuer that signs by ES256, whose public key is in a file.
    pub fn es256() -> Issuer {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new());
        let document = document.expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).expect("a key");
        let public = pair.public_key().as_der().expect("its form");
        let body = STANDARD.encode(public.as_ref());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
        let issuer = Issuer::new();
        std::fs::write(issuer.dir.path().join("secret"), pem).expect("a file");
        let signing = EncodingKey::from_ec_der(document.as_ref());
        Issuer { signing, algorithm: Algorithm::ES256, option: "--jwt-key-file", ..issuer }
    }

    /// A relay that trusts its tokens, with further options, once it is ready. Its metrics are on
    /// a port of their own, and wrong credentials are not limited.
    #[track_caller]
    pub fn relay(&self, name: &str, redis: &Redis, options: &[&str]) -> Relay {
        self.relay_at(name, &redis.url(), options)
    }

    /// As [`Issuer::relay`], for a Redis at this URL.
    #[track_caller]
    pub fn relay_at(&self, name: &str, url: &str, options: &[&str]) -> Relay {
        let file = self.secret_file();
        let jwt = ["--auth", "jwt", self.option, &file];
        let defaults = Relay::without(&[LISTEN_OPS, NO_MAX_REFUSALS], options);
        let relay = Relay::with(name, url, &[&jwt[..], &defaults, options].concat());
        relay.wait_ready();
        relay
    }

    /// Two relays that trust its tokens and know each other's address, with further options, once they
    /// are ready.
    #[track_caller]
    pub fn relays(&self, redis: &Redis, options: &[&str]) -> [Relay; 2] {
        let file = self.secret_file();
        let jwt = ["--auth", "jwt", self.option, &file, "--listen-ops", "127.0.0.1:0"];
        Relay::pair_with(redis, &[&jwt[..], options].concat())
    }

    /// The path of the file with the secret, or with the public key.
    pub fn secret_file(&self) -> String {
        self.dir.path().join("secret").to_str().expect("UTF-8").to_owned()
    }

    /// A token with exactly these claims.
    pub fn token(&self, claims: Value) -> String {
        signed(&self.signing, self.algorithm, &claims)
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
    signed(&EncodingKey::from_secret(secret.as_bytes()), Algorithm::HS256, claims)
}

fn signed(key: &EncodingKey, algorithm: Algorithm, claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(algorithm), claims, key).expect("a token")
}

/// The header and the claims of a token without a signature.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// Seconds since the Unix epoch.
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
