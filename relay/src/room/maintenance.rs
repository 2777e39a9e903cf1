//! Periodic work on a room: beats, position checks, dropping old data, ending long pauses.
//!
//! It runs every second for every room, and nearly always finds nothing to do; so it takes the lock
//! once.

use std::time::{Duration, Instant};

use chat_protocol::id::Id;

use crate::room::joining::FETCH_KEPT;
use crate::room::ordering::Compared;
use crate::room::room::{Next, Room, State};
use crate::room::subscribers::PendingFlush;

impl Room {
    /// The id of the last delivered event. None: no position yet.
    pub(crate) fn last(&self) -> Option<Id> {
        self.state.lock().order.last()
    }

    /// Drops what is old. `is_up`: the room's node can be reached.
    pub(crate) fn tidy(
        &self,
        now: Instant,
        beat_interval: Duration,
        is_up: bool,
        pending_flush: &mut PendingFlush,
    ) -> Findings {
        let mut state = self.state.lock();
        let beat_is_due = state.beat_is_due(now, beat_interval);
        state.drop_old(now);
        let next = state.sync_if_behind(now);
        match is_up {
            _ if state.paused.is_empty() => {}
            true => self.end_long_pauses(&mut state, now, pending_flush),
            false => state.restart_pauses(now),
        }
        Findings {
            beat_is_due,
            next,
            is_paused: !state.paused.is_empty(),
            profile_changed: state.profile_changed,
            empty_since: state.empty_since,
        }
    }

    /// Whether `newest` is after the room's position.
    pub(crate) fn is_behind(&self, newest: Id) -> bool {
        self.state.lock().order.last().is_some_and(|last| last < newest)
    }

    /// Compares the room's position with the newest id that a beat returned. `at_sending` was the
    /// position when the beat was sent.
    pub(crate) fn note_beat(&self, at_sending: Option<Id>, newest: Id) -> Next {
        let mut state = self.state.lock();
        let Some(at_sending) = at_sending else { return Next::Done };
        state.ahead = None;
        match state.order.compare(at_sending, newest) {
            Compared::UpToDate => Next::Done,
            Compared::WentBack => Next::Sync,
            Compared::Ahead => {
                state.ahead = Some((newest, Instant::now()));
                Next::Done
            }
        }
    }

    /// Since when no connection has been in the room.
    pub(crate) fn empty_since(&self) -> Option<Instant> {
        self.state.lock().empty_since
    }

    /// The room is kept although no connection is in it: the time until it is looked at again starts
    /// anew.
    pub(crate) fn keep_empty(&self, now: Instant) {
        let mut state = self.state.lock();
        state.empty_since = state.empty_since.map(|_| now);
    }
}

/// What there is to do about a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Findings {
    /// A beat is due.
    pub beat_is_due: bool,
    /// A sync is needed, as the room has been behind for over a second.
    pub next: Next,
    /// The access of connections must be checked.
    pub is_paused: bool,
    /// The profile in this room may have changed.
    pub profile_changed: bool,
    /// Since when no connection has been in the room.
    pub empty_since: Option<Instant>,
}

impl State {
    /// The next beat follows `interval` after the time this one was due. The first one, and the first
    /// after a pause in beats, is due at a random point of the interval, so that the beats of all
    /// rooms are spread.
    fn beat_is_due(&mut self, now: Instant, interval: Duration) -> bool {
        if self.subscribers.is_empty() && self.paused.is_empty() {
            self.beat_at = None;
            return false;
        }
        let random_point = || now + interval.mul_f64(rand::random_range(0.0..1.0));
        match self.beat_at {
            None => {
                self.beat_at = Some(random_point());
                false
            }
            Some(at) if at <= now => {
                let on_time = at + interval;
                self.beat_at = Some(if on_time > now { on_time } else { random_point() });
                true
            }
            Some(_) => false,
        }
    }

    /// Drops old fetched answers and recorded events.
    fn drop_old(&mut self, now: Instant) {
        self.fetches.retain(|(_, at, _)| now.duration_since(*at) < FETCH_KEPT);
        if self.fetches.is_empty() {
            self.fetches = Vec::new();
            if self.joiners == 0 && self.paused.is_empty() {
                self.recent = None;
            }
        }
    }

    fn sync_if_behind(&mut self, now: Instant) -> Next {
        match self.ahead {
            Some((newest, since)) if now.duration_since(since) >= Duration::from_secs(1) => {
                self.ahead = None;
                if self.order.note_newest(newest) { Next::Sync } else { Next::Done }
            }
            _ => Next::Done,
        }
    }
}
