//! What the module remembers between commands, outside the rooms: the index of rooms, the clock of
//! ids, rooms whose keys have just gone.
//!
//! All of it belongs to Redis's main thread. Nobody may call Redis while borrowing it: opening a
//! key can expire it, and that calls back into here.

use std::collections::BTreeSet;

use chat_room::limits::Rate;
use chat_room::{CommandError, CreationLimit, Loader, Now, Outcome, Replication};

use crate::dropped::GoneRooms;
use crate::index::{Index, Position};
use crate::redis::{MainThread, monotonic_us, now_us};

/// See the module's documentation.
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) index: Index,
    /// Rooms removed from their keys and not yet told.
    pub(crate) gone: GoneRooms,
    /// How far the timer has gone in looking at every room anew: a bound has changed, the clock has
    /// jumped, the server was promoted. `None`: it has not to.
    pub(crate) look_anew: Option<Position>,
    /// Numbers of the rooms that have something to be freed in steps.
    pub(crate) pending_free: BTreeSet<u64>,
    /// What is being loaded is an append-only file, whose base may be an RDB file.
    pub(crate) loading_file: bool,
    /// The room of which an append-only file is telling piece by piece.
    pub(crate) snapshot: Option<Snapshot>,
    /// Buffers of the last command, unless a command is using them.
    outcome: Option<Box<Outcome>>,
    /// Who has made rooms lately; `None`: nobody, as far as `chat.create-limit` asks.
    creations: Option<Box<CreationLimit>>,
    /// Whether a replica or an append-only file may hold a copy of the rooms.
    pub(crate) copies: Replication,
    /// Nobody's presence ends before this, by the steady clock.
    pub(crate) quiet_until: u64,
}

/// A room that comes in pieces.
pub(crate) struct Snapshot {
    database: i32,
    name: Box<[u8]>,
    /// How many pieces have come.
    pub(crate) pieces: u64,
    pub(crate) loader: Loader,
}

impl Snapshot {
    /// Nothing yet of a room.
    pub(crate) fn of(database: i32, name: &[u8]) -> Snapshot {
        Snapshot { database, name: name.into(), pieces: 0, loader: Loader::default() }
    }

    /// Whether piece number `place` of this room is the next one.
    pub(crate) fn is_next(&self, database: i32, name: &[u8], place: u64) -> bool {
        (self.database, &*self.name, self.pieces) == (database, name, place)
    }
}

static STATE: MainThread<State> = MainThread::new(State {
    clock: Clock::NEW,
    index: Index::EMPTY,
    gone: GoneRooms::NONE,
    look_anew: None,
    pending_free: BTreeSet::new(),
    loading_file: false,
    snapshot: None,
    outcome: None,
    creations: None,
    copies: Replication::On,
    quiet_until: 0,
});

/// The buffers of the last command, emptied for the next one; to be given back.
pub(crate) fn take_outcome() -> Box<Outcome> {
    with(|state| {
        let mut outcome = state.outcome.take().unwrap_or_default();
        outcome.begin(state.copies);
        outcome
    })
}

/// Keeps buffers for the next command.
pub(crate) fn keep_outcome(outcome: Box<Outcome>) {
    with(|state| state.outcome = Some(outcome));
}

/// Counts a room that `user` makes now, against `chat.create-limit`. Errors: `RATELIMIT`.
pub(crate) fn count_creation(user: &str, rate: Rate, now: Now) -> Result<(), CommandError> {
    with(|state| {
        let creations = state.creations.get_or_insert_default();
        creations.take(user, rate, now.monotonic_ms).map_err(CommandError::RateLimit)
    })
}

/// Borrows the state for the length of `body`, which must not call Redis.
pub(crate) fn with<T>(body: impl FnOnce(&mut State) -> T) -> T {
    STATE.with(body)
}

/// The time of a decision made now.
pub(crate) fn now() -> Now {
    let (us, monotonic) = (now_us(), monotonic_us());
    with(|state| state.clock.look(us, monotonic))
}

