//! A server of JSON Web Key Sets that scenarios break on purpose, and key pairs for it.

use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

use crate::servers::http_server::{HttpServer, Request, Response};
use crate::servers::redis::Redis;
use crate::servers::relay::Relay;
use crate::servers::tokens::{NO_MAX_REFUSALS, now_s, unsigned};

/// What all tokens here are issued by and for.
const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "chat";

/// A key pair with a name.
pub struct KeyPair {
    kid: String,
    signing: EncodingKey,
    public: String,
}

impl KeyPair {
    /// A new pair of Ed25519.
    pub fn new(kid: &str) -> KeyPair {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key");
        let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let signing = EncodingKey::from_ed_der(document.as_ref());
        KeyPair { kid: kid.to_owned(), signing, public }
    }

    /// Its public key for a set.
    pub fn jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "x": self.public, "kid": self.kid, "use": "sig"})
    }

    /// A token of a user that it signs.
    pub fn token_of(&self, user: &str) -> String {
        self.token_with(user, &json!({"kid": self.kid}))
    }

    /// A token of a user that it signs, whose header has these members beside `alg`.
    pub fn token_with(&self, user: &str, header: &Value) -> String {
        let mut header = header.clone();
        header["alg"] = "EdDSA".into();
        let claims =
            json!({"sub": user, "iss": ISSUER, "aud": [AUDIENCE, "mail"], "exp": now_s() + 600});
        let message = unsigned(&header, &claims);
        let signature = crypto::sign(message.as_bytes(), &self.signing, Algorithm::EdDSA);
        format!("{message}.{}", signature.expect("a signature"))
    }
}

/// How the server answers.
#[derive(Clone)]
pub enum Answer {
    /// With a set of these keys.
    Keys(Vec<Value>),
    /// With this body.
    Body(Vec<u8>),
    /// With this status and no body; a redirect leads to a good set.
    Status(u16),
    /// With a body that never ends.
    Drip,
    /// Not at all.
    Silence,
}

/// The server.
pub struct KeyServer {
    server: HttpServer,
    answer: Arc<Mutex<Answer>>,
}

impl KeyServer {
    /// A server of plain HTTP with an empty set.
    #[track_caller]
    pub fn start() -> KeyServer {
        KeyServer::with(HttpServer::start)
    }

    /// A server of HTTPS, for `localhost`, with a certificate of its own.
    #[track_caller]
    pub fn start_tls() -> KeyServer {
        KeyServer::with(HttpServer::start_tls)
    }

    fn with(
        start: impl FnOnce(Box<dyn Fn(&Request) -> Response + Send + Sync>) -> HttpServer,
    ) -> KeyServer {
        let answer = Arc::new(Mutex::new(Answer::Keys(Vec::new())));
        let answers = answer.clone();
        let respond =
            move |_: &Request| match answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
            {
                Answer::Keys(keys) => {
                    Response::Whole(200, json!({ "keys": keys }).to_string().into_bytes())
                }
                Answer::Body(body) => Response::Whole(200, body),
                Answer::Status(status) => Response::Whole(status, Vec::new()),
                Answer::Drip => Response::Drip,
                Answer::Silence => Response::Silence,
            };
        KeyServer { server: start(Box::new(respond)), answer }
    }

    /// The address of its set by plain HTTP.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/jwks.json", self.server.port())
    }

    /// Changes how it answers.
    pub fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// The connections so far.
    pub fn requests(&self) -> usize {
        self.server.requests()
    }

    /// A relay with the keys of this server and further options; it need not become ready.
    #[track_caller]
    pub fn relay(&self, name: &str, redis: &Redis, options: &[&str]) -> Relay {
        let (scheme, mut variables) = ("http://127.0.0.1", Vec::new());
        let scheme = match self.server.certificate() {
            Some(path) => {
                variables.push((OsString::from("SSL_CERT_FILE"), path.into()));
                "https://localhost"
            }
            None => scheme,
        };
        self.relay_at(name, redis, scheme, options, &variables)
    }

    /// As [`KeyServer::relay`], by another name of the server and without trust in its certificate.
    #[track_caller]
    pub fn relay_at(
        &self,
        name: &str,
        redis: &Redis,
        host: &str,
        options: &[&str],
        variables: &[(OsString, OsString)],
    ) -> Relay {
        let url = format!("{host}:{}/jwks.json", self.server.port());
        let jwt = ["--auth", "jwt", "--jwt-jwks", &url, "--jwt-issuer", ISSUER];
        let defaults = Relay::without(&[NO_MAX_REFUSALS], options);
        let all = [&jwt[..], &["--jwt-audience", AUDIENCE], &defaults, options].concat();
        Relay::with_variables(name, &redis.url(), &all, variables)
    }
}
