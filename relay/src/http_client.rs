//! Asking another service over HTTP: one request on a connection of its own, bounded in time and size.
//!
//! Redirects are not followed: the address is a setting, and nobody else is to choose it. A failure
//! says of which sort it is, and has words for the log; they contain nothing of the request or of the
//! answer. What a status means is for the callers.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
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

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What one request may cost.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// The time until the answer is whole.
    pub(crate) within: Duration,
    /// Bytes of the answer's body.
    pub(crate) body: usize,
}

/// A client of one address.
pub(crate) struct HttpClient {
    url: ServiceUrl,
    bounds: Bounds,
    /// The body of a failure is of interest too.
    reads_failures: bool,
    /// The certificates, and when they were read.
    tls: Mutex<Option<(Instant, Arc<ClientConfig>)>>,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Read only if the status is 200, or by [`HttpClient::reading_failures`].
    pub(crate) body: Option<Bytes>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The time is up: this long was waited.
    TimedOut(Duration),
    /// There was no connection, or it ended before the answer was whole.
    Connection(String),
    /// The answer is too long, or is not HTTP.
    Answer(String),
}

impl Failure {
    fn connection(error: impl fmt::Display) -> Failure {
        Failure::Connection(error.to_string())
    }

    fn of_http(error: &hyper::Error) -> Failure {
        match error.is_parse() {
            true => Failure::Answer(error.to_string()),
            false => Failure::Connection(error.to_string()),
        }
    }

    fn of_body(error: &(dyn Error + Send + Sync + 'static)) -> Failure {
        match error.downcast_ref::<hyper::Error>() {
            Some(error) => Failure::of_http(error),
            None if error.is::<LengthLimitError>() => Failure::Answer("it is too long".to_owned()),
            None => Failure::connection(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::TimedOut(within) => {
                write!(f, "no answer within {} seconds", within.as_secs_f32())
            }
            Failure::Connection(words) => f.write_str(words),
            Failure::Answer(words) => write!(f, "the answer cannot be read: {words}"),
        }
    }
}

impl HttpClient {
    /// A client of this address. Nothing is connected yet.
    pub(crate) fn new(url: ServiceUrl, bounds: Bounds) -> HttpClient {
        HttpClient { url, bounds, reads_failures: false, tls: Mutex::default() }
    }

    /// Reads the body of an answer also if its status is not 200.
    pub(crate) fn reading_failures(self) -> HttpClient {
        HttpClient { reads_failures: true, ..self }
    }

    /// The name of the service, with the port if the address has one, for the log.
    pub(crate) fn authority(&self) -> &str {
        &self.url.authority
    }

    /// GET.
    pub(crate) async fn get(&self) -> Result<Answer, Failure> {
        self.request(Method::GET, HeaderMap::new(), Bytes::new()).await
    }

    /// POST of a JSON document.
    pub(crate) async fn post(&self, body: Bytes) -> Result<Answer, Failure> {
        self.post_with(HeaderMap::new(), body).await
    }

    /// POST of a JSON document, with more headers.
    pub(crate) async fn post_with(
        &self,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Failure> {
        self.request(Method::POST, headers, body).await
    }

    async fn request(
        &self,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Failure> {
        let within = self.bounds.within;
        let asking = self.connect_and_ask(method, headers, body);
        let answer = tokio::time::timeout(within, asking).await;
        answer.unwrap_or(Err(Failure::TimedOut(within)))
    }

    async fn connect_and_ask(
        &self,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Failure> {
        let url = &self.url;
        let socket = TcpStream::connect((url.host.as_str(), url.port)).await;
        let socket = socket.map_err(Failure::connection)?;
        if !url.is_https {
            return self.ask(socket, method, headers, body).await;
        }
        let name = ServerName::try_from(url.host.clone()).map_err(Failure::connection)?;
        let connector = TlsConnector::from(self.tls().await.map_err(Failure::Connection)?);
        let socket = connector.connect(name, socket).await.map_err(Failure::connection)?;
        self.ask(socket, method, headers, body).await
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
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Failure> {
        let handshake =
            http1::Builder::new().max_buf_size(HEAD_MAX).handshake(TokioIo::new(socket));
        let (mut sender, connection) = handshake.await.map_err(|error| Failure::of_http(&error))?;
        // Ends when it is dropped, also when the request is given up.
        let mut task = JoinSet::new();
        task.spawn(connection);
        let host = HeaderValue::from_str(&self.url.authority).map_err(Failure::connection)?;
        headers.insert(HOST, host);
        headers.insert(ACCEPT, JSON);
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.insert(USER_AGENT, HeaderValue::from_static("chat-relay"));
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, JSON);
        }
        let request = Request::builder().method(method).uri(&self.url.path).body(Full::new(body));
        let mut request = request.map_err(Failure::connection)?;
        *request.headers_mut() = headers;
        let answer =
            sender.send_request(request).await.map_err(|error| Failure::of_http(&error))?;
        let (head, body) = answer.into_parts();
        let mut answer = Answer { status: head.status, headers: head.headers, body: None };
        if answer.status == StatusCode::OK || self.reads_failures {
            let body = Limited::new(body, self.bounds.body).collect().await;
            answer.body = Some(body.map_err(|error| Failure::of_body(&*error))?.to_bytes());
        }
        drop(task);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// How long a silent server is waited for.
    const SILENCE: Duration = Duration::from_millis(500);

    /// Asks a server that answers these bytes and closes, or stays silent.
    async fn ask(answer: Option<&'static [u8]>) -> Result<Answer, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 4096];
            let mut read = 0;
            while !bytes[..read].ends_with(b"{}") {
                read += socket.read(&mut bytes[read..]).await.unwrap();
            }
            match answer {
                Some(answer) => socket.write_all(answer).await.unwrap(),
                None => std::future::pending().await,
            }
        });
        let url = ServiceUrl::parse(&format!("http://127.0.0.1:{port}/hook")).unwrap();
        // Only silence is to last too long, also on a busy machine.
        let within = answer.map_or(SILENCE, |_| Duration::from_secs(60));
        let bounds = Bounds { within, body: 10 };
        HttpClient::new(url, bounds).post(Bytes::from_static(b"{}")).await
    }

    #[tokio::test]
    async fn each_failure_is_of_its_sort() {
        let good = ask(Some(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")).await.unwrap();
        assert_eq!((good.status, good.body.as_deref()), (StatusCode::OK, Some(&b"{}"[..])));
        let busy = ask(Some(b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\n\r\nwords")).await.unwrap();
        assert_eq!((busy.status.as_u16(), busy.body), (503, None));
        assert_eq!(busy.headers["retry-after"], "7");
        assert_eq!(ask(None).await.err(), Some(Failure::TimedOut(SILENCE)));
        let rows: &[(&[u8], bool)] = &[
            (b"HTTP/1.1 200 OK\r\n\r\nmore than ten", false),
            (b"no HTTP at all\r\n\r\n", false),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", true),
            (b"", true),
        ];
        for (answer, is_connection) in rows {
            let failure = ask(Some(answer)).await.err().unwrap();
            assert_eq!(matches!(failure, Failure::Connection(_)), *is_connection, "{failure:?}");
            assert!(!matches!(failure, Failure::TimedOut(_)), "{failure:?}");
        }
    }
}
