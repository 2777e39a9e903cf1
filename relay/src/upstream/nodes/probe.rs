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
use crate::upstream::commands::{self, Command};
use crate::upstream::dialling::greeting::Mode;
use crate::upstream::health::{Problem, State, denied_command};
use crate::upstream::link::{Link, PROFILE_CHANNEL};
use crate::upstream::listener::LinkListener;

/// How every name of a channel of a probe begins. No room can have such a name.
pub(in crate::upstream) const PROBE_CHANNELS: &str = "@*relay:";
/// Channels that are tried in a row, while slots are moving.
const CHANNELS_TRIED: usize = 5;

/// The probe of one node.
#[derive(Default)]
pub(in crate::upstream) struct Probe {
    /// The channel that is subscribed now. Empty: none.
    channel: Arc<Mutex<String>>,
    /// Counts probes that have returned.
    returned: watch::Sender<u64>,
    /// How long the last one took that returned.
    last: Mutex<Option<Duration>>,
}

impl Probe {
    /// How long the last one took that returned.
    pub(in crate::upstream) fn last(&self) -> Option<Duration> {
        *self.last.lock()
    }

    /// A listener that takes what belongs to the probe and passes on the rest.
    pub(in crate::upstream) fn in_front_of(
        &self,
        rest: Arc<dyn LinkListener>,
    ) -> Arc<dyn LinkListener> {
        let (channel, returned) = (self.channel.clone(), self.returned.clone());
        Arc::new(Returns { rest, channel, returned })
    }

    /// Subscribes to the channel on a new link, and tests the permissions for channels. An empty
    /// channel: the node has no slot for one.
    ///
    /// In a cluster the node may become a replica. Redis 8 then lets a connection end its
    /// subscriptions only after `READONLY`, and goes on to send what the new primary publishes.
    pub(in crate::upstream) async fn begin(
        &self,
        link: &Link,
        channel: &str,
        mode: Mode,
    ) -> Result<(), Problem> {
        if mode == Mode::Cluster {
            subscription_calls(link, &[commands::read_only()], channel).await?;
        }
        // Ending a subscription that does not exist changes nothing, and tests the permission.
        // Valkey 8.0 refuses it (NOSUB) before the first subscription.
        let ours = [
            commands::subscribe(PROFILE_CHANNEL),
            commands::unsubscribe(channel),
            commands::subscribe(channel),
        ];
        let replies = subscription_calls(link, &ours, channel).await?;
        self.note(channel, replies.get(2..).unwrap_or_default());
        Ok(())
    }

    /// Notes the channel as the subscribed one, unless the replies to its `SSUBSCRIBE` refuse it.
    fn note(&self, channel: &str, replies: &[Value]) {
        let is_refused = replies.iter().any(|reply| matches!(reply, Value::ServerError(_)));
        let subscribed = if is_refused { "" } else { channel };
        subscribed.clone_into(&mut self.channel.lock());
    }