/// The same by the server's clock alone: the steady one goes on from the last look as far as that has,
/// which shows only if it is set in between. For what sets no deadline of a connection: looking at
/// the second clock is a twentieth of what a send costs.
pub(crate) fn about_now() -> Now {
    let us = now_us();
    with(|state| state.clock.about_now(us))
}

/// Milliseconds for ids, so that an id is not given out for two events.
///
/// The first event of a room, and the first after a room was loaded or restored, takes one never
/// used before on this server: a room made anew, or put back to an earlier state, does not repeat
/// ids. After a promotion the old primary may have given out ids that this server never received,
/// by a clock that may be ahead of ours. So ids then start a margin and a bit of chance after
/// everything received, and run at half speed until the clock has caught up: no later restart
/// finds them standing still. The same after a load, if ids were ahead of the clock. What remains:
/// a clock behind by more than the margin, on a server that received nothing for as long, could in
/// theory meet a lost id again, if number and millisecond agree.
pub(crate) struct Clock {
    /// The latest millisecond any id of this server has.
    highest: u64,
    /// Ids start here, at `since` by the server's clock.
    floor: u64,
    since: u64,
    /// The server's clock, and the one that only goes forward, when the module was loaded. These and
    /// the next two in microseconds: in milliseconds, two clocks that change at different moments
    /// disagree by one, and the steady clock would go back.
    started: (u64, u64),
    /// The server's clock and the steady one at the last look.
    seen: (u64, u64),
}

/// How much time, in microseconds, the steady clock is trusted to have passed since the last look
/// only because the other one says so: it might have been set.
const TRUSTED: u64 = 250_000;

/// How much later than anything received ids start after a promotion.
const MARGIN: u64 = 60_000;
/// Ids further ahead of the clock than this are nobody's: what a forged payload says does not move
/// the clock.
const FAR: u64 = 86_400_000;

impl Clock {
    /// No id is known yet, and no time.
    const NEW: Clock = Clock { highest: 0, floor: 0, since: 0, started: (0, 0), seen: (0, 0) };

    /// The steady clock begins at `us` by the server's clock, `monotonic` by the one that only goes
    /// forward.
    pub(crate) fn steady_from(&mut self, us: u64, monotonic: u64) {
        self.started = (us, monotonic);
        self.seen = (us, us);
    }

    /// The time of a decision made when the two clocks show `us` and `monotonic`.
    pub(crate) fn look(&mut self, us: u64, monotonic: u64) -> Now {
        let steady = self.started.0 + monotonic.saturating_sub(self.started.1);
        self.seen = (us, steady);
        self.time(us, steady)
    }

    fn about_now(&self, us: u64) -> Now {
        let passed = us.saturating_sub(self.seen.0).min(TRUSTED);
        self.time(us, self.seen.1 + passed)
    }

    fn time(&self, us: u64, steady: u64) -> Now {
        let (ms, monotonic_ms) = (us / 1000, steady / 1000);
        let id_ms = self.id_ms(ms);
        let unused_ms = id_ms.max(self.highest + 1);
        Now { ms, id_ms, unused_ms, monotonic_ms }
    }

    /// The server has started or loaded its data, at `now` by its clock. `chance`: any number.
    pub(crate) fn start(&mut self, now: u64, chance: u64) {
        if self.highest >= now {
            self.promote(now, chance);
        } else {
            self.set_floor(now + 1, now);
        }
    }

    /// The server was promoted, at `now` by its clock. `chance`: any number.
    pub(crate) fn promote(&mut self, now: u64, chance: u64) {
        self.set_floor(now.max(self.highest) + MARGIN + chance % MARGIN, now);
    }

    fn set_floor(&mut self, floor: u64, now: u64) {
        self.floor = floor.max(self.id_ms(now));
        self.since = now;
    }

