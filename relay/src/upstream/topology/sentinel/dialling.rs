//! Connections to Sentinels, and the look at a server that one of them names.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::config::Endpoint;
use crate::upstream::connection::{Closing, Connection, Purpose, Push};
use crate::upstream::dialling::dial::Dialler;
use crate::upstream::dialling::greeting::{Mode, Role};
use crate::upstream::health::Problem;
use crate::upstream::topology::sentinel::answers::Trouble;

/// Longest wait for the addresses of a name.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(2);

/// How to reach Sentinels, and the servers that they name.
pub(super) struct Dialling {
    pub(super) to_sentinels: Dialler,
    pub(super) to_redis: Arc<Dialler>,
}

impl Dialling {
    /// The addresses that this name has now.
    pub(super) async fn resolve(&self, sentinel: &Endpoint) -> Result<Vec<SocketAddr>, Trouble> {
        let found = timeout(RESOLVE_TIMEOUT, lookup_host((&*sentinel.host, sentinel.port))).await;
        let found = found.map_err(|_| Trouble::unreachable("its name is not resolved in time"))?;
        let found = found.map_err(|error| Trouble::unreachable(error.to_string()))?;
        Ok(found.collect())
    }

    /// A connection to a Sentinel. `on_push` is dropped when it ends.
    pub(super) async fn to_sentinel(
        &self,
        sentinel: &Endpoint,
        on_push: impl FnMut(Push<'_>) + Send + 'static,
    ) -> Result<Connection, Trouble> {
        let dialled = self.to_sentinels.dial(sentinel).await;
        let (stream, greeting) = dialled.map_err(Trouble::Connection)?;
        if greeting.mode != Mode::Sentinel {
            return Err(Trouble::NotASentinel);
        }
        Ok(Connection::start(stream, Purpose::Subscriptions, &Closing::new(), on_push))
    }

    /// Whether this server is a primary now, by its own words.
    pub(super) async fn check_primary(&self, server: &Endpoint) -> Result<(), Problem> {
        let (_, greeting) = self.to_redis.dial(server).await?;
        match greeting.role {
            Role::Primary => Ok(()),
            Role::Replica => Err(Problem::Replica),
        }
    }
}
