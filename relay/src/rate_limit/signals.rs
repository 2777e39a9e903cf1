//! At most one signal per user, room and name in two seconds.
//!
//! Clients signal typing on every key press; the others need it only now and then. A signal that is
//! dropped here costs Redis nothing. This file knows no rooms and no connections, only their names.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::bucket::{Bucket, Rate};

/// One signal in two seconds.
const RATE: Rate = Rate { per_second: 0.5, most: 1.0 };

/// User, room, name.
type Key = (Arc<str>, Box<str>, Box<str>);

/// The recent signals.
#[derive(Default)]
pub(crate) struct SignalRateLimit(Mutex<HashMap<Key, Bucket>>);

impl SignalRateLimit {
    /// Whether this user may send this signal now. If so, it may not be sent again within the
    /// interval.
    pub(crate) fn admits(&self, user: &Arc<str>, room: &str, name: &str, now: Instant) -> bool {
        let mut signals = self.0.lock();
        let bucket = signals.entry((user.clone(), room.into(), name.into()));
        bucket.or_insert_with(|| Bucket::full(RATE, now)).take(RATE, 1.0, now).is_ok()
    }

    /// Forgets a signal that Redis has refused: it does not count.
    pub(crate) fn forget(&self, user: &Arc<str>, room: &str, name: &str) {
        self.0.lock().remove(&(user.clone(), room.into(), name.into()));
    }

    /// Drops old entries.
    pub(crate) fn tidy(&self, now: Instant) {
        let mut signals = self.0.lock();
        signals.retain(|_, bucket| bucket.left(RATE, now) < RATE.most);
        if signals.is_empty() {
            *signals = HashMap::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
