//! The probe: proves that what is published over a link's one connection arrives over its other.
//!
//! Its channel is a room that cannot exist, in a slot of the node: in another slot the publication
//! would be redirected and prove nothing. When the slot has moved away, another room is chosen. A
//! publication is no write, so this works while writes are refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::Value;
use tokio::sync::watch;

use crate::metrics::METRICS;
use crate::upstream::check;
use crate::upstream::commands;
use crate::upstream::health::{Problem, State, denied_command};
use crate::upstream::link::{Link, PROFILE_CHANNEL};
use crate::upstream::listener::LinkListener;

/// How every name of a channel of a probe begins. No room can have such a name.
pub(super) const PROBE_CHANNELS: &str = "@*relay:";
/// Channels that are tried in a row, while slots are moving.
const CHANNELS_TRIED: usize = 5;

/// The probe of one node.
#[derive(Default)]
pub(super) struct Probe {
    /// The channel that is subscribed now. Empty: none.
    channel: Arc<Mutex<String>>,
    /// Counts probes that have returned.
    returned: watch::Sender<u64>,
}

impl Probe {
    /// A listener that takes what belongs to the probe and passes on the rest.
    pub(super) fn in_front_of(&self, rest: Arc<dyn LinkListener>) -> Arc<dyn LinkListener> {
        let (channel, returned) = (self.channel.clone(), self.returned.clone());
        Arc::new(Returns { rest, channel, returned })
    }

    /// Subscribes to the channel on a new link, and tests the permissions for channels. An empty
    /// channel: the node has no slot for one.
    pub(super) async fn begin(&self, link: &Link, channel: &str) -> Result<(), Problem> {
        // Ending a subscription that does not exist changes nothing, and tests the permission.
        // Valkey 8.0 refuses it (NOSUB) before the first subscription.
        let ours = [
            commands::subscribe(PROFILE_CHANNEL),
            commands::unsubscribe(channel),
            commands::subscribe(channel),
        ];
        let replies = link.subscription_call(&ours).await;
        let replies = replies
            .ok_or_else(|| Problem::Unreachable("the subscription was not confirmed".to_owned()))?;
        if let Some(problem) = replies.iter().find_map(|reply| refused_subscription(reply, channel))
        {
            return Err(problem);
        }
        channel.clone_into(&mut self.channel.lock());
        Ok(())
    }

    /// Publishes a message and waits until it returns. `room` gives a room in a slot of the node;
    /// `moved` is told what the node says of slots that are not its own; `is_left` says whether a
    /// replica is left at once.
    pub(super) async fn prove(
        &self,
        link: &Link,
        room: impl Fn() -> Option<String>,
        moved: impl Fn(&str),
        is_left: impl Fn() -> bool,
        timeout: Duration,
    ) -> Result<(), Problem> {
        let begun = Instant::now();
        let way = self.there_and_back(link, room, moved, is_left);
        match tokio::time::timeout(timeout, way).await {
            Ok(outcome) => outcome?,
            Err(_) => {
                let why = "a publication did not come back in time".to_owned();
                return Err(Problem::Unreachable(why));
            }
        }
        METRICS.probe_seconds.record(begun.elapsed());
        Ok(())
    }

    async fn there_and_back(
        &self,
        link: &Link,
        room: impl Fn() -> Option<String>,
        moved: impl Fn(&str),
        is_left: impl Fn() -> bool,
    ) -> Result<(), Problem> {
        let mut returned = self.returned.subscribe();
        for _ in 0..CHANNELS_TRIED {
            returned.mark_unchanged();
            let channel = room();
            let mut question = vec![commands::hello()];
            if let Some(channel) = &channel {
                self.subscribe(link, channel).await?;
                question.push(commands::publish(channel, "probe"));
            }
            let Some(replies) = link.ask(&question).await else {
                return Err(Problem::Unreachable("it does not answer".to_owned()));
            };
            if replies.first().is_some_and(check::is_replica) && is_left() {
                return Err(Problem::Replica);
            }
            let Some(channel) = channel else { return Ok(()) };
            if let Some(details) = replies.iter().find_map(moved_details) {
                moved(details);
                continue;
            }
            let refused = replies.iter().find_map(|reply| refused_subscription(reply, &channel));
            if let Some(problem) = refused {
                return Err(problem);
            }
            let gone = |_| Problem::Unreachable("the subscription is gone".to_owned());
            return returned.changed().await.map_err(gone);
        }
        // Slots move faster than they are found: the server is reachable.
        Ok(())
    }

    /// Subscribes to this channel unless it is the one that is subscribed.
    async fn subscribe(&self, link: &Link, channel: &str) -> Result<(), Problem> {
        if *self.channel.lock() == channel {
            return Ok(());
        }
        let Some(_) = link.subscription_call(&[commands::subscribe(channel)]).await else {
            return Err(Problem::Unreachable("the subscription was not confirmed".to_owned()));
        };
        channel.clone_into(&mut self.channel.lock());
        Ok(())
    }
}

/// Takes the returns of probes.
struct Returns {
    rest: Arc<dyn LinkListener>,
    channel: Arc<Mutex<String>>,
    returned: watch::Sender<u64>,
}

impl LinkListener for Returns {
    fn message(&self, channel: &str, payload: Vec<u8>) {
        if channel.starts_with(PROBE_CHANNELS) {
            self.returned.send_modify(|count| *count += 1);
        } else {
            self.rest.message(channel, payload);
        }
    }

    fn subscribed(&self, channel: &str) {
        if !channel.starts_with(PROBE_CHANNELS) {
            self.rest.subscribed(channel);
        }
    }

    fn unsubscribed(&self, channel: &str) {
        if !channel.starts_with(PROBE_CHANNELS) {
            return self.rest.unsubscribed(channel);
        }
        // Its slot has moved away. If it comes back, the channel must be subscribed again.
        let mut subscribed = self.channel.lock();
        if *subscribed == channel {
            subscribed.clear();
        }
    }
}

/// The details of a `MOVED`.
fn moved_details(reply: &Value) -> Option<&str> {
    match reply {
        Value::ServerError(error) if error.code() == "MOVED" => error.details(),
        _ => None,
    }
}

/// The problem that an error about the relay's own channel shows. None: there is none, or only
/// another node has it.
pub(super) fn refused_subscription(reply: &Value, channel: &str) -> Option<Problem> {
    let Value::ServerError(error) = reply else { return None };
    let (code, details) = (error.code(), error.details().unwrap_or(""));
    match code {
        "MOVED" | "ASK" => return None,
        "NOPERM" if denied_command(details).is_none() => {
            return Some(Problem::Channel(channel.to_owned()));
        }
        _ => {}
    }
    match State::from_error(code, details) {
        Some(State::Unavailable(problem) | State::WritesRefused(problem)) => Some(problem),
        _ => Some(Problem::Unreachable(format!("{code} {details}"))),
    }
}
