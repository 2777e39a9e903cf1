//! Asking another service over HTTP: one request on a connection of its own, bounded in time and size.
//!
//! Redirects are not followed: the address is a setting, and nobody else is to choose it. Errors are
//! words for the log; they contain nothing of the request or of the answer.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls_native_certs::load_native_certs;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::auth::ServiceUrl;

/// How long the trusted certificates are used before they are read again.
const CERTIFICATES_KEPT: Duration = Duration::from_secs(600);
/// Bytes of the head of an answer.
const HEAD_MAX: usize = 64 << 10;

/// What one request may cost.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// The time until the answer is whole.
    pub(super) within: Duration,
    /// Bytes of the answer's body.
    pub(super) body: usize,
}

/// A client of one address.
pub(super) struct HttpClient {
    url: ServiceUrl,
    bounds: Bounds,
    /// The certificates, and when they were read.
    tls: Mutex<Option<(Instant, Arc<ClientConfig>)>>,
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Read only if the status is 200.
    pub(super) body: Option<Bytes>,
}

impl HttpClient {
    /// A client of this address. Nothing is connected yet.
    pub(super) fn new(url: ServiceUrl, bounds: Bounds) -> HttpClient {
        HttpClient { url, bounds, tls: Mutex::default() }
    }

    /// The name of the service, with the port if the address has one, for the log.
    pub(super) fn authority(&self) -> &str {
        &self.url.authority
    }

    /// GET.
    pub(super) async fn get(&self) -> Result<Answer, String> {
        self.request(Method::GET, Bytes::new()).await
    }

    /// POST of a JSON document.
    pub(super) async fn post(&self, body: Bytes) -> Result<Answer, String> {
        self.request(Method::POST, body).await
    }

    async fn request(&self, method: Method, body: Bytes) -> Result<Answer, String> {
        let within = self.bounds.within;
        let answer = tokio::time::timeout(within, self.connect_and_ask(method, body)).await;
        answer.map_err(|_| format!("no answer within {} seconds", within.as_secs()))?
    }

    async fn connect_and_ask(&self, method: Method, body: Bytes) -> Result<Answer, String> {
        let words = |error: io::Error| error.to_string();
        let url = &self.url;
        let socket = TcpStream::connect((url.host.as_str(), url.port)).await.map_err(words)?;
        if !url.is_https {
            return self.ask(socket, method, body).await;
        }
        let name = ServerName::try_from(url.host.clone()).map_err(|error| error.to_string())?;
        let connector = TlsConnector::from(self.tls().await?);
        self.ask(connector.connect(name, socket).await.map_err(words)?, method, body).await
    }

    /// The certificates that this system trusts, or those of `SSL_CERT_FILE`.
    async fn tls(&self) -> Result<Arc<ClientConfig>, String> {
        if let Some((at, config)) = &*self.tls.lock()
            && at.elapsed() < CERTIFICATES_KEPT
        {
            return Ok(config.clone());
        }
        let loaded = tokio::task::spawn_blocking(|| load_native_certs().certs).await;
        let mut roots = RootCertStore::empty();
        let (good, _) = roots.add_parsable_certificates(loaded.map_err(|error| error.to_string())?);
        if good == 0 {
            return Err("this system trusts no certificates".to_owned());
        }
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let config = Arc::new(config);
        *self.tls.lock() = Some((Instant::now(), config.clone()));
        Ok(config)
    }

    async fn ask(
        &self,
        socket: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        method: Method,
        body: Bytes,
    ) -> Result<Answer, String> {
        let words = |error: hyper::Error| error.to_string();
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_MAX)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(words)?;
        // Ends when it is dropped, also when the request is given up.
        let mut task = JoinSet::new();
        task.spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(&self.url.path)
            .header(HOST, &self.url.authority)
            .header(ACCEPT, "application/json")
            .header(CONNECTION, "close")
            .header(USER_AGENT, "chat-relay");
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        let (head, body) = sender.send_request(request).await.map_err(words)?.into_parts();
        let mut answer = Answer { status: head.status, headers: head.headers, body: None };
        if answer.status == StatusCode::OK {
            let body = Limited::new(body, self.bounds.body).collect().await;
            answer.body = Some(body.map_err(|error| error.to_string())?.to_bytes());
        }
        drop(task);
        Ok(answer)
    }
}
