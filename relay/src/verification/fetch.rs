//! Fetching a key set: one GET, bounded in time and size. Redirects are not followed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{ACCEPT, CACHE_CONTROL, HOST, USER_AGENT};
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_native_certs::load_native_certs;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::auth::{Key, KeyUrl, jwks_keys};

/// The whole fetch must be done within this time.
const WITHIN: Duration = Duration::from_secs(5);
/// Bytes of a document.
const DOCUMENT_MAX: usize = 1 << 20;

/// A set as it was answered.
pub(super) struct Answer {
    pub(super) keys: Vec<Key>,
    /// How long the server says that it is good.
    pub(super) max_age: Option<Duration>,
}

/// Fetches the set. The error is for the log.
pub(super) async fn fetch(url: &KeyUrl) -> Result<Answer, String> {
    let late = |_| "no answer within 5 seconds".to_owned();
    tokio::time::timeout(WITHIN, get(url)).await.map_err(late)?
}

async fn get(url: &KeyUrl) -> Result<Answer, String> {
    let words = |error: io::Error| error.to_string();
    let socket = TcpStream::connect((url.host.as_str(), url.port)).await.map_err(words)?;
    if !url.is_https {
        return ask(url, socket).await;
    }
    let name = ServerName::try_from(url.host.clone()).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(Arc::new(tls()?));
    ask(url, connector.connect(name, socket).await.map_err(words)?).await
}

/// The certificates that this system trusts, or those of `SSL_CERT_FILE`.
fn tls() -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    let (good, _) = roots.add_parsable_certificates(load_native_certs().certs);
    if good == 0 {
        return Err("this system trusts no certificates".to_owned());
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

async fn ask(
    url: &KeyUrl,
    socket: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<Answer, String> {
    let words = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(words)?;
    let connection = tokio::spawn(connection);
    let request = Request::get(&url.path)
        .header(HOST, &url.authority)
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, "chat-relay")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(words)?;
        if response.status() != StatusCode::OK {
            return Err(format!("status {}", response.status().as_u16()));
        }
        let max_age = max_age(response.headers());
        let body = Limited::new(response.into_body(), DOCUMENT_MAX).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        Ok(Answer { keys: jwks_keys(&body)?, max_age })
    };
    let answer = answer.await;
    connection.abort();
    answer
}

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut words = values.flat_map(|value| value.split(','));
    let seconds = words.find_map(|word| word.trim().strip_prefix("max-age=")?.parse().ok())?;
    Some(Duration::from_secs(seconds))
}
