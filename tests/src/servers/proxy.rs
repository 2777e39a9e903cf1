//! A TCP proxy that imitates the faults of networks.
//!
//! In front of a node of a cluster it carries the node's replicas too: `Proxy::to_node` spares
//! their connections, so that clients can be cut off from a node that is well.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::clients::frames::runtime;

/// What happens to forwarded bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Bytes are forwarded.
    Open,
    /// Bytes are forwarded after this delay.
    Delay(Duration),
    /// Bytes wait, and are forwarded when the network is another one.
    Hold,
    /// Replies wait; requests are forwarded.
    HoldReplies,
    /// Bytes are accepted and dropped; connections stay open.
    Stall,
    /// All connections are closed, new ones too.
    Drop,
    /// Replies are read and forwarded at this rate.
    Narrow {
        /// Bytes per second.
        bytes_per_second: u32,
    },
    /// Replies end after this many bytes: the rest is lost and the connection is closed.
    Truncate(usize),
}

/// Listens on a port of its own and forwards to one address.
pub struct Proxy {
    address: SocketAddr,
    target: Arc<Mutex<SocketAddr>>,
    network: watch::Sender<Network>,
    subscriptions: watch::Sender<Option<Network>>,
    forwarded: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// A proxy to `target` without faults.
    pub fn to(target: SocketAddr) -> Proxy {
        Proxy::open(target, false)
    }

    /// As [`Proxy::to`], whose faults do not touch a replica that is connected.
    pub fn to_node(target: SocketAddr) -> Proxy {
        Proxy::open(target, true)
    }

    fn open(target: SocketAddr, spares_replicas: bool) -> Proxy {
        let (network, watch) = watch::channel(Network::Open);
        let (subscriptions, watch_subscriptions) = watch::channel(None);
        let target = Arc::new(Mutex::new(target));
        let networks =
            Networks { network: watch, subscriptions: watch_subscriptions, spares_replicas };
        let forwarded = Arc::new(AtomicU64::new(0));
        let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("a bound listener");
        let task = accept(listener, Arc::clone(&target), networks, Arc::clone(&forwarded));
        let task = runtime().spawn(task);
        Proxy { address, target, network, subscriptions, forwarded, task }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the fault for all connections, open ones included.
    pub fn set(&self, network: Network) {
        // A change to the same would count as a cut.
        self.network.send_if_modified(|before| std::mem::replace(before, network) != network);
    }

    /// Sets the fault for connections with sharded subscriptions; `None`: the same as for
    /// the rest.
    pub fn set_subscriptions(&self, network: Option<Network>) {
        self.subscriptions.send_replace(network);
    }

    /// Closes all connections; new ones are forwarded to `target`.
    pub fn lead_to(&self, target: SocketAddr) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
        self.cut();
    }

    /// Closes all connections once; new ones are forwarded.
    pub fn cut(&self) {
        self.network.send_replace(Network::Drop);
        self.network.send_replace(Network::Open);
    }

    /// Bytes forwarded so far, in both directions.
    pub fn forwarded(&self) -> u64 {
        self.forwarded.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The state that connections watch.
#[derive(Clone)]
struct Networks {
    network: watch::Receiver<Network>,
    subscriptions: watch::Receiver<Option<Network>>,
    spares_replicas: bool,
}

impl Networks {
    /// The network, once it forwards or loses bytes.
    async fn for_connection(&mut self, purpose: &Purpose, is_reply: bool) -> Network {
        loop {
            let network = *self.network.borrow_and_update();
            let special = *self.subscriptions.borrow_and_update();
            let network = match purpose.known() {
                Purpose::REPLICATION if self.spares_replicas => return Network::Open,
                Purpose::SUBSCRIPTIONS => special.unwrap_or(network),
                _ => network,
            };
            match network {
                Network::HoldReplies if !is_reply => return Network::Open,
                Network::Hold | Network::HoldReplies => {}
                network => return network,
            }
            // An error means that the proxy is gone.
            let changed = tokio::select! {
                changed = self.network.changed() => changed,
                changed = self.subscriptions.changed() => changed,
            };
            if changed.is_err() {
                return Network::Drop;
            }
        }
    }
}

/// What a connection is for, as its requests show.
#[derive(Default)]
struct Purpose(AtomicU8);

impl Purpose {
    const SUBSCRIPTIONS: u8 = 1;
    const REPLICATION: u8 = 2;

    fn known(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    /// Learns from bytes of a request.
    fn learn(&self, bytes: &[u8]) {
        let has = |word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
        if self.known() == 0 && has(b"SSUBSCRIBE") {
            self.0.store(Purpose::SUBSCRIPTIONS, Ordering::Relaxed);
        }
        if self.known() == 0 && has(b"REPLCONF") {
            self.0.store(Purpose::REPLICATION, Ordering::Relaxed);
        }
    }
}

async fn accept(
    listener: TcpListener,
    target: Arc<Mutex<SocketAddr>>,
    networks: Networks,
    forwarded: Arc<AtomicU64>,
) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        if *networks.network.borrow() == Network::Drop {
            continue;
        }
        let target = *target.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(server) = TcpStream::connect(target).await else { continue };
        let (networks, forwarded) = (networks.clone(), Arc::clone(&forwarded));
        connections.spawn(async move {
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let (mut end, spares_replicas) = (networks.network.clone(), networks.spares_replicas);
            let purpose = Purpose::default();
            // The first task to end drops all four halves, which closes both sockets.
            tokio::select! {
                () = forward(from_client, to_server, networks.clone(), &forwarded, &purpose, false) => {}
                () = forward(from_server, to_client, networks, &forwarded, &purpose, true) => {}
                () = dropped(&mut end, &purpose, spares_replicas) => {}
            }
        });
    }
}

/// Ends when connections are to be closed. `cut` sets and clears the state at once, so a missed
/// change counts as a cut if the network is open again.
async fn dropped(network: &mut watch::Receiver<Network>, purpose: &Purpose, spares_replicas: bool) {
    let before = *network.borrow_and_update();
    let mut last = before;
    while network.changed().await.is_ok() {
        let now = *network.borrow_and_update();
        let is_cut = now == Network::Drop || (now == Network::Open && last == Network::Open);
        if is_cut && !(spares_replicas && purpose.known() == Purpose::REPLICATION) {
            return;
        }
        last = now;
    }
}

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut networks: Networks,
    forwarded: &AtomicU64,
    purpose: &Purpose,
    is_reply: bool,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let mut bytes = &buffer[..length];
        if !is_reply {
            purpose.learn(bytes);
        }
        match networks.for_connection(purpose, is_reply).await {
            Network::Open | Network::Hold | Network::HoldReplies => {}
            Network::Drop => return,
            // The delay is the fault itself, not a wait for something to happen.
            Network::Delay(span) => tokio::time::sleep(span).await,
            Network::Narrow { bytes_per_second } if is_reply => {
                let seconds = length as f64 / f64::from(bytes_per_second);
                tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            }
            Network::Narrow { .. } => {}
            Network::Stall => continue,
            Network::Truncate(limit) if is_reply => bytes = &bytes[..limit.min(length)],
            Network::Truncate(_) => {}
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
