//! One link to Redis: a connection for commands and one for subscriptions, opened and closed
//! together.

use std::future::Future;
use std::sync::Arc;

use redis::Value;

use crate::config::Endpoint;
use crate::upstream::commands::Command;
use crate::upstream::connection::{Closing, Connection, Purpose, Push};
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
        let on_push = {
            let closing = closing.clone();
            move |push: Push<'_>| {
                if !closing.is_closed() {
                    pass_on(push, &*listener);
                }
            }
        };
        let dial = async || {
            let (stream, greeting) = dialler.dial(server).await?;
            Problem::of(&greeting).map_or(Ok((stream, greeting)), Err)
        };
        let (stream, _) = dial().await?;
        let commands = Connection::start(stream, Purpose::Commands, &closing, |_| {});
        let (stream, greeting) = dial().await?;
        let subscriptions = Connection::start(stream, Purpose::Subscriptions, &closing, on_push);
        Ok((Link { commands, subscriptions, closing }, greeting))
    }

    /// Sends commands in one write and returns their replies unread. None: there was no answer. If
    /// the future is dropped, the commands may have been sent.
    pub(super) async fn ask(&self, commands: &[Command]) -> Option<Vec<Value>> {
        self.commands.call(commands).await
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

fn pass_on(push: Push<'_>, listener: &dyn LinkListener) {
    match push {
        Push::Message { channel, payload } => listener.message(channel, payload.to_vec()),
        Push::Subscribed(channel) => listener.subscribed(channel),
        Push::Unsubscribed(channel) => listener.unsubscribed(channel),
        Push::Other => {}
    }
}
