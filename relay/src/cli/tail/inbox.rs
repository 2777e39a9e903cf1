//! What the channels of rooms have said and nobody has read yet.
//!
//! Of durable events only that there are some: they are read from the room. Ephemeral events exist
//! nowhere else, so they are kept, within bounds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chat_protocol::event_header::{EventHeader, MOVED, Place};
use chat_protocol::id::Id;
use parking_lot::Mutex;
use serde::de::IgnoredAny;
use tokio::sync::Notify;

use crate::upstream::{Listener, NodeId};

/// Bytes of ephemeral events that wait to be written.
const EPHEMERAL_MAX: usize = 1 << 20;
/// What an event takes beside its bytes.
const OVERHEAD: usize = 128;

/// An event that its room does not store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ephemeral {
    /// The newest event of the room at that time.
    pub(super) last: Id,
    /// It says that the room is gone.
    pub(super) is_drop: bool,
    /// The event.
    pub(super) json: String,
}

/// What has come of one room.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    /// Ephemeral events, in order.
    pub(super) events: Vec<Ephemeral>,
    /// Its key is on its way to another node.
    pub(super) is_moving: bool,
}

/// What has come.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// The rooms that are to be read.
    pub(super) rooms: BTreeMap<Arc<str>, Arrived>,
    /// Ephemeral events for which there was no space.
    pub(super) dropped: usize,
}

#[derive(Default)]
struct State {
    taken: Taken,
    bytes: usize,
    /// Rooms whose subscription was confirmed.
    subscribed: BTreeSet<Arc<str>>,
}

/// See the documentation of this file.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    changed: Notify,
}

impl Inbox {
    /// Returns once something has come since the last time.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Takes what has come.
    pub(super) fn take(&self) -> Taken {
        let mut state = self.state.lock();
        state.bytes = 0;
        std::mem::take(&mut state.taken)
    }

    /// How many rooms are subscribed to, or were.
    pub(super) fn subscribed(&self) -> usize {
        self.state.lock().subscribed.len()
    }
}

impl Listener for Inbox {
    fn message(&self, channel: &str, payload: &[u8]) {
        let Some(header) = EventHeader::parse(payload) else { return };
        let state = &mut *self.state.lock();
        let arrived = state.taken.rooms.entry(channel.into()).or_default();
        let last = match header.place {
            Place::Durable { .. } => return,
            Place::Ephemeral { last } => last.unwrap_or(Id::ZERO),
        };
        if header.kind == MOVED {
            arrived.is_moving = true;
            return;
        }
        // Whoever may publish could send anything.
        let Ok(json) = std::str::from_utf8(payload) else { return };
        if serde_json::from_str::<IgnoredAny>(json).is_err() {
            return;
        }
        let size = json.len() + OVERHEAD;
        if state.bytes + size > EPHEMERAL_MAX {
            state.taken.dropped += 1;
            return;
        }
        state.bytes += size;
        let is_drop = header.kind == "drop";
        arrived.events.push(Ephemeral { last, is_drop, json: json.to_owned() });
    }

    fn caught_up(&self) {
        self.changed.notify_one();
    }

    fn subscribed(&self, channel: &str) {
        let room: Arc<str> = channel.into();
        let mut state = self.state.lock();
        // What was published before is read now.
        state.taken.rooms.entry(room.clone()).or_default();
        state.subscribed.insert(room);
        drop(state);
        self.changed.notify_one();
    }

    // The subscription comes back by itself, and then the room is read.
    fn lost(&self, _channels: &[Arc<str>]) {}
    fn opened(&self, _node: &NodeId) {}
    fn profile_update(&self, _payload: &[u8]) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ephemeral(text: &str) -> String {
        format!(r#"{{"last":"1-1","room":"a","type":"signal","ts":1,"user":"x","name":"{text}"}}"#)
    }

    #[test]
    fn durable_events_wake_and_ephemeral_ones_are_kept_within_bounds() {
        let inbox = Inbox::default();
        inbox.message("a", br#"{"id":"1-2","prev":"1-1","room":"a","type":"edit","ts":1}"#);
        inbox.message("b", ephemeral("typing").as_bytes());
        inbox.message("b", br#"{"last":"1-1","room":"b","type":"drop","ts":1}"#);
        inbox.message("c", br#"{"last":"1-1","room":"c","type":"moved","ts":1}"#);
        for noise in [&b"junk"[..], b"{\"last\":\"1-1\",\"room\":\"d\",\"type\":\"x\",\"ts\":1} x"]
        {
            inbox.message("d", noise);
        }
        let taken = inbox.take();
        let found: Vec<_> = taken
            .rooms
            .iter()
            .map(|(room, arrived)| (&**room, arrived.events.len(), arrived.is_moving))
            .collect();
        assert_eq!(found, [("a", 0, false), ("b", 2, false), ("c", 0, true), ("d", 0, false)]);
        assert!(taken.rooms["b"].events[1].is_drop);
        assert!(inbox.take().rooms.is_empty());
        let long = ephemeral(&"x".repeat(EPHEMERAL_MAX / 4));
        (0..10).for_each(|_| inbox.message("a", long.as_bytes()));
        let taken = inbox.take();
        assert_eq!((taken.rooms["a"].events.len(), taken.dropped), (3, 7));
        inbox.message("a", long.as_bytes());
        assert_eq!(inbox.take().rooms["a"].events.len(), 1, "there is space again");
    }
}
