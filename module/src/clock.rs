//! The clock of decisions and the milliseconds of ids.
//!
//! Ids may be ahead of the clock; the time of an event is not: a room knows by how much its ids are
//! ahead.
//!
//! It combines two clocks. The wall clock dates messages and may be set. The monotonic clock is
//! aligned with the wall clock at start; deadlines of connections use it, so that setting the wall
//! clock neither ends nor prolongs anyone's presence.
//!
//! **No id is used twice.** The first event of a room, and the first one after a room was loaded or
//! restored, takes a millisecond that this server has never used: a room that is created again, or
//! put back to an earlier state, does not repeat ids. After a promotion, the old primary may have
//! used ids that this server never received, by a clock that may be ahead. Ids then start a margin
//! and a random part of one after everything received, and advance at half speed until the wall
//! clock has caught up, so that no later restart finds them standing still. The same holds after a
//! load if ids were ahead of the wall clock. One case remains: the old primary's clock was ahead by
//! more than the margin, and this server had received nothing for as long. Then an id may be used
//! twice, if number and millisecond agree.

use chat_room::Now;

use crate::redis::{MainThread, monotonic_us, now_us, random_number};

static CLOCK: MainThread<Clock> = MainThread::new(Clock::NEW);

/// Microseconds of the wall clock by which an estimate of the monotonic clock advances at most: a
/// larger difference may mean that the wall clock was set.
const TRUSTED_US: u64 = 250_000;
/// How much later than everything received ids start after a promotion, in milliseconds.
const MARGIN: u64 = 60_000;
/// An id further ahead of the wall clock than this, in milliseconds, is a forged one and moves
/// nothing.
const FORGED: u64 = 86_400_000;

/// Starts the clock when the module is loaded.
pub(crate) fn start() {
    let (us, monotonic, random) = (now_us(), monotonic_us(), random_number());
    CLOCK.with(|clock| {
        clock.align(us, monotonic);
        clock.start_ids(us / 1000, random);
    });
}

/// The time of a decision made now.
pub(crate) fn now() -> Now {
    let (us, monotonic) = (now_us(), monotonic_us());
    CLOCK.with(|clock| clock.read(us, monotonic))
}

/// The time of a decision that sets no deadline of a connection, from the wall clock alone: reading
/// the monotonic clock too would cost a twentieth of a send. The monotonic time is estimated: it
/// advances as the wall clock did since the last [`now`], up to a bound, so it is wrong only if the
/// wall clock was set meanwhile.
pub(crate) fn now_by_wall_clock() -> Now {
    let us = now_us();
    CLOCK.with(|clock| clock.estimate(us))
}

/// Notes that an id of millisecond `id_ms` exists; the wall clock shows `now_ms`.
pub(crate) fn note_id(id_ms: u64, now_ms: u64) {
    CLOCK.with(|clock| clock.note_id(id_ms, now_ms));
}

/// The server has loaded its data.
pub(crate) fn restart_ids_after_load(now: Now) {
    let random = random_number();
    CLOCK.with(|clock| clock.start_ids(now.ms, random));
}

/// The server has become a primary.
pub(crate) fn restart_ids_after_promotion(now: Now) {
    let random = random_number();
    CLOCK.with(|clock| clock.skip_ids(now.ms, random));
}

struct Clock {
    /// The latest millisecond of any id on this server.
    highest: u64,
    /// Ids start at this millisecond, when the wall clock shows `since`.
    floor: u64,
    since: u64,
    /// The wall clock and the raw monotonic clock when the module was loaded. These and the next
    /// two are in microseconds: in milliseconds, two clocks that tick at different moments disagree
    /// by one, and the aligned clock would go back.
    started: (u64, u64),
    /// The wall clock and the aligned monotonic clock when both were last read.
    seen: (u64, u64),
}

impl Clock {
    /// No id and no time is known yet.
    const NEW: Clock = Clock { highest: 0, floor: 0, since: 0, started: (0, 0), seen: (0, 0) };

    /// Aligns the monotonic clock, whose raw value is `monotonic`, with the wall clock, which shows
    /// `us`.
    fn align(&mut self, us: u64, monotonic: u64) {
        self.started = (us, monotonic);
        self.seen = (us, us);
    }

    /// The time when the wall clock shows `us` and the raw monotonic clock `monotonic`.
    fn read(&mut self, us: u64, monotonic: u64) -> Now {
        let aligned = self.started.0 + monotonic.saturating_sub(self.started.1);
        self.seen = (us, aligned);
        self.time(us, aligned)
    }

