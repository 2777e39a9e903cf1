//! Periodic work on a room: beats, position checks, dropping old data.

use std::time::{Duration, Instant};

use chat_protocol::id::Id;

use crate::room::joining::FETCH_KEPT;
use crate::room::ordering::Compared;
use crate::room::room::{Next, Room};

impl Room {
    /// The id of the last delivered event. None: no position yet.
    pub(crate) fn last(&self) -> Option<Id> {
        self.state.lock().order.last()
    }

    /// Whether a beat is due. The next one follows `interval` after the time this one was due. The
    /// first one, and the first after a pause in beats, is due at a random point of the interval,
    /// so that the beats of all rooms are spread.
    pub(crate) fn beat_is_due(&self, now: Instant, interval: Duration) -> bool {
        let mut state = self.state.lock();
        if state.subscribers.is_empty() && state.paused.is_empty() {
            state.beat_at = None;
            return false;
        }
        match state.beat_at {
            None => {
                state.beat_at = Some(now + interval.mul_f64(rand::random_range(0.0..1.0)));
                false
            }
            Some(at) if at <= now => {
                let on_time = at + interval;
                let random_point = || now + interval.mul_f64(rand::random_range(0.0..1.0));
                state.beat_at = Some(if on_time > now { on_time } else { random_point() });
                true
            }
            Some(_) => false,
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

    /// Drops old fetched answers and recorded events. Requests a sync if the room has been behind
    /// for over a second.
    pub(crate) fn tidy(&self, now: Instant) -> Next {
        let mut state = self.state.lock();
        state.fetches.retain(|(_, at, _)| now.duration_since(*at) < FETCH_KEPT);
        if state.fetches.is_empty() {
            state.fetches = Vec::new();
            if state.joiners == 0 && state.paused.is_empty() {
                state.recent = None;
            }
        }
        match state.ahead {
            Some((newest, since)) if now.duration_since(since) >= Duration::from_secs(1) => {
                state.ahead = None;
                if state.order.note_newest(newest) { Next::Sync } else { Next::Done }
            }
            _ => Next::Done,
        }
    }

    /// Since when no connection has been in the room.
    pub(crate) fn empty_since(&self) -> Option<Instant> {
        self.state.lock().empty_since
    }
}
