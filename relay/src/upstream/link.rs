//! One link to Redis: a connection for commands and one for subscriptions, opened and closed
//! together.

use std::future::Future;
use std::sync::Arc;

use redis::Value;
use tokio::time::Instant;

use crate::config::Endpoint;
use crate::upstream::commands::Command;
use crate::upstream::connection::{Closing, Connection, Nothing, Purpose, Push, Receiver};
use crate::upstream::dialling::dial::Dialler;
use crate::upstream::dialling::greeting::Greeting;
use crate::upstream::health::Problem;
use crate::upstream::listener::LinkListener;

/// The channel on which relays publish changed profiles to each other. No room can have this name.
pub(crate) const PROFILE_CHANNEL: &str = "@*profiles";

/// The pair of connections.
pub(super) struct Link {
    commands: Connection,
    subscriptions: Connection,
    /// Closes both.
    closing: Arc<Closing>,
}

impl Link {
    /// Opens both connections, and says what the server says of itself. What arrives without a
    /// request goes to the listener.
    pub(super) async fn open(
        dialler: &Dialler,
        server: &Endpoint,
        listener: Arc<dyn LinkListener>,
    ) -> Result<(Link, Greeting), Problem> {
        let closing = Closing::new();
        let pushes = Pushes { listener, closing: closing.clone(), has_passed: false };
        let dial = async || {
            let (stream, greeting) = dialler.dial(server).await?;
            Problem::of(&greeting).map_or(Ok((stream, greeting)), Err)
        };
        let (stream, _) = dial().await?;
        let commands = Connection::start(stream, Purpose::Commands, &closing, Nothing);
        let (stream, greeting) = dial().await?;
        let subscriptions = Connection::start(stream, Purpose::Subscriptions, &closing, pushes);
        Ok((Link { commands, subscriptions, closing }, greeting))
    }

    /// Sends commands in one write and returns their replies unread. None: there was no answer. If
    /// the future is dropped, the commands may have been sent.
    pub(super) async fn ask(&self, commands: &[Command]) -> Option<Vec<Value>> {
        self.commands.call(commands).await
    }

    /// As [`Link::ask`], for one command, whose reply is awaited until `deadline`.
    pub(super) fn ask_one(
        &self,
        command: &Command,
        deadline: Instant,
    ) -> impl Future<Output = Option<Value>> {
        self.commands.call_one(command, deadline)
    }

    /// Sends subscription commands. Returns for each OK if it is confirmed, or the error. None:
    /// there was no answer.
    pub(super) async fn subscription_call(&self, commands: &[Command]) -> Option<Vec<Value>> {
        self.subscriptions.subscription_call(commands).await
    }

    /// The output of `work`. None: the link was closed first.
    pub(super) async fn unless_closed<F: Future>(&self, work: F) -> Option<F::Output> {
        self.closing.unless_closed(work).await
    }

    /// Whether the link is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.closing.is_closed()
    }

    /// Closes the link. False: it was already closed.
    pub(super) fn close(&self) -> bool {
        self.closing.close()
    }
}

/// Passes on what arrives, until the link is closed.
struct Pushes {
    listener: Arc<dyn LinkListener>,
    closing: Arc<Closing>,
    /// Messages have been handed over since the listener was told that these are all.
    has_passed: bool,
}

impl Receiver for Pushes {
    fn push(&mut self, push: Push<'_>) {
        if self.closing.is_closed() {
            return;
        }
        match push {
            Push::Message { channel, payload } => {
                self.has_passed = true;
                self.listener.message(channel, payload);
            }
            Push::Subscribed(channel) => self.listener.subscribed(channel),
            Push::Unsubscribed(channel) => self.listener.unsubscribed(channel),
            Push::Other => {}
        }
    }

    fn caught_up(&mut self) {
        if std::mem::take(&mut self.has_passed) {
            self.listener.caught_up();
        }
    }
}
