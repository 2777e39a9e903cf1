//! The listener: accepting connections, and draining at the end.
//!
//! [`Server::bind`] creates everything and takes the ports. [`Server::run`] serves until it is
//! stopped and then drains: `/readyz` fails, after `--drain-delay` no new connections are accepted,
//! and the open ones are closed at a rate that ends in time. The relay holds no truth, so nothing
//! has to be saved.

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::extract::connect_info::ConnectInfo;
use axum::http::Request;
use chat_protocol::close_code;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioTimer;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::client::connection::End;
use crate::config::Config;
use crate::hub::{Hub, relays};
use crate::metrics::METRICS;
use crate::panics::restart_on_panic;
use crate::rate_limit::LogLimit;
use crate::server::admission::Admissions;
use crate::server::http::{Site, ops_router, router};
use crate::server::http_connections::{HttpConnections, WriteTimeout};
use crate::server::proxies::Proxies;
use crate::server::static_files::Policy;
use crate::upstream::Upstream;
use crate::{hub, metrics, operations, upstream};

/// Connections closed per second in a drain that has enough time.
const DRAIN_RATE: f64 = 200.0;

/// The ports of a relay.
pub struct Listeners {
    /// `--listen`.
    clients: TcpListener,
    /// `--listen-ops`.
    ops: Option<TcpListener>,
}

/// One relay.
pub struct Server {
    /// The hub.
    pub(super) hub: Arc<Hub>,
    admissions: Arc<Admissions>,
    /// Connections that are no WebSockets, or not yet.
    pub(super) http_connections: Arc<HttpConnections>,
}

