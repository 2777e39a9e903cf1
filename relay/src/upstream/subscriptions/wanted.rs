//! Wanted channels: carries what the hub wants and what nodes say to the subscriptions, and what
//! follows from it back to both.
//!
//! The one idea: one event at a time. The listener is called under the lock, so that it hears of a
//! channel in the order of events, whichever nodes they come from. Nothing that the listener does
//! may wait for this lock. So what the hub wants is only noted, and the next event takes it up;
//! reading the map under the lock is allowed, calling this file under the map's lock is not.
//!
//! What should be subscribed where is decided in `subscriptions/`.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use chat_protocol::slot::slot_of;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::metrics::METRICS;
use crate::upstream::commands::{self, Command};
use crate::upstream::link::PROFILE_CHANNEL;
use crate::upstream::listener::Listener;
use crate::upstream::subscriptions::{Action, NodeNumber, Order, Subscriptions, Verb};

/// Pause between two looks for what is due, if something will soon be.
const TICK: Duration = Duration::from_millis(50);
/// The same if nothing will.
const IDLE_TICK: Duration = Duration::from_secs(1);

/// The wanted channels.
pub(in crate::upstream) struct Wanted {
    subscriptions: Mutex<Subscriptions>,
    /// What the hub wants, in order, and no event has taken up yet.
    requests: Mutex<Vec<Request>>,
    /// Notified when [`Wanted::tick`] has something to do.
    stirred: Notify,
    listener: OnceLock<Arc<dyn Listener>>,
}

enum Request {
    Want(Arc<str>),
    Forget(Arc<str>),
}

/// What follows from an event for the nodes.
#[must_use]
#[derive(Debug, Default)]
pub(in crate::upstream) struct Consequences {
    /// These nodes have commands to send.
    pub(in crate::upstream) write: Vec<NodeNumber>,
    /// The map may be out of date.
    pub(in crate::upstream) refresh: bool,
}

impl Wanted {
    /// No channel is wanted but that of profiles.
    pub(in crate::upstream) fn new() -> Wanted {
        Wanted {
            subscriptions: Mutex::new(Subscriptions::new(|name| slot_of(name.as_bytes()))),
            requests: Mutex::new(vec![Request::Want(PROFILE_CHANNEL.into())]),
            stirred: Notify::new(),
            listener: OnceLock::new(),
        }
    }

    /// Who hears of the channels from now on.
    pub(in crate::upstream) fn set_listener(&self, listener: Arc<dyn Listener>) {
        let _ = self.listener.set(listener);
    }

    // What the hub wants. These do not wait for an event: the caller may hold locks.

    /// Wants a channel, from the next event on.
    pub(in crate::upstream) fn want(&self, channel: Arc<str>) {
        self.requests.lock().push(Request::Want(channel));
    }

    /// Wants a channel no more, from the next event on.
    pub(in crate::upstream) fn forget(&self, channel: Arc<str>) {
        self.requests.lock().push(Request::Forget(channel));
    }

    /// Makes [`Wanted::due`] return.
    pub(in crate::upstream) fn stir(&self) {
        self.stirred.notify_one();
    }

    // Events.

    /// Takes commands for this node.
    pub(in crate::upstream) fn take_orders(
        &self,
        node: NodeNumber,
        most: usize,
    ) -> (Vec<Command>, Consequences) {
        let mut orders = Vec::new();
        let consequences = self.event(|subscriptions, now| {
            orders = subscriptions.take_orders(node, most, now);
        });
        (orders.into_iter().flat_map(commands_of).collect(), consequences)
    }

    /// The node has confirmed the channel.
    pub(in crate::upstream) fn subscribed(&self, node: NodeNumber, channel: &str) -> Consequences {
        self.event(|subscriptions, now| subscriptions.subscribed(node, channel, now))
    }

    /// The node has ended the channel, asked for or not.
    pub(in crate::upstream) fn unsubscribed(
        &self,
        node: NodeNumber,
        channel: &str,
    ) -> Consequences {
        self.event(|subscriptions, now| subscriptions.unsubscribed(node, channel, now))
    }

    /// The node does not own the slot of a channel that it was asked for; `owner` does, as far as
    /// is known.
    pub(in crate::upstream) fn moved(
        &self,
        node: NodeNumber,
        slot: u16,
        owner: impl Fn(u16) -> Option<NodeNumber>,
    ) -> Consequences {
        self.stir();
        self.event(|subscriptions, now| subscriptions.moved(node, slot, owner(slot), now))
    }

    /// The node cannot serve a command for a channel now.
    pub(in crate::upstream) fn not_served(&self, node: NodeNumber) -> Consequences {
        self.stir();
        self.event(|subscriptions, now| subscriptions.not_served(node, now))
    }

    /// The room of this channel is at this node already, which does not own its slot yet.
    pub(in crate::upstream) fn follow(&self, channel: &str, node: NodeNumber) -> Consequences {
        self.event(|subscriptions, now| subscriptions.follow(channel, node, now))
    }

    /// These slots may have other owners than before.
    pub(in crate::upstream) fn assign(
        &self,
        slots: impl Iterator<Item = u16>,
        owner: impl Fn(u16) -> Option<NodeNumber>,
    ) -> Consequences {
        self.event(|subscriptions, now| {
            for slot in slots {
                subscriptions.assign(slot, owner(slot), now);
            }
        })
    }

    /// The node has a link.
    pub(in crate::upstream) fn opened(&self, node: NodeNumber) -> Consequences {
        self.event(|subscriptions, now| subscriptions.opened(node, now))
    }

