//! The listener: who may come in, and how all leave.
//!
//! [`Server::bind`] makes everything and takes the port; [`Server::run`] serves until it is told to
//! stop and then drains: not ready, no new connections, then the old ones are closed at a pace that
//! ends in time. The relay holds no truth, so nothing has to be saved.

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Extension;
use axum::extract::connect_info::ConnectInfo;
use chat_protocol::close_code;
use hyper_util::rt::TokioTimer;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tracing::{info, warn};

use crate::client::connection::End;
use crate::config::Config;
use crate::hub::Hub;
use crate::metrics::METRICS;
use crate::server::admission::Admissions;
use crate::server::http::{Site, router};
use crate::server::http_connections::{HttpConnections, Impatient};
use crate::server::static_files::Policy;
use crate::upstream::Upstream;
use crate::{hub, metrics, upstream};

/// Connections closed per second in a drain that need not hurry.
const DRAIN_PACE: f64 = 200.0;

/// One relay.
pub struct Server {
    /// Its hub.
    pub(super) hub: Arc<Hub>,
    admissions: Arc<Admissions>,
    /// Who is not, or not yet, a WebSocket.
    pub(super) http_connections: Arc<HttpConnections>,
}

/// Connections that may wait to be accepted: when a relay has died its clients come all at once, and
/// who finds the queue full tries again only after seconds. The kernel's own limit holds too.
const BACKLOG: u32 = 8192;

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Server {
    /// Makes the relay and takes its port. Redis need not be there yet.
    pub async fn bind(config: Config) -> anyhow::Result<(Arc<Server>, TcpListener)> {
        raise_file_limit();
        let address = config.listen;
        let listener =
            listen(address).with_context(|| format!("--listen: cannot listen on {address}"))?;
        let boot = format!("{:08x}", rand::random::<u32>());
        let probe_room = upstream::probe_room(&config.name, &boot);
        let upstream = Upstream::new(&config.redis, probe_room, config.probe).context("--redis")?;
        let admissions =
            Admissions::new(config.max_connections, config.max_connections_per_address);
        let server = Server {
            http_connections: HttpConnections::new(config.max_http_connections),
            hub: Hub::new(config, Arc::new(upstream), boot),
            admissions,
        };
        Ok((Arc::new(server), listener))
    }

    /// Serves until `stop`, then drains and returns.
    pub async fn run(
        self: Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let metrics = metrics::install()?;
        hub::start(&self.hub);
        let policy = Policy::with_relays(&self.hub.config.relay_urls);
        let routes = router(Site {
            hub: self.hub.clone(),
            admissions: self.admissions.clone(),
            http_connections: self.http_connections.clone(),
            metrics,
            policy,
        });
        let address = listener.local_addr()?;
        {
            let mut out = std::io::stdout().lock();
            writeln!(out, "listening on {address}")?;
            out.flush()?;
        }
        info!(%address, relay = self.hub.config.name, "serving");
        tokio::pin!(stop);
        let mut refusals = Refusals::default();
        loop {
            let accepted = tokio::select! {
                _ = &mut stop => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer)) => {
                    refusals.pause = PAUSE_FIRST;
                    self.serve_http(socket, peer, &routes);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // Out of file descriptors, most likely: others must leave first.
                    self.http_connections.end_oldest();
                    let pause = refusals.note(&error);
                    tokio::select! {
                        _ = &mut stop => break,
                        _ = tokio::time::sleep(pause) => {}
                    }
                }
            }
        }
        self.admissions.close();
        drop(listener);
        self.drain().await;
        Ok(())
    }

    fn serve_http(&self, socket: TcpStream, peer: SocketAddr, routes: &axum::Router) {
        let _ = socket.set_nodelay(true);
        let within = self.hub.config.handshake_timeout;
        let service = TowerToHyperService::new(routes.clone().layer(Extension(ConnectInfo(peer))));
        let served = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(within)
            .max_buf_size(16 << 10)
            .serve_connection(Impatient::new(socket, within), service)
            .with_upgrades();
        self.http_connections.receive(async move {
            // A client that breaks off or breaks HTTP is its own affair.
            let _ = served.await;
        });
    }

    /// Closes all connections, evenly over a time that grows with their number up to
    /// `--drain-time`, less a little for them to go.
    async fn drain(&self) {
        let all = self.hub.connections();
        let time = self.hub.config.drain_time;
        info!(connections = all.len(), "draining");
        let pace = time.mul_f64(0.8).min(Duration::from_secs_f64(all.len() as f64 / DRAIN_PACE));
        let begun = tokio::time::Instant::now();
        for (index, connection) in all.iter().enumerate() {
            let at = begun + pace.mul_f64(index as f64 / all.len() as f64);
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
        // The last presences are shortened just now.
        tokio::time::sleep(Duration::from_millis(50)).await;
        info!("stopped");
    }
}

/// Whether the error is that of one connection, which was gone before we took it.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// The first pause after the system has refused a connection, and the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_MOST: Duration = Duration::from_secs(1);
/// Refusals are told at most so often.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// The system's refusals to give us new connections.
#[derive(Default)]
struct Refusals {
    pause: Duration,
    untold: u64,
    told: Option<Instant>,
}

impl Refusals {
    /// Takes note of one, and says how long to wait before the next attempt.
    fn note(&mut self, error: &std::io::Error) -> Duration {
        METRICS.accept_failures.increment(1);
        self.untold += 1;
        if self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            warn!(source = "relay", %error, times = self.untold, "cannot accept connections");
            (self.untold, self.told) = (0, Some(Instant::now()));
        }
        let pause = self.pause.max(PAUSE_FIRST);
        self.pause = (pause * 2).min(PAUSE_MOST);
        pause
    }
}

/// A socket per connection: asks for as many files as the system allows.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        let _ = setrlimit(Resource::Nofile, limit);
    }
}
