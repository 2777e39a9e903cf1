//! An HTTP server whose answers a scenario makes, good ones and broken ones.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::wait::SOON;

/// A request.
#[derive(Clone)]
pub struct Request {
    /// The first line and the headers.
    pub head: String,
    /// The body, by its `Content-Length`.
    pub body: String,
}

/// An answer.
pub enum Response {
    /// This status and body; every one names another place too, which only a redirect means.
    Whole(u16, Vec<u8>),
    /// These bytes, and then the end.
    Raw(Vec<u8>),
    /// A status and then a body that never ends, byte by byte.
    Drip,
    /// Nothing until the client gives up.
    Silence,
}

/// What answers.
type Respond = dyn Fn(&Request) -> Response + Send + Sync;

/// The server. Its threads end with the test's process.
pub struct HttpServer {
    port: u16,
    requests: Arc<AtomicUsize>,
    certificate: Option<(TempDir, PathBuf)>,
}

impl HttpServer {
    /// A server of plain HTTP.
    #[track_caller]
    pub fn start(respond: impl Fn(&Request) -> Response + Send + Sync + 'static) -> HttpServer {
        HttpServer::serving(None, Arc::new(respond))
    }

    /// A server of HTTPS, for `localhost`, with a certificate of its own.
    #[track_caller]
    pub fn start_tls(respond: impl Fn(&Request) -> Response + Send + Sync + 'static) -> HttpServer {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("one");
        let dir = tempfile::Builder::new().prefix("chat-http-").tempdir().expect("a directory");
        let path = dir.path().join("certificate.pem");
        std::fs::write(&path, certified.cert.pem()).expect("a file");
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .expect("a configuration");
        let mut server = HttpServer::serving(Some(Arc::new(config)), Arc::new(respond));
        server.certificate = Some((dir, path));
        server
    }

    fn serving(tls: Option<Arc<ServerConfig>>, respond: Arc<Respond>) -> HttpServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = requests.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::SeqCst);
                let (tls, respond) = (tls.clone(), respond.clone());
                std::thread::spawn(move || serve(socket, tls, &*respond));
            }
        });
        HttpServer { port, requests, certificate: None }
    }

    /// Its port on the loopback address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The connections so far.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// The file with its certificate, if it has one.
    pub fn certificate(&self) -> Option<&Path> {
        self.certificate.as_ref().map(|(_, path)| path.as_path())
    }
}

fn serve(socket: TcpStream, tls: Option<Arc<ServerConfig>>, respond: &Respond) {
    let _ = socket.set_read_timeout(Some(SOON));
    match tls {
        None => answer(socket, respond),
        Some(config) => {
            let Ok(connection) = ServerConnection::new(config) else { return };
            answer(StreamOwned::new(connection, socket), respond);
        }
    }
}

fn answer(mut socket: impl Read + Write, respond: &Respond) {
    let Some(request) = read(&mut socket) else { return };
    let bytes = match respond(&request) {
        Response::Whole(status, body) => {
            let head = format!(
                "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nLocation: /other\r\nConnection: close\r\n\r\n",
                body.len()
            );
            [head.as_bytes(), &body].concat()
        }
        Response::Raw(bytes) => bytes,
        Response::Drip => {
            let mut next = b"HTTP/1.1 200 x\r\n\r\n".as_slice();
            while socket.write_all(next).and_then(|()| socket.flush()).is_ok() {
                next = b" ";
                std::thread::park_timeout(Duration::from_millis(100));
            }
            return;
        }
        Response::Silence => {
            let _ = socket.read(&mut [0]);
            return;
        }
    };
    let _ = socket.write_all(&bytes).and_then(|()| socket.flush());
}

fn read(socket: &mut impl Read) -> Option<Request> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if !matches!(socket.read(&mut byte), Ok(1)) {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    socket.read_exact(&mut body).ok()?;
    Some(Request { head, body: String::from_utf8_lossy(&body).into_owned() })
}
