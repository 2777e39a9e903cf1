//! What a room is looked after with, now and then: beats, positions, forgetting.

use std::time::{Duration, Instant};

use chat_protocol::id::Id;

use crate::room::joining::FETCH_KEPT;
use crate::room::ordering::Compared;
use crate::room::room::{Next, Room};

impl Room {
    /// The position, if there is one.
    pub(crate) fn last(&self) -> Option<Id> {
        self.state.lock().order.last()
    }

    /// Whether a beat is due; then the next one is `interval` after this one was. The first one, and
    /// one after a time without beats, is set to a random point of it: so the rooms of a relay stay
    /// spread.
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
                let anew = || now + interval.mul_f64(rand::random_range(0.0..1.0));
                state.beat_at = Some(if on_time > now { on_time } else { anew() });
                true
            }
            Some(_) => false,
        }
    }

    /// Whether `newest` is an event that has not come here yet.
    pub(crate) fn is_behind(&self, newest: Id) -> bool {
        self.state.lock().order.last().is_some_and(|last| last < newest)
    }

    /// Takes in the newest id that a beat sent at position `at_sending` answered.
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

    /// Forgets what is old. Returns whether the room has been behind for over a second.
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

    /// Since when nobody has been here.
    pub(crate) fn empty_since(&self) -> Option<Instant> {
        self.state.lock().empty_since
    }
}
