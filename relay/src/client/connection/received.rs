//! Which events a connection has received, for one that watches patterns of rooms.
//!
//! Such a connection may get an event of a room in two ways: because it receives the room, and
//! because a pattern matches. Neither way knows how far the other one is, so both ask here, and the
//! first one delivers. Ids are kept for longer than the two ways can be apart, at most so many.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_protocol::id::Id;

/// An id is kept for this long at least. A connection may be paused in a room for half a minute.
const KEPT: Duration = Duration::from_secs(45);
/// Ids in one of the two sets, at most.
const SET_MAX: usize = 50_000;

type Ids = HashSet<(Arc<str>, Id)>;

/// The patterns of one connection, and the events that it has received since it watches.
#[derive(Debug)]
pub(crate) struct Received {
    /// The patterns that the connection watches.
    pub(crate) patterns: Vec<Arc<str>>,
    young: Ids,
    old: Ids,
    since: Instant,
}

impl Received {
    /// Nothing received yet.
    pub(crate) fn new(now: Instant) -> Received {
        Received { patterns: Vec::new(), young: Ids::new(), old: Ids::new(), since: now }
    }

    /// Notes an event. False: the connection has received it already.
    pub(crate) fn note(&mut self, room: &Arc<str>, id: Id, now: Instant) -> bool {
        if now.duration_since(self.since) >= KEPT || self.young.len() >= SET_MAX {
            self.old = std::mem::take(&mut self.young);
            self.since = now;
        }
        let key = (room.clone(), id);
        !self.old.contains(&key) && self.young.insert(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_new_once_and_forgotten_late() {
        let begin = Instant::now();
        let (a, b) = (Arc::from("a"), Arc::from("b"));
        let id = |n| Id { ms: 1, n };
        let mut received = Received::new(begin);
        assert!(received.note(&a, id(1), begin) && !received.note(&a, id(1), begin));
        assert!(received.note(&b, id(1), begin) && received.note(&a, id(2), begin));
        assert!(!received.note(&a, id(2), begin + KEPT), "in the older set");
        assert!(received.note(&a, id(3), begin + KEPT));
        assert!(received.note(&a, id(2), begin + KEPT * 2), "too old");
        assert!(!received.note(&a, id(3), begin + KEPT * 2));
        for n in 0..3 * SET_MAX as u64 {
            received.note(&a, id(n), begin);
        }
        assert!(received.young.len() + received.old.len() <= 2 * SET_MAX);
    }
}