/// Connections that may wait to be accepted. When a relay fails, its clients arrive here all at
/// once, and one that finds the queue full retries only after seconds. The kernel's own limit
/// applies too.
const BACKLOG: u32 = 8192;

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Server {
    /// Creates the relay and takes its ports. Redis need not be reachable yet.
    pub async fn bind(config: Config) -> anyhow::Result<(Arc<Server>, Listeners)> {
        raise_file_limit();
        let take = |flag: &str, address| {
            listen(address).with_context(|| format!("{flag}: cannot listen on {address}"))
        };
        let listeners = Listeners {
            clients: take("--listen", config.listen)?,
            ops: config.edge.listen_ops.map(|address| take("--listen-ops", address)).transpose()?,
        };
        let boot = format!("{:08x}", rand::random::<u32>());
        let probe_room = upstream::probe_room(&config.name, &boot);
        let upstream = Upstream::new(&config.redis, &config.name, probe_room, config.probe);
        // Only those who watch patterns need it.
        let upstream = upstream.without("chat.changes");
        let admissions =
            Admissions::new(config.max_connections, config.max_connections_per_address);
        let server = Server {
            http_connections: HttpConnections::new(config.max_http_connections),
            hub: Hub::new(config, Arc::new(upstream), boot),
            admissions,
        };
        Ok((Arc::new(server), listeners))
    }

    /// Serves until `stop`, then drains and returns.
    pub async fn run(
        self: Arc<Self>,
        listeners: Listeners,
        stop: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let metrics = metrics::install()?;
        operations::register_metrics();
        hub::start(&self.hub);
        let policy = Policy::new(&self.hub.config);
        let site = Arc::new(Site {
            hub: self.hub.clone(),
            admissions: self.admissions.clone(),
            http_connections: self.http_connections.clone(),
            metrics,
            policy,
        });
        let address = listeners.clients.local_addr()?;
        {
            let mut out = std::io::stdout().lock();
            if let Some(ops) = &listeners.ops {
                writeln!(out, "metrics and health on {}", ops.local_addr()?)?;
            }
            writeln!(out, "listening on {address}")?;
            out.flush()?;
        }
        let config = &self.hub.config;
        info!(%address, relay = config.name, redis = %config.redis.servers, "serving");
        let ops = listeners.ops.map(|ops| {
            let (server, routes) = (self.clone(), ops_router(site.clone()));
            let announcing = self.announce(ops.local_addr());
            (announcing, tokio::spawn(async move { server.accept(ops, routes, None).await }))
        });
        let proxies = self.hub.config.edge.proxy_protocol.clone();
        let proxies = proxies.map(|networks| Arc::new(Proxies::new(networks)));
        let stop = async {
            stop.await;
            self.admissions.announce_stop();
            tokio::time::sleep(self.hub.config.edge.drain_delay).await;
        };
        tokio::select! {
            () = stop => {}
            () = self.accept(listeners.clients, router(site), proxies) => {}
        }
        self.admissions.close();
        self.drain().await;
        if let Some((announcing, accepting)) = ops {
            announcing.abort();
            relays::leave(&self.hub).await;
            accepting.abort();
        }
        Ok(())
    }

    /// Tells operators where this relay is.
    fn announce(&self, address: std::io::Result<SocketAddr>) -> JoinHandle<()> {
        let hub = self.hub.clone();
        tokio::spawn(async move {
            let Ok(address) = address else { return };
            restart_on_panic("announcing", move || relays::announce(hub.clone(), address)).await;
        })
    }

    /// Reads the files of keys again.
    pub async fn reload(&self) {
        if let Some(verification) = &self.hub.verification {
            verification.reload().await;
        }
        self.hub.reload_api_keys().await;
    }

    /// Serves the connections of one port. Never ends. `proxies`: where they must come from, if each
    /// begins with a header of the PROXY protocol.
    async fn accept(
        &self,
        listener: TcpListener,
        routes: axum::Router,
        proxies: Option<Arc<Proxies>>,
    ) {
        let mut accept_errors = AcceptErrors::default();
        loop {
            match listener.accept().await {
                Ok((socket, peer)) => {
                    accept_errors.pause = PAUSE_FIRST;
                    self.serve_http(socket, peer, &routes, proxies.clone());
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    // Most likely out of file descriptors: others must be closed first.
                    self.http_connections.close_oldest();
                    tokio::time::sleep(accept_errors.note(&error)).await;
                }
            }
        }
    }

    fn serve_http(
        &self,
        mut socket: TcpStream,
        peer: SocketAddr,
        routes: &axum::Router,
        proxies: Option<Arc<Proxies>>,
    ) {
        let _ = socket.set_nodelay(true);
        let (within, routes) = (self.hub.config.handshake_timeout, routes.clone());
        let connection = self.http_connections.enter();
        connection.clone().spawn(async move {
            let mut client = peer;
            if let Some(proxies) = proxies {
                match Box::pin(proxies.client(&mut socket, peer, within)).await {
                    Some(address) => client = address,
                    None => return,
                }
            }
            // Not with `Router::layer`, which copies every route.
            let (routes, http) = (TowerToHyperService::new(routes), connection.clone());
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(http.clone());
                request.extensions_mut().insert(ConnectInfo(client));
                routes.call(request)
            });
            let served = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(within)
                .max_buf_size(16 << 10)
                .serve_connection(WriteTimeout::new(socket, within, connection), service)
                .with_upgrades();
            // An error here is the client's: it broke off or broke HTTP.
            let _ = served.await;
        });
    }

    /// Closes all connections, evenly over a time that grows with their number, but leaves time
    /// within `--drain-time` for their sessions to end.
    async fn drain(&self) {
        let all = self.hub.connections();
        let time = self.hub.config.drain_time;
        info!(connections = all.len(), "draining");
        let span = time.mul_f64(0.8).min(Duration::from_secs_f64(all.len() as f64 / DRAIN_RATE));
        let begun = tokio::time::Instant::now();
        for (index, connection) in all.iter().enumerate() {
            let at = begun + span.mul_f64(index as f64 / all.len() as f64);
            tokio::time::sleep_until(at).await;
            connection.end(End::Close(close_code::DRAIN));
        }
        let gone = async {
            while self.hub.connection_count() > 0 || self.admissions.count() > 0 {
                for late in self.hub.connections() {
                    late.end(End::Close(close_code::DRAIN));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = tokio::time::timeout_at(begun + time.max(Duration::from_millis(100)), gone).await;
        // The last sessions are still shortening their presence.
        tokio::time::sleep(Duration::from_millis(50)).await;
        info!("stopped");
    }
}

/// Whether the error concerns one connection, which was lost before it was accepted.
fn concerns_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// The first and the longest pause after the system has refused a connection.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Errors of the system when accepting connections.
#[derive(Default)]
struct AcceptErrors {
    pause: Duration,
    log_limit: LogLimit,
}

impl AcceptErrors {
    /// Counts and logs an error. Returns how long to wait before the next attempt.
    fn note(&mut self, error: &std::io::Error) -> Duration {
        METRICS.accept_failures.increment(1);
        if let Some(times) = self.log_limit.note(Instant::now()) {
            warn!(source = "relay", %error, times, "cannot accept connections");
        }
        let pause = self.pause.max(PAUSE_FIRST);
        self.pause = (pause * 2).min(PAUSE_MAX);
        pause
    }
}

/// Raises the limit of open files to the system's maximum: each connection needs one.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        let _ = setrlimit(Resource::Nofile, limit);
    }
}