    /// An id of this millisecond exists; the clock shows `now`.
    pub(crate) fn used(&mut self, ms: u64, now: u64) {
        if ms < now.saturating_add(FAR) {
            self.highest = self.highest.max(ms);
        }
    }

    fn id_ms(&self, now: u64) -> u64 {
        now.max(self.floor + now.saturating_sub(self.since) / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time when both clocks show this millisecond.
    fn at(clock: &mut Clock, ms: u64) -> Now {
        clock.look(ms * 1000, ms * 1000)
    }

    #[test]
    fn a_promoted_replica_starts_after_everything_its_primary_may_have_given_out() {
        for (received, now) in [(1_000_000, 1_005_000), (1_000_000, 400_000), (0, 1_000_000)] {
            let mut clock = Clock::NEW;
            clock.used(received, received);
            clock.promote(now, 123_456);
            let start = now.max(received) + MARGIN + 3_456;
            assert_eq!(at(&mut clock, now).id_ms, start, "{received} received, {now} on the clock");
            assert_eq!(at(&mut clock, now + 1_000).id_ms, start + 500, "at half speed");
            let caught_up = now + 2 * (start - now);
            assert_eq!(at(&mut clock, caught_up + 7).id_ms, caught_up + 7, "then by the clock");
        }
    }

    #[test]
    fn a_restart_while_ids_are_ahead_of_the_clock_starts_after_them() {
        let mut clock = Clock::NEW;
        clock.used(5_000, 1_000);
        clock.start(1_000, 7);
        assert_eq!(at(&mut clock, 1_000).id_ms, 5_000 + MARGIN + 7);
        let mut clock = Clock::NEW;
        clock.used(500, 1_000);
        clock.start(1_000, 7);
        assert_eq!(at(&mut clock, 1_000).id_ms, 1_001);
    }

    #[test]
    fn the_steady_clock_begins_with_the_other_one_and_only_goes_forward() {
        let mut clock = Clock::NEW;
        clock.steady_from(1_000_000_900, 50_300);
        assert_eq!(clock.look(1_000_000_900, 50_300).monotonic_ms, 1_000_000);
        assert_eq!(
            clock.look(400_000_000, 60_300).monotonic_ms,
            1_000_010,
            "though the other has stepped back"
        );
    }

    #[test]
    fn between_two_looks_the_steady_clock_follows_the_other_one_a_little() {
        let mut clock = Clock::NEW;
        clock.steady_from(1_000_000_000, 0);
        clock.look(1_000_500_000, 500_000);
        for (ms, monotonic_ms) in [
            (1_000_500, 1_000_500),
            (1_000_600, 1_000_600),
            (4_000_000, 1_000_750),
            (900_000, 1_000_500),
        ] {
            let now = clock.about_now(ms * 1000);
            assert_eq!((now.ms, now.monotonic_ms), (ms, monotonic_ms));
        }
    }

    #[test]
    fn a_look_at_both_clocks_does_not_put_the_steady_one_back() {
        let (us, monotonic) = (1_000_000_900, 77_300);
        let mut clock = Clock::NEW;
        clock.steady_from(us, monotonic);
        for passed in (0..20_000).step_by(100) {
            let about = clock.about_now(us + passed);
            assert_eq!(about, clock.look(us + passed, monotonic + passed), "after {passed} us");
        }
    }

    #[test]
    fn first_events_take_a_millisecond_never_used() {
        let mut clock = Clock::NEW;
        clock.start(1_000, 0);
        assert_eq!(at(&mut clock, 1_000).unused_ms, 1_001);
        clock.used(5_000, 5_000);
        assert_eq!(at(&mut clock, 2_000).unused_ms, 5_001, "also when the clock has stepped back");
        assert_eq!(at(&mut clock, 9_000).unused_ms, 9_000);
        clock.used(u64::MAX / 2, 9_000);
        assert_eq!(at(&mut clock, 9_000).unused_ms, 9_000, "a forged one moves nothing");
    }
}