    /// The time when the wall clock shows `us`.
    fn estimate(&self, us: u64) -> Now {
        let passed = us.saturating_sub(self.seen.0).min(TRUSTED_US);
        self.time(us, self.seen.1 + passed)
    }

    fn time(&self, us: u64, aligned: u64) -> Now {
        let (ms, monotonic_ms) = (us / 1000, aligned / 1000);
        let id_ms = self.id_ms(ms);
        let unused_ms = id_ms.max(self.highest + 1);
        Now { ms, id_ms, unused_ms, monotonic_ms }
    }

    /// Starts ids at wall time `now`, after all known ones.
    fn start_ids(&mut self, now: u64, random: u64) {
        if self.highest >= now {
            self.skip_ids(now, random);
        } else {
            self.set_floor(now + 1, now);
        }
    }

    /// Starts ids at wall time `now`, after all that another primary may have used.
    fn skip_ids(&mut self, now: u64, random: u64) {
        self.set_floor(now.max(self.highest) + MARGIN + random % MARGIN, now);
    }

    fn set_floor(&mut self, floor: u64, now: u64) {
        self.floor = floor.max(self.id_ms(now));
        self.since = now;
    }

    fn note_id(&mut self, id_ms: u64, now: u64) {
        if id_ms < now.saturating_add(FORGED) {
            self.highest = self.highest.max(id_ms);
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
        clock.read(ms * 1000, ms * 1000)
    }

    #[test]
    fn a_promoted_replica_starts_ids_after_all_that_its_primary_may_have_used() {
        for (received, now) in [(1_000_000, 1_005_000), (1_000_000, 400_000), (0, 1_000_000)] {
            let mut clock = Clock::NEW;
            clock.note_id(received, received);
            clock.skip_ids(now, 123_456);
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
        clock.note_id(5_000, 1_000);
        clock.start_ids(1_000, 7);
        assert_eq!(at(&mut clock, 1_000).id_ms, 5_000 + MARGIN + 7);
        let mut clock = Clock::NEW;
        clock.note_id(500, 1_000);
        clock.start_ids(1_000, 7);
        assert_eq!(at(&mut clock, 1_000).id_ms, 1_001);
    }

    #[test]
    fn the_monotonic_clock_starts_at_the_wall_clock_and_never_goes_back() {
        let mut clock = Clock::NEW;
        clock.align(1_000_000_900, 50_300);
        assert_eq!(clock.read(1_000_000_900, 50_300).monotonic_ms, 1_000_000);
        assert_eq!(
            clock.read(400_000_000, 60_300).monotonic_ms,
            1_000_010,
            "although the wall clock was set back"
        );
    }

    #[test]
    fn an_estimate_follows_the_wall_clock_up_to_a_bound() {
        let mut clock = Clock::NEW;
        clock.align(1_000_000_000, 0);
        clock.read(1_000_500_000, 500_000);
        for (ms, monotonic_ms) in [
            (1_000_500, 1_000_500),
            (1_000_600, 1_000_600),
            (4_000_000, 1_000_750),
            (900_000, 1_000_500),
        ] {
            let now = clock.estimate(ms * 1000);
            assert_eq!((now.ms, now.monotonic_ms), (ms, monotonic_ms));
        }
    }

    #[test]
    fn an_estimate_is_never_ahead_of_the_monotonic_clock() {
        let (us, monotonic) = (1_000_000_900, 77_300);
        let mut clock = Clock::NEW;
        clock.align(us, monotonic);
        for passed in (0..20_000).step_by(100) {
            let estimate = clock.estimate(us + passed);
            assert_eq!(estimate, clock.read(us + passed, monotonic + passed), "after {passed} us");
        }
    }

    #[test]
    fn first_events_take_a_millisecond_never_used() {
        let mut clock = Clock::NEW;
        clock.start_ids(1_000, 0);
        assert_eq!(at(&mut clock, 1_000).unused_ms, 1_001);
        clock.note_id(5_000, 5_000);
        assert_eq!(at(&mut clock, 2_000).unused_ms, 5_001, "also when the wall clock was set back");
        assert_eq!(at(&mut clock, 9_000).unused_ms, 9_000);
        clock.note_id(u64::MAX / 2, 9_000);
        assert_eq!(at(&mut clock, 9_000).unused_ms, 9_000, "a forged id moves nothing");
    }
}
