//! Addresses of servers. They contain no secret and may be logged.

use std::fmt;
use std::net::Ipv6Addr;
use std::sync::Arc;

/// The host and the port of one server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Endpoint {
    /// A name or an address, an IPv6 address without brackets.
    pub(crate) host: Arc<str>,
    /// The port.
    pub(crate) port: u16,
}

/// The servers that `--redis` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Servers {
    /// A standalone server, or nodes of one cluster. There is at least one.
    Seeds(Vec<Endpoint>),
    /// Sentinels, which name the primary.
    Sentinel {
        /// At least one.
        sentinels: Vec<Endpoint>,
        /// The name that the sentinels have for the primary and its replicas.
        master: String,
    },
}

impl Endpoint {
    /// The server at this host, an IPv6 address without brackets, and port.
    pub(crate) fn new(host: impl Into<Arc<str>>, port: u16) -> Endpoint {
        Endpoint { host: host.into(), port }
    }
}

impl Servers {
    /// The servers to ask first.
    pub(crate) fn endpoints(&self) -> &[Endpoint] {
        match self {
            Servers::Seeds(seeds) => seeds,
            Servers::Sentinel { sentinels, .. } => sentinels,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse::<Ipv6Addr>() {
            Ok(address) => write!(f, "[{address}]:{}", self.port),
            Err(_) => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, endpoint) in self.endpoints().iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{endpoint}")?;
        }
        match self {
            Servers::Seeds(_) => Ok(()),
            Servers::Sentinel { master, .. } => write!(f, "/{master}"),
        }
    }
}
