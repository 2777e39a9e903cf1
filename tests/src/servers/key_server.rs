//! A server of JSON Web Key Sets that scenarios break on purpose, and key pairs for it.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::servers::redis::Redis;
use crate::servers::relay::Relay;
use crate::servers::tokens::{NO_MAX_REFUSALS, now_s};
use crate::wait::SOON;

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
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        let claims =
            json!({"sub": user, "iss": ISSUER, "aud": [AUDIENCE, "mail"], "exp": now_s() + 600});
        jsonwebtoken::encode(&header, &claims, &self.signing).expect("a token")
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
    /// Not at all.
    Silence,
}

/// The server. Its thread ends with the test's process.
pub struct KeyServer {
    port: u16,
    answer: Arc<Mutex<Answer>>,
    requests: Arc<AtomicUsize>,
    certificate: Option<(TempDir, PathBuf)>,
}

impl KeyServer {
    /// A server of plain HTTP with an empty set.
    #[track_caller]
    pub fn start() -> KeyServer {
        KeyServer::serving(None)
    }

    /// A server of HTTPS, for `localhost`, with a certificate of its own.
    #[track_caller]
    pub fn start_tls() -> KeyServer {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("one");
        let dir = tempfile::Builder::new().prefix("chat-keys-").tempdir().expect("a directory");
        let path = dir.path().join("certificate.pem");
        std::fs::write(&path, certified.cert.pem()).expect("a file");
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .expect("a configuration");
        let mut server = KeyServer::serving(Some(Arc::new(config)));
        server.certificate = Some((dir, path));
        server
    }

    fn serving(tls: Option<Arc<ServerConfig>>) -> KeyServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let answer = Arc::new(Mutex::new(Answer::Keys(Vec::new())));
        let requests = Arc::new(AtomicUsize::new(0));
        let (answers, counter) = (answer.clone(), requests.clone());
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::SeqCst);
                let answer = answers.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let tls = tls.clone();
                std::thread::spawn(move || serve(socket, tls, &answer));
            }
        });
        KeyServer { port, answer, requests, certificate: None }
    }

    /// The address of its set by plain HTTP.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/jwks.json", self.port)
    }

    /// Changes how it answers.
    pub fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// The connections so far.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// A relay with the keys of this server and further options; it need not become ready.
    #[track_caller]
    pub fn relay(&self, name: &str, redis: &Redis, options: &[&str]) -> Relay {
        let (scheme, mut variables) = ("http://127.0.0.1", Vec::new());
        let scheme = match &self.certificate {
            Some((_, path)) => {
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
        let url = format!("{host}:{}/jwks.json", self.port);
        let jwt = ["--auth", "jwt", "--jwt-jwks", &url, "--jwt-issuer", ISSUER];
        let defaults = Relay::without(&[NO_MAX_REFUSALS], options);
        let all = [&jwt[..], &["--jwt-audience", AUDIENCE], &defaults, options].concat();
        Relay::with_variables(name, &redis.url(), &all, variables)
    }
}

fn serve(socket: TcpStream, tls: Option<Arc<ServerConfig>>, answer: &Answer) {
    let _ = socket.set_read_timeout(Some(SOON));
    match tls {
        None => respond(socket, answer),
        Some(config) => {
            let Ok(connection) = ServerConnection::new(config) else { return };
            respond(StreamOwned::new(connection, socket), answer);
        }
    }
}

fn respond(mut socket: impl Read + Write, answer: &Answer) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if !matches!(socket.read(&mut byte), Ok(1)) {
            return;
        }
        head.push(byte[0]);
    }
    let (status, body) = match answer {
        Answer::Keys(keys) => (200, json!({ "keys": keys }).to_string().into_bytes()),
        Answer::Body(body) => (200, body.clone()),
        Answer::Status(status) => (*status, Vec::new()),
        Answer::Silence => {
            // Until the client gives up.
            let _ = socket.read(&mut byte);
            return;
        }
    };
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nLocation: /other\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(&body));
    let _ = socket.flush();
}
