//! TLS on a connection: the handshake, and why it failed in words for the operator.
//!
//! The files are read again for every connection (`config`), so certificates can be renewed while
//! the relay runs.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

use crate::config::TlsFiles;

/// Why there is no encrypted connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TlsProblem {
    /// A file cannot be used. Names the flag and the file.
    Files(String),
    /// The server's certificate comes from an authority that is not trusted.
    Issuer,
    /// The server's certificate is for other names.
    Name {
        /// What it should be for.
        expected: String,
        /// What it is for.
        presented: Vec<String>,
    },
    /// The server's certificate has expired, or is not valid yet.
    Time(&'static str),
    /// The server does not speak TLS on this port.
    NoTls,
    /// The server does not answer the handshake.
    Silent,
    /// The server does not accept this relay's certificate, or wants one. Holds its alert.
    Client(String),
    /// Something else.
    Other(String),
}

/// Longest wait for the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// Encrypts the connection to this host.
pub(in crate::upstream) async fn encrypt(
    files: &TlsFiles,
    host: &str,
    socket: TcpStream,
) -> Result<TlsStream<TcpStream>, TlsProblem> {
    let name = files.name_of(host).ok_or_else(|| {
        TlsProblem::Other(format!("no certificate can be for the host {}", host.escape_debug()))
    })?;
    let config = {
        let files = files.clone();
        tokio::task::spawn_blocking(move || files.read()).await
    };
    let config = config.map_err(|error| TlsProblem::Other(error.to_string()))?;
    let config = config.map_err(|mistakes| {
        let words: Vec<String> =
            mistakes.into_iter().map(|(flag, why)| format!("{flag}: {why}")).collect();
        TlsProblem::Files(words.join("; "))
    })?;
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, socket);
    let connected = tokio::time::timeout(HANDSHAKE_TIMEOUT, connecting).await;
    connected.map_err(|_| TlsProblem::Silent)?.map_err(|error| match problem(&error) {
        Some(problem) => problem,
        None if error.kind() == io::ErrorKind::UnexpectedEof => TlsProblem::NoTls,
        None => TlsProblem::Other(error.to_string()),
    })
}

/// The problem with TLS behind an error. With TLS 1.3 a server refuses a client's certificate only
/// after the handshake, so the error can also come from the first read. `None`: it is another.
pub(in crate::upstream) fn problem(error: &io::Error) -> Option<TlsProblem> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => TlsProblem::NoTls,
        Error::AlertReceived(alert) if is_about_client(*alert) => {
            TlsProblem::Client(format!("{alert:?}"))
        }
        error => TlsProblem::Other(error.to_string()),
    })
}

fn certificate(error: &CertificateError) -> TlsProblem {
    match error {
        // A bad signature: an authority of the same name, but with another key, is trusted.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsProblem::Issuer,
        CertificateError::NotValidForName => {
            TlsProblem::Name { expected: String::new(), presented: Vec::new() }
        }
        CertificateError::NotValidForNameContext { expected, presented } => TlsProblem::Name {
            expected: expected.to_str().into_owned(),
            presented: presented.iter().take(NAMES_SHOWN).map(|name| shown(name)).collect(),
        },
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            TlsProblem::Time("has expired")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsProblem::Time("is not valid yet")
        }
        error => TlsProblem::Other(error.to_string()),
    }
}

/// Names of a certificate in a message.
const NAMES_SHOWN: usize = 10;

/// A name as the certificate has it, without the words around it: `DnsName("redis.example")`.
fn shown(name: &str) -> String {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    let plain = inside.unwrap_or(name).trim_matches('"');
    plain.escape_debug().take(100).collect()
}

/// Whether a server sends this alert because of the client's certificate.
fn is_about_client(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
    )
}

impl TlsProblem {
    /// The kind of problem, as a label of metrics.
    pub(in crate::upstream) fn kind(&self) -> &'static str {
        match self {
            TlsProblem::Files(_) => "tls_files",
            TlsProblem::Issuer => "certificate_issuer",
            TlsProblem::Name { .. } => "certificate_name",
            TlsProblem::Time(_) => "certificate_time",
            TlsProblem::NoTls | TlsProblem::Silent => "no_tls",
            TlsProblem::Client(_) => "client_certificate",
            TlsProblem::Other(_) => "tls",
        }
    }
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsProblem::Files(why) => write!(f, "TLS to Redis cannot begin: {why}"),
            TlsProblem::Issuer => f.write_str(
                "the certificate of Redis comes from no authority that is trusted (--redis-ca)",
            ),
            TlsProblem::Name { expected, presented } => write!(
                f,
                "the certificate of Redis is for {}, not for {expected} (--redis-server-name)",
                if presented.is_empty() { "other names".to_owned() } else { presented.join(", ") },
            ),
            TlsProblem::Time(why) => write!(f, "the certificate of Redis {why}"),
            TlsProblem::NoTls => {
                f.write_str("Redis does not speak TLS on this port (redis:// is without TLS)")
            }
            TlsProblem::Silent => f.write_str(
                "Redis does not answer TLS: it hangs, or this port is without TLS (redis://)",
            ),
            TlsProblem::Client(alert) => write!(
                f,
                "Redis refuses the certificate of this relay, or that there is none: {alert} \
                 (--redis-cert, --redis-key)"
            ),
            TlsProblem::Other(why) => write!(f, "TLS to Redis failed: {why}"),
        }
    }
}