    /// The node has lost its link.
    pub(in crate::upstream) fn closed(&self, node: NodeNumber) -> Consequences {
        self.event(|subscriptions, now| subscriptions.closed(node, now))
    }

    /// Returns when a [`Wanted::tick`] is due.
    pub(in crate::upstream) async fn due(&self) {
        let tick = if self.subscriptions.lock().has_retries() { TICK } else { IDLE_TICK };
        let _ = tokio::time::timeout(tick, self.stirred.notified()).await;
    }

    /// Some time has passed.
    pub(in crate::upstream) fn tick(&self) -> Consequences {
        self.event(|subscriptions, now| subscriptions.tick(now))
    }

    fn event(&self, event: impl FnOnce(&mut Subscriptions, Instant)) -> Consequences {
        let now = Instant::now();
        let mut subscriptions = self.subscriptions.lock();
        let requests = std::mem::take(&mut *self.requests.lock());
        for request in requests {
            match request {
                Request::Want(channel) => subscriptions.want(&channel, now),
                Request::Forget(channel) => subscriptions.unwant(&channel, now),
            }
        }
        event(&mut subscriptions, now);
        self.carry_out(&mut subscriptions)
    }

    /// Tells the listener, and returns what concerns the nodes.
    fn carry_out(&self, subscriptions: &mut Subscriptions) -> Consequences {
        let mut consequences = Consequences::default();
        let mut lost = Vec::new();
        for action in subscriptions.take_actions() {
            match action {
                Action::Lost(channel) => lost.push(channel),
                Action::Confirmed(channel) => {
                    self.tell_lost(&mut lost);
                    if let (Some(listener), true) = (self.listener.get(), is_room(&channel)) {
                        listener.subscribed(&channel);
                    }
                }
                Action::Moved => METRICS.moved_rooms.increment(1),
                Action::Refresh => consequences.refresh = true,
                Action::Write(node) => consequences.write.push(node),
            }
        }
        self.tell_lost(&mut lost);
        METRICS.channels_unconfirmed.set(subscriptions.unconfirmed() as f64);
        consequences
    }

    fn tell_lost(&self, lost: &mut Vec<Arc<str>>) {
        lost.retain(|channel| is_room(channel));
        if let (Some(listener), false) = (self.listener.get(), lost.is_empty()) {
            listener.lost(lost);
        }
        lost.clear();
    }
}

/// Whether it is the channel of a room.
fn is_room(channel: &str) -> bool {
    channel != PROFILE_CHANNEL
}

/// `ASKING` and its command must be neighbours.
fn commands_of(order: Order) -> impl Iterator<Item = Command> {
    let command = match order.verb {
        Verb::Subscribe => commands::subscribe(&order.channel),
        Verb::Unsubscribe => commands::unsubscribe(&order.channel),
    };
    order.asking.then(commands::asking).into_iter().chain([command])
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use super::*;
    use crate::upstream::nodes::overview::NodeId;

    const NODE: NodeNumber = NodeNumber(1);

    /// Notes what it hears, and wants a further channel at once, as a hub may.
    struct Hub {
        wanted: Weak<Wanted>,
        heard: Mutex<Vec<String>>,
    }

    impl Hub {
        fn note(&self, what: String) {
            let mut heard = self.heard.lock();
            heard.push(what);
            if let (1, Some(wanted)) = (heard.len(), self.wanted.upgrade()) {
                wanted.want("further".into());
            }
        }
    }

    impl Listener for Hub {
        fn message(&self, _: &str, _: &[u8]) {}
        fn caught_up(&self) {}
        fn subscribed(&self, channel: &str) {
            self.note(format!("{channel} subscribed"));
        }
        fn lost(&self, channels: &[Arc<str>]) {
            self.note(format!("{} lost", channels.len()));
        }
        fn opened(&self, _: &NodeId) {}
        fn profile_update(&self, _: &[u8]) {}
    }

    fn words(wanted: &Wanted) -> Vec<String> {
        let commands = wanted.take_orders(NODE, 500).0.into_iter();
        let key = |command: Command| command.key().map(|key| String::from_utf8_lossy(key).into());
        commands.map(|command| key(command).unwrap_or_else(|| "ASKING".to_owned())).collect()
    }

    #[test]
    fn the_hub_hears_of_rooms_in_order_and_may_want_more_meanwhile() {
        let wanted = Arc::new(Wanted::new());
        let hub = Arc::new(Hub { wanted: Arc::downgrade(&wanted), heard: Mutex::default() });
        wanted.set_listener(hub.clone());
        wanted.want("room".into());
        let _ = wanted.assign(0..16384, |_| Some(NODE));
        assert_eq!(wanted.opened(NODE).write, [NODE], "one note is enough");
        assert_eq!(words(&wanted).len(), 2);
        for channel in [PROFILE_CHANNEL, "room"] {
            let _ = wanted.subscribed(NODE, channel);
        }
        assert_eq!(words(&wanted), ["further"], "wanted while the lock was held");
        let _ = wanted.subscribed(NODE, "further");
        let _ = wanted.closed(NODE);
        let heard = ["room subscribed", "further subscribed", "2 lost"];
        assert_eq!(*hub.heard.lock(), heard, "and nothing of the channel of profiles");
    }

    #[test]
    fn asking_stands_before_the_command_that_needs_it() {
        let wanted = Wanted::new();
        wanted.want("room".into());
        let _ = wanted.assign(0..16384, |_| None);
        let _ = wanted.opened(NODE);
        let _ = wanted.follow("room", NODE);
        assert_eq!(words(&wanted), ["ASKING", "room"]);
    }
}
