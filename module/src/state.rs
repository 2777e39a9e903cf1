//! What the module remembers between commands, outside the rooms: the index of rooms, the clock of
//! ids, rooms whose keys have just gone.
//!
//! All of it belongs to Redis's main thread. Nobody may call Redis while borrowing it: opening a
//! key can expire it, and that calls back into here.

use std::cell::RefCell;
use std::collections::VecDeque;

use chat_room::{Effects, Id, Now};

use crate::index::Index;

/// See the module's documentation.
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) index: Index,
    /// Rooms removed from their keys and not yet told.
    pub(crate) gone: VecDeque<Gone>,
    /// Rooms whose deadlines are to be filed anew: `chat.history-ttl` has changed.
    pub(crate) refile: VecDeque<(i32, u64)>,
    /// Buffers of the last command, used again by the next.
    pub(crate) effects: Effects,
    /// Nothing expires before this, on the clock that only goes forward.
    pub(crate) quiet_until: u64,
}

/// A room that was removed from its key.
pub(crate) struct Gone {
    pub(crate) database: i32,
    pub(crate) name: Box<[u8]>,
    /// Its newest id, where it is still known.
    pub(crate) last: Id,
    /// Why, unless an event of the key says better.
    pub(crate) reason: &'static str,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::new(State {
        clock: Clock::default(),
        index: Index::default(),
        gone: VecDeque::new(),
        refile: VecDeque::new(),
        effects: Effects::default(),
        quiet_until: 0,
    });
}

/// Borrows the state for the length of `body`, which must not call Redis.
pub(crate) fn with<T>(body: impl FnOnce(&mut State) -> T) -> T {
    STATE.with(|state| body(&mut state.borrow_mut()))
}

/// Milliseconds for ids, so that no two events that anybody has seen ever bear the same id.
///
/// The first event of a room takes one never used before, so a room made anew never repeats an id
/// of the one that bore its name. After a promotion the old primary may have given out ids that
/// this server never received. As long as our clock is past its clock they cannot be repeated. If
/// our clock turns out to be behind, or hardly ahead, ids start a margin later than anything
/// received: no replica lags so far behind a primary that still answers.
#[derive(Default)]
pub(crate) struct Clock {
    /// The latest millisecond any id of this server has.
    highest: u64,
    /// No new id is earlier.
    floor: u64,
}

/// How much later than anything received ids start when the clock was behind at promotion.
const MARGIN: u64 = 60_000;
/// The least by which our clock must be past the last id received to be trusted.
const TRUST: u64 = 1_000;

impl Clock {
    /// The server has started, at `now` by its clock.
    pub(crate) fn start(&mut self, now: u64) {
        self.floor = self.floor.max(now + 1);
    }

    /// The server was promoted, at `now` by its clock.
    pub(crate) fn promote(&mut self, now: u64) {
        let behind = now < self.highest + TRUST;
        self.start(if behind { self.highest + MARGIN } else { now });
    }

    /// An id of this millisecond exists.
    pub(crate) fn used(&mut self, ms: u64) {
        self.highest = self.highest.max(ms);
    }

    /// The time of a decision made when the server's clock shows `ms`.
    pub(crate) fn now(&self, ms: u64) -> Now {
        let id_ms = ms.max(self.floor);
        Now { ms, id_ms, unused_ms: id_ms.max(self.highest + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promoted_replica_never_repeats_an_id_its_primary_may_have_given_out() {
        let ids_from = |received: u64, clock_at_promotion: u64| {
            let mut clock = Clock::default();
            clock.used(received);
            clock.promote(clock_at_promotion);
            clock.now(clock_at_promotion).id_ms
        };
        assert_eq!(ids_from(1_000_000, 1_005_000), 1_005_001, "the clock is ahead: trusted");
        assert_eq!(ids_from(1_000_000, 1_000_500), 1_060_001, "hardly ahead: a margin");
        assert_eq!(ids_from(1_000_000, 400_000), 1_060_001, "behind: a margin");
    }

    #[test]
    fn first_events_take_a_millisecond_never_used() {
        let mut clock = Clock::default();
        clock.start(1_000);
        assert_eq!(clock.now(1_000).unused_ms, 1_001);
        clock.used(5_000);
        assert_eq!(clock.now(2_000).unused_ms, 5_001, "also when the clock has stepped back");
        assert_eq!(clock.now(2_000).id_ms, 2_000);
        assert_eq!(clock.now(9_000).unused_ms, 9_000);
    }
}
