//! Opens connections to servers: TCP, TLS, and `HELLO`, which logs in and names the connection.
//!
//! Everything that may have changed since the last connection is looked up again: the addresses of a
//! name, the file of the password, the files of certificates. No message contains a password.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::{ServerError, Value};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::{Endpoint, Login, RedisSettings, TlsFiles};
use crate::upstream::dialling::greeting::Greeting;
use crate::upstream::dialling::stream::Stream;
use crate::upstream::dialling::tls;
use crate::upstream::health::Problem;

/// Longest wait for a TCP connection, the addresses of a name included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest wait for `HELLO`.
const GREETING_TIMEOUT: Duration = Duration::from_secs(2);
/// Time after which the next address of a name is tried beside the ones before it.
const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 16;
/// Bytes of the reply to `HELLO`.
const GREETING_MAX: usize = 64 << 10;
/// Letters of a server's error in a message.
const WORDS_MAX: usize = 200;
/// When the kernel asks whether a silent peer is still there, and how often.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// Opens connections, all in the same way.
#[derive(Debug)]
pub(crate) struct Dialler {
    login: Login,
    tls: Option<TlsFiles>,
    /// The name of the connections, in `CLIENT LIST`.
    name: String,
    /// Whether `CLIENT SETINFO` has been refused. Each refusal is an entry in the server's `ACL LOG`.
    is_info_denied: AtomicBool,
}

impl Dialler {
    /// For connections of the relay of this name to Redis.
    pub(crate) fn to_redis(settings: &RedisSettings, relay: &str) -> Dialler {
        Dialler::new(&settings.login, settings, relay)
    }

    /// For connections of the relay of this name to Sentinels.
    pub(crate) fn to_sentinels(settings: &RedisSettings, relay: &str) -> Dialler {
        Dialler::new(&settings.sentinel_login, settings, relay)
    }

    fn new(login: &Login, settings: &RedisSettings, relay: &str) -> Dialler {
        Dialler {
            login: login.clone(),
            tls: settings.tls.clone(),
            name: format!("chat-relay:{relay}"),
            is_info_denied: AtomicBool::new(false),
        }
    }

    /// As whom connections log in.
    pub(in crate::upstream) fn login(&self) -> &Login {
        &self.login
    }

    /// Opens a connection that is logged in and speaks RESP3, and says what the server is.
    pub(crate) async fn dial(&self, endpoint: &Endpoint) -> Result<(Stream, Greeting), Problem> {
        let late = |what| Problem::Unreachable(format!("{endpoint}: no {what} within 2 seconds"));
        let connected = timeout(CONNECT_TIMEOUT, connect(endpoint)).await;
        let socket = connected
            .map_err(|_| late("connection"))?
            .map_err(|why| Problem::Unreachable(format!("{endpoint}: {why}")))?;
        let mut stream = match &self.tls {
            None => Stream::Plain(socket),
            Some(files) => {
                let stream = tls::encrypt(files, &endpoint.host, socket).await;
                Stream::Tls(Box::new(stream.map_err(Problem::Tls)?))
            }
        };
        let greeted = timeout(GREETING_TIMEOUT, self.greet(&mut stream, endpoint)).await;
        let greeting = greeted.map_err(|_| late("greeting"))??;
        Ok((stream, greeting))
    }

    async fn greet(&self, stream: &mut Stream, endpoint: &Endpoint) -> Result<Greeting, Problem> {
        let mut hello = redis::cmd("HELLO");
        hello.arg(3);
        if let Some((user, password)) = self.login.read().map_err(Problem::PasswordFile)? {
            hello.arg("AUTH").arg(user).arg(password.bytes());
        }
        hello.arg("SETNAME").arg(&self.name);
        let reply = ask(stream, &hello).await;
        let reply = reply.map_err(|error| match tls::problem(&error) {
            Some(problem) => Problem::Tls(problem),
            None => Problem::Unreachable(format!("{endpoint}: {error}")),
        })?;
        if let Value::ServerError(error) = &reply {
            return Err(refusal(error, endpoint));
        }
        let greeting = Greeting::read(&reply)
            .ok_or_else(|| Problem::Unreachable(format!("{endpoint}: not a Redis")))?;
        if greeting.takes_client_info() && !self.is_info_denied.load(Ordering::Relaxed) {
            for (name, value) in
                [("LIB-NAME", "chat-relay"), ("LIB-VER", env!("CARGO_PKG_VERSION"))]
            {
                let mut info = redis::cmd("CLIENT");
                info.arg("SETINFO").arg(name).arg(value);
                let reply = ask(stream, &info).await;
                let reply =
                    reply.map_err(|error| Problem::Unreachable(format!("{endpoint}: {error}")))?;
                if matches!(reply, Value::ServerError(_)) {
                    // Nothing depends on it.
                    self.is_info_denied.store(true, Ordering::Relaxed);
                    break;
                }
            }
        }
        Ok(greeting)
    }
}

/// Connects to the first address of the host that answers. One that is silent does not keep the
/// others waiting.
async fn connect(endpoint: &Endpoint) -> Result<TcpStream, String> {
    let addresses = tokio::net::lookup_host((&*endpoint.host, endpoint.port)).await;
    let mut addresses = addresses.map_err(|error| error.to_string())?.take(ADDRESSES_MAX);
    let mut attempts = FuturesUnordered::new();
    let mut failed = None;
    loop {
        if let Some(address) = addresses.next() {
            attempts.push(connect_to(address));
        } else if attempts.is_empty() {
            return Err(failed.unwrap_or_else(|| "no address is known for this name".to_owned()));
        }
        tokio::select! {
            Some(outcome) = attempts.next() => match outcome {
                Ok(socket) => return Ok(socket),
                Err(error) => failed = Some(error.to_string()),
            },
            () = tokio::time::sleep(NEXT_ADDRESS) => {}
        }
    }
}

async fn connect_to(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let (idle, interval) = KEEPALIVE;
    let keepalive = TcpKeepalive::new().with_time(idle).with_interval(interval);
    SockRef::from(&socket).set_tcp_keepalive(&keepalive)?;
    Ok(socket)
}

/// Sends one command and reads its reply. The server sends nothing else on a new connection.
async fn ask(stream: &mut Stream, command: &redis::Cmd) -> std::io::Result<Value> {
    stream.write_all(&command.get_packed_command()).await?;
    stream.flush().await?;
    let mut reply = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut reply).await? == 0 {
            let why = match reply.is_empty() {
                true => "the connection was closed; does this port expect TLS (rediss://)?",
                false => "the connection was closed",
            };
            return Err(std::io::Error::other(why));
        }
        if reply.ends_with(b"\r\n")
            && let Ok(value) = redis::parse_redis_value(&reply)
        {
            return Ok(value);
        }
        if reply.len() > GREETING_MAX {
            return Err(std::io::Error::other("the reply to HELLO cannot be read"));
        }
    }
}

/// The problem behind an error in place of the greeting.
fn refusal(error: &ServerError, endpoint: &Endpoint) -> Problem {
    let (code, details) = (error.code(), error.details().unwrap_or(""));
    match code {
        "WRONGPASS" | "NOAUTH" => Problem::Password,
        "NOPERM" => Problem::Command("hello".to_owned()),
        "LOADING" | "BUSY" | "MASTERDOWN" => Problem::NotServing(code.to_owned()),
        _ => {
            let words = format!("{code} {details}");
            let words: String = words.escape_debug().take(WORDS_MAX).collect();
            Problem::Unreachable(format!("{endpoint}: {words}"))
        }
    }
}
