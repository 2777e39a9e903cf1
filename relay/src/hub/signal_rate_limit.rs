//! At most one signal per user, room and name in a while.
//!
//! Typing is told on every key press; the others need it once in a while. What is held back here
//! costs Redis nothing. This file knows no rooms and no connections, only their names.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The time in which one signal is enough.
const PAUSE: Duration = Duration::from_secs(2);

/// User, room, name.
type Key = (Arc<str>, Box<str>, Box<str>);

/// The signals of the last moments.
#[derive(Default)]
pub(crate) struct SignalRateLimit(Mutex<HashMap<Key, Instant>>);

impl SignalRateLimit {
    /// Whether this user may signal by this name now; if so, not again for a while.
    pub(crate) fn admits(&self, user: &Arc<str>, room: &str, name: &str, now: Instant) -> bool {
        let mut signals = self.0.lock();
        let at = signals.entry((user.clone(), room.into(), name.into())).or_insert(now);
        let admitted = *at == now || now.saturating_duration_since(*at) >= PAUSE;
        if admitted {
            *at = now;
        }
        admitted
    }

    /// The signal was refused: it does not count.
    pub(crate) fn forget(&self, user: &Arc<str>, room: &str, name: &str) {
        self.0.lock().remove(&(user.clone(), room.into(), name.into()));
    }

    /// Forgets what is old.
    pub(crate) fn tidy(&self, now: Instant) {
        let mut signals = self.0.lock();
        signals.retain(|_, at| now.saturating_duration_since(*at) < PAUSE);
        if signals.is_empty() {
            *signals = HashMap::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_signal_per_user_room_and_name_in_two_seconds() {
        let (limit, start) = (SignalRateLimit::default(), Instant::now());
        let (alice, bob): (Arc<str>, Arc<str>) = ("alice".into(), "bob".into());
        let at = |ms| start + Duration::from_millis(ms);
        let rows: &[(&Arc<str>, &str, &str, u64, bool, &str)] = &[
            (&alice, "a", "typing", 0, true, "the first"),
            (&alice, "a", "typing", 1_999, false, "too soon"),
            (&bob, "a", "typing", 1_999, true, "another user"),
            (&alice, "b", "typing", 1_999, true, "another room"),
            (&alice, "a", "wave", 1_999, true, "another name"),
            (&alice, "a", "typing", 2_000, true, "late enough"),
            (&alice, "a", "typing", 3_999, false, "counted from the last one admitted"),
        ];
        for (user, room, name, ms, admitted, why) in rows {
            assert_eq!(limit.admits(user, room, name, at(*ms)), *admitted, "{why}");
        }
        limit.forget(&alice, "a", "typing");
        assert!(limit.admits(&alice, "a", "typing", at(4_000)), "it was refused");
        limit.tidy(at(6_001));
        assert!(limit.0.lock().is_empty());
    }
}
