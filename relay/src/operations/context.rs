//! What an operation works with: the hub, the connection, its rate limit and its waiting sends.

use std::sync::Arc;
use std::time::Instant;

use chat_protocol::close_code;
use parking_lot::Mutex;

use crate::auth::Identity;
use crate::client::connection::{Connection, End};
use crate::client::error::Error;
use crate::hub::standing::{Refusal, gate};
use crate::hub::{Hub, now_ms};
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
    /// When the token ends, leeway included. `None`: never.
    expiry: Mutex<Option<Instant>>,
}

fn expiry(identity: &Identity) -> Option<Instant> {
    identity.time_left(now_ms()).map(|left| Instant::now() + left)
}

impl Context {
    /// The context of a new connection.
    pub(crate) fn new(
        hub: Arc<Hub>,
        connection: Arc<Connection>,
        allowance: Allowance,
    ) -> Arc<Context> {
        let expiry = connection.identity().and_then(|identity| expiry(&identity));
        let (send_queue, expiry) = (Mutex::default(), Mutex::new(expiry));
        Arc::new(Context { hub, connection, allowance, send_queue, expiry })
    }

    /// Asks the store whether the user may act. A user who may not loses the connection.
    pub(super) async fn may_act(&self) -> Result<(), Refusal> {
        let identity = self.connection.identity();
        let may_act = gate::may_act(&self.hub, self.user(), identity.as_deref()).await;
        may_act.inspect_err(|refusal| refusal.close(&self.connection))
    }

    /// As [`Context::may_act`], by an answer that is asked for now.
    pub(super) async fn may_act_from_now(&self) -> Result<(), Refusal> {
        let identity = self.connection.identity();
        let may_act = gate::may_act_from_now(&self.hub, self.user(), identity.as_deref()).await;
        may_act.inspect_err(|refusal| refusal.close(&self.connection))
    }

    /// When the user's token ends, leeway included. `None`: never.
    pub(crate) fn expiry(&self) -> Option<Instant> {
        *self.expiry.lock()
    }

    /// Replaces what the user's token says.
    pub(super) fn set_identity(&self, identity: Arc<Identity>) {
        *self.expiry.lock() = expiry(&identity);
        self.connection.set_identity(identity);
    }

    /// Whether the user may not be here any more: the connection was closed for it, or the token has
    /// ended since, also that of a lost connection. Then nothing that waits is done for it.
    pub(super) fn is_expelled(&self) -> bool {
        let has_expired = self.expiry().is_some_and(|expiry| expiry <= Instant::now());
        has_expired
            || matches!(
                self.connection.ended(),
                Some(End::Close(close_code::KICKED | close_code::EXPIRED | close_code::SUSPENDED))
            )
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
