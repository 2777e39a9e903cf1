//! What an operation works with: the hub, the connection, its rate limit and its waiting sends.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::client::connection::Connection;
use crate::client::error::Error;
use crate::hub::Hub;
use crate::operations::send_queue::SendQueue;
use crate::rate_limit::Allowance;
use crate::upstream::Command;

/// The state of one connection between operations.
pub(crate) struct Context {
    /// The hub.
    pub hub: Arc<Hub>,
    /// The connection that has sent the request.
    pub connection: Arc<Connection>,
    /// The rate limit of its user.
    pub allowance: Allowance,
    pub(super) send_queue: Mutex<SendQueue>,
}

impl Context {
    /// The context of a new connection.
    pub(crate) fn new(
        hub: Arc<Hub>,
        connection: Arc<Connection>,
        allowance: Allowance,
    ) -> Arc<Context> {
        Arc::new(Context { hub, connection, allowance, send_queue: Mutex::default() })
    }

    pub(super) fn user(&self) -> &str {
        &self.connection.user
    }

    /// Counts operations whose number was not known at the beginning; later ones wait for them.
    pub(super) fn owe(&self, cost: usize) {
        self.allowance.owe(cost, Instant::now());
    }

    /// Sends one command and returns its reply.
    pub(super) async fn ask(&self, command: Command) -> Result<redis::Value, Error> {
        Ok(self.hub.upstream.call_one(command).await?)
    }
}
