//! Proxies that name the address of their client by the PROXY protocol.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tracing::warn;

use crate::config::Networks;
use crate::metrics::METRICS;
use crate::rate_limit::LogLimit;
use crate::server::proxy_header::{self, HeaderError};

/// The proxies of one port, through which all connections come.
pub(super) struct Proxies {
    trusted: Networks,
    log_limit: Mutex<LogLimit>,
}

impl Proxies {
    /// Proxies of these networks.
    pub(super) fn new(trusted: Networks) -> Proxies {
        Proxies { trusted, log_limit: Mutex::default() }
    }

    /// The address of the client whose connection `peer` passed on. Reads the header, and nothing
    /// beyond it. None: there is no good header, which is counted and logged.
    pub(super) async fn client(
        &self,
        socket: &mut TcpStream,
        peer: SocketAddr,
        within: Duration,
    ) -> Option<SocketAddr> {
        let header = match self.trusted.contain(peer.ip().to_canonical()) {
            true => proxy_header::read(socket, within).await,
            false => Err(HeaderError::Untrusted),
        };
        match header {
            Ok(named) => Some(named.unwrap_or(peer)),
            Err(error) => {
                METRICS.proxy_header_refused(error.reason());
                if let Some(times) = self.log_limit.lock().note(Instant::now()) {
                    warn!(source = "client", %peer, %error, times, "no PROXY header");
                }
                None
            }
        }
    }
}
