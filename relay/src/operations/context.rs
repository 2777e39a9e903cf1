//! What an operation works with: the hub, the connection, its rate limit and its waiting sends.

use std::sync::Arc;
use std::time::Instant;

use chat_protocol::names::BACKEND;
use parking_lot::Mutex;

use crate::auth::Identity;
use crate::client::connection::Connection;
use crate::client::error::Error;
use crate::hub::standing::{Refusal, gate};
use crate::hub::{Hub, now_ms};
use crate::operations::caller::Caller;
use crate::operations::messages::checked_rooms::CheckedRooms;
use crate::operations::messages::send_queue::SendQueue;
use crate::rate_limit::Allowance;
use crate::upstream::Command;
use crate::upstream::commands::Reader;

/// The state of one connection between operations.
pub(crate) struct Context {
    /// The hub.
    pub hub: Arc<Hub>,
    /// The connection that has sent the request.
    pub connection: Arc<Connection>,
    /// The rate limit of its user.
    pub allowance: Allowance,
    pub(super) caller: Caller,
    pub(super) send_queue: Mutex<SendQueue>,
    /// The direct rooms that refuse by themselves whom the other user blocks.
    pub(super) checked_rooms: CheckedRooms,
    /// When the token ends, leeway included. `None`: never.
    expiry: Mutex<Option<Instant>>,
}

fn expiry(identity: &Identity) -> Option<Instant> {
    identity.time_left(now_ms()).map(|left| Instant::now() + left)
}

/// A connection that is in no list and receives nothing.
fn replies_only(user: Arc<str>, identity: Option<Arc<Identity>>) -> Arc<Connection> {
    let connection = Connection::detached(0, "".into(), user, 0);
    if let Some(identity) = identity {
        connection.set_identity(identity);
    }
    Arc::new(connection)
}

impl Context {
    /// The context of a new connection.
    pub(crate) fn new(
        hub: Arc<Hub>,
        connection: Arc<Connection>,
        allowance: Allowance,
    ) -> Arc<Context> {
        Context::of(hub, connection, allowance, Caller::Connection)
    }

    /// The context of requests by a user without a connection here.
    pub(crate) fn of_user(
        hub: Arc<Hub>,
        user: Arc<str>,
        identity: Option<Arc<Identity>>,
        allowance: Allowance,
    ) -> Arc<Context> {
        Context::of(hub, replies_only(user, identity), allowance, Caller::Request)
    }

    /// The context of requests by the backend. `identity` bounds the rooms.
    pub(crate) fn of_backend(
        hub: Arc<Hub>,
        identity: Option<Arc<Identity>>,
        allowance: Allowance,
    ) -> Arc<Context> {
        Context::of(hub, replies_only(BACKEND.into(), identity), allowance, Caller::Backend)
    }

    fn of(
        hub: Arc<Hub>,
        connection: Arc<Connection>,
        allowance: Allowance,
        caller: Caller,
    ) -> Arc<Context> {
        let expiry = connection.identity().and_then(|identity| expiry(&identity));
        let (send_queue, expiry) = (Mutex::default(), Mutex::new(expiry));
        let checked_rooms = CheckedRooms::default();
        Arc::new(Context { hub, connection, allowance, caller, send_queue, checked_rooms, expiry })
    }

    /// Asks the store whether the user may act. A user who may not loses the connection.
    pub(super) async fn may_act(&self) -> Result<(), Refusal> {
        let identity = self.connection.identity();
        for (user, identity) in self.subjects(identity.as_deref()) {
            let may_act = gate::may_act(&self.hub, user, identity).await;
            may_act.inspect_err(|refusal| self.close(*refusal))?;
        }
        Ok(())
    }

    /// As [`Context::may_act`], by an answer that is asked for now.
    pub(super) async fn may_act_from_now(&self) -> Result<(), Refusal> {
        let identity = self.connection.identity();
        for (user, identity) in self.subjects(identity.as_deref()) {
            let may_act = gate::may_act_from_now(&self.hub, user, identity).await;
            may_act.inspect_err(|refusal| self.close(*refusal))?;
        }
        Ok(())
    }

    fn subjects<'a>(
        &'a self,
        identity: Option<&'a Identity>,
    ) -> impl Iterator<Item = (&'a str, Option<&'a Identity>)> {
        gate::subjects((!self.caller.is_backend()).then_some(self.user()), identity)
    }

    /// Closes the connection of a user who may not act.
    fn close(&self, refusal: Refusal) {
        if self.caller.receives() {
            refusal.close(&self.connection);
        }
    }

    /// The error of an operation whose user may not act.
    pub(super) fn turned_away(&self, refusal: Refusal) -> Error {
        match self.caller.receives() {
            // The close frame says the rest.
            true => Error::unavailable(),
            false => refusal.error(),
        }
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
        has_expired || self.connection.ended().is_some_and(|end| end.expulsion().is_some())
    }

    pub(super) fn user(&self) -> &str {
        &self.connection.user
    }

    /// Who may see what is read.
    pub(super) fn reader(&self) -> Reader<'_> {
        self.caller.reader(self.user())
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
