//! What the module remembers between commands, outside the rooms: the index of rooms, the clock of
//! ids, rooms whose keys have just gone.
//!
//! All of it belongs to Redis's main thread. Nobody may call Redis while borrowing it: opening a
//! key can expire it, and that calls back into here.

use std::cell::RefCell;
use std::collections::VecDeque;

use chat_room::{Effects, Id};

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

/// Milliseconds for the first events of rooms: each one never used before for an id, so that a
/// room made anew never repeats an id of the one that bore its name before.
#[derive(Default)]
pub(crate) struct Clock {
    /// The latest millisecond any id of this server has.
    highest: u64,
    /// The clock at start or promotion.
    started: u64,
}

impl Clock {
    /// The server has started, or was promoted.
    pub(crate) fn start(&mut self, now: u64) {
        self.started = self.started.max(now);
    }

    /// An id of this millisecond exists.
    pub(crate) fn used(&mut self, ms: u64) {
        self.highest = self.highest.max(ms);
    }

    /// A millisecond that no id has, not before `now`.
    pub(crate) fn unused(&self, now: u64) -> u64 {
        now.max(self.highest + 1).max(self.started + 1)
    }
}