    /// Publishes a message and waits until it returns. `room` gives a room in a slot of the node;
    /// `moved` is told what the node says of slots that are not its own; `is_left` says whether a
    /// replica is left at once.
    pub(in crate::upstream) async fn prove(
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
        let took = begun.elapsed();
        METRICS.probe_seconds.record(took);
        *self.last.lock() = Some(took);
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
            let mut subscribed = Vec::new();
            if let Some(channel) = &channel {
                subscribed = self.subscribe(link, channel).await?;
                question.push(commands::publish(channel, "probe"));
            }
            let Some(mut replies) = link.ask(&question).await else {
                return Err(Problem::Unreachable("it does not answer".to_owned()));
            };
            if replies.first().is_some_and(check::is_replica) && is_left() {
                return Err(Problem::Replica);
            }
            let Some(channel) = channel else { return Ok(()) };
            replies.append(&mut subscribed);
            if let Some(details) = replies.iter().find_map(moved_details) {
                moved(details);
                continue;
            }
            let refused = replies.iter().find_map(|reply| refused_subscription(reply, &channel));
            if let Some(problem) = refused {
                return Err(problem);
            }
            if replies.iter().any(is_of_slot) {
                // Nothing comes back from a slot without an owner, but the server is reachable.
                return Ok(());
            }
            let gone = |_| Problem::Unreachable("the subscription is gone".to_owned());
            return returned.changed().await.map_err(gone);
        }
        // Slots move faster than they are found: the server is reachable.
        Ok(())
    }

    /// Subscribes to this channel unless it is the one that is subscribed. Returns the replies.
    async fn subscribe(&self, link: &Link, channel: &str) -> Result<Vec<Value>, Problem> {
        if *self.channel.lock() == channel {
            return Ok(Vec::new());
        }
        let Some(replies) = link.subscription_call(&[commands::subscribe(channel)]).await else {
            return Err(Problem::Unreachable("the subscription was not confirmed".to_owned()));
        };
        self.note(channel, &replies);
        Ok(replies)
    }
}

/// Takes the returns of probes.
struct Returns {
    rest: Arc<dyn LinkListener>,
    channel: Arc<Mutex<String>>,
    returned: watch::Sender<u64>,
}

impl LinkListener for Returns {
    fn caught_up(&self) {
        self.rest.caught_up();
    }

    fn message(&self, channel: &str, payload: &[u8]) {
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

/// Whether this is an error about the slot only, not about the server.
fn is_of_slot(reply: &Value) -> bool {
    let Value::ServerError(error) = reply else { return false };
    match error.code() {
        "MOVED" | "ASK" | "TRYAGAIN" => true,
        "CLUSTERDOWN" => error.details().is_some_and(|words| words.contains("slot not served")),
        _ => false,
    }
}

/// The replies to commands that set up the subscription to the relay's own channel.
async fn subscription_calls(
    link: &Link,
    commands: &[Command],
    channel: &str,
) -> Result<Vec<Value>, Problem> {
    let replies = link.subscription_call(commands).await;
    let replies = replies
        .ok_or_else(|| Problem::Unreachable("the subscription was not confirmed".to_owned()))?;
    match replies.iter().find_map(|reply| refused_subscription(reply, channel)) {
        None => Ok(replies),
        Some(problem) => Err(problem),
    }
}

/// The problem that an error about the relay's own channel shows. None: there is none, or only
/// another node has it.
pub(in crate::upstream) fn refused_subscription(reply: &Value, channel: &str) -> Option<Problem> {
    let Value::ServerError(error) = reply else { return None };
    let (code, details) = (error.code(), error.details().unwrap_or(""));
    match code {
        _ if is_of_slot(reply) => return None,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> Value {
        redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).expect("a reply")
    }

    #[test]
    fn an_error_about_a_slot_closes_no_link() {
        let of_slots = [
            "MOVED 866 10.0.0.1:7001",
            "ASK 866 10.0.0.1:7001",
            "TRYAGAIN rehashing",
            "CLUSTERDOWN Hash slot not served",
        ];
        for text in of_slots {
            assert!(is_of_slot(&error(text)), "{text}");
            assert_eq!(refused_subscription(&error(text), "c"), None, "{text}");
        }
        let down = Some(Problem::NotServing("CLUSTERDOWN".into()));
        assert_eq!(refused_subscription(&error("CLUSTERDOWN The cluster is down"), "c"), down);
        let denied = error("NOPERM no permissions to access one of the channels");
        assert_eq!(refused_subscription(&denied, "c"), Some(Problem::Channel("c".into())));
    }

    #[test]
    fn a_channel_that_was_refused_is_asked_for_again() {
        let probe = Probe::default();
        probe.note("c", &[Value::Okay]);
        assert_eq!(*probe.channel.lock(), "c");
        probe.note("c", &[error("MOVED 866 10.0.0.1:7001")]);
        assert_eq!(*probe.channel.lock(), "");
    }
}
