//! A TCP proxy that does to a connection what networks do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::frames::runtime;

/// What happens to bytes on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// They arrive.
    Fair,
    /// They arrive this much later.
    Delay(Duration),
    /// They are accepted and never arrive; connections stay open.
    Stall,
    /// Connections are closed, new ones too.
    Drop,
    /// Replies end after this many bytes: the rest is lost and the connection closed.
    Truncate(usize),
}

/// Listens on a port of its own and forwards to one address.
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    forwarded: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// A proxy to `target` in fair weather.
    pub fn to(target: SocketAddr) -> Proxy {
        let (weather, watch) = watch::channel(Weather::Fair);
        let forwarded = Arc::new(AtomicU64::new(0));
        let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("a bound listener");
        let task = runtime().spawn(accept(listener, target, watch, Arc::clone(&forwarded)));
        Proxy { address, weather, forwarded, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the weather for all connections, those that are open too.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// Closes all connections once; new ones are let through.
    pub fn cut(&self) {
        self.weather.send_replace(Weather::Drop);
        self.weather.send_replace(Weather::Fair);
    }

    /// Bytes that arrived so far, in both directions.
    pub fn forwarded(&self) -> u64 {
        self.forwarded.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    weather: watch::Receiver<Weather>,
    forwarded: Arc<AtomicU64>,
) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        if *weather.borrow() == Weather::Drop {
            continue;
        }
        let Ok(server) = TcpStream::connect(target).await else { continue };
        let (weather, forwarded) = (weather.clone(), Arc::clone(&forwarded));
        connections.spawn(async move {
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let mut end = weather.clone();
            // Whichever ends first drops all four halves, which closes both sockets.
            tokio::select! {
                () = forward(from_client, to_server, weather.clone(), &forwarded, false) => {}
                () = forward(from_server, to_client, weather, &forwarded, true) => {}
                () = dropped(&mut end) => {}
            }
        });
    }
}

/// Ends when connections are to be closed. `cut` sets and clears at once, so any change that was
/// missed in between counts as a closing one if the weather is fair again.
async fn dropped(weather: &mut watch::Receiver<Weather>) {
    let before = *weather.borrow_and_update();
    let mut last = before;
    while weather.changed().await.is_ok() {
        let now = *weather.borrow_and_update();
        if now == Weather::Drop || (now == Weather::Fair && last == Weather::Fair) {
            return;
        }
        last = now;
    }
}

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    forwarded: &AtomicU64,
    is_reply: bool,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let now = *weather.borrow_and_update();
        let mut bytes = &buffer[..length];
        match now {
            Weather::Fair => {}
            Weather::Drop => return,
            // The fault itself, not a wait for something to happen.
            Weather::Delay(span) => tokio::time::sleep(span).await,
            Weather::Stall => continue,
            Weather::Truncate(limit) if is_reply => bytes = &bytes[..limit.min(length)],
            Weather::Truncate(_) => {}
        }
        if to.write_all(bytes).await.is_err() {
            return;
        }
        forwarded.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if bytes.len() < length {
            return;
        }
    }
}
