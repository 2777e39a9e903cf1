//! The set of an address as it was last fetched, and how long it serves.
//!
//! A set is replaced whole. While no new one can be fetched the old one serves for a day. Time is
//! passed in.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::auth::Key;

/// How long a set is good if its server does not say, and the bounds of what a server may say.
const FRESH: Duration = Duration::from_secs(600);
const FRESH_MIN: Duration = Duration::from_secs(60);
const FRESH_MAX: Duration = Duration::from_secs(86_400);
/// How long an old set serves while no new one can be fetched.
const OLD_MAX: Duration = Duration::from_secs(86_400);
/// The first and the longest pause after a failed fetch.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MOST: Duration = Duration::from_secs(10);

/// A set as it was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) keys: Vec<Key>,
    /// How long the server says that it is good.
    pub(super) max_age: Option<Duration>,
}

/// The set; at first there is none.
#[derive(Clone, Debug, Default)]
pub(super) struct KeySet {
    keys: Arc<[Key]>,
    /// When it was fetched. `None`: never.
    at: Option<Instant>,
    /// Fetches that have ended.
    pub(super) fetches: u64,
    /// How many of them have failed since one did not.
    failures: u32,
}

impl KeySet {
    /// The keys; `None`: there are none yet, or they are too old.
    pub(super) fn usable(&self, now: Instant) -> Option<Arc<[Key]>> {
        let is_usable = self.at.is_some_and(|at| now.saturating_duration_since(at) < OLD_MAX);
        is_usable.then(|| self.keys.clone())
    }

    /// Whether the last fetch has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// A fetch has ended, with a set or without. Returns the time until the next one.
    pub(super) fn note(&mut self, answer: Option<Answer>, now: Instant) -> Duration {
        self.fetches += 1;
        match answer {
            Some(Answer { keys, max_age }) => {
                (self.keys, self.at, self.failures) = (keys.into(), Some(now), 0);
                max_age.unwrap_or(FRESH).clamp(FRESH_MIN, FRESH_MAX)
            }
            None => {
                let doubled = PAUSE_FIRST.saturating_mul(1 << self.failures.min(8));
                self.failures = self.failures.saturating_add(1);
                doubled.min(PAUSE_MOST)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::secret_key;

    fn answer(keys: usize, max_age: Option<u64>) -> Option<Answer> {
        let key = secret_key(&[b'x'; 32]).expect("a key");
        Some(Answer { keys: vec![key; keys], max_age: max_age.map(Duration::from_secs) })
    }

    #[test]
    fn an_old_set_serves_for_a_day_while_fetching_fails_and_then_none_does() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut set = KeySet::default();
        let keys = |set: &KeySet, now| set.usable(now).map(|keys| keys.len());
        assert_eq!(keys(&set, start), None, "never fetched");
        set.note(None, start);
        assert_eq!((keys(&set, start), set.has_failed()), (None, true), "failed at first");
        set.note(answer(2, None), at(5));
        assert_eq!((keys(&set, at(5)), set.has_failed()), (Some(2), false));
        for hour in 0..24 {
            set.note(None, at(600 + 3600 * hour));
            assert_eq!(keys(&set, at(600 + 3600 * hour)), Some(2), "hour {hour}");
        }
        assert_eq!(keys(&set, at(86_404)), Some(2), "the last second of the day");
        assert_eq!(keys(&set, at(86_405)), None, "a day after it was fetched");
        set.note(None, at(90_000));
        assert_eq!(keys(&set, at(90_000)), None, "failing makes it no younger");
        set.note(answer(1, None), at(90_001));
        assert_eq!(keys(&set, at(90_001)), Some(1), "the new one alone");
    }

    #[test]
    fn sets_are_fetched_again_in_time() {
        let now = Instant::now();
        let rows = [
            (None, 600, "not said"),
            (Some(300), 300, "said"),
            (Some(0), 60, "too short"),
            (Some(u64::MAX), 86_400, "too long"),
        ];
        for (max_age, expected, why) in rows {
            let next = KeySet::default().note(answer(1, max_age), now);
            assert_eq!(next.as_secs(), expected, "{why}");
        }
        let mut set = KeySet::default();
        let pauses: Vec<u64> = (0..40).map(|_| set.note(None, now).as_secs()).collect();
        assert_eq!(pauses[..6], [1, 2, 4, 8, 10, 10]);
        assert!(pauses[6..].iter().all(|pause| *pause == 10));
        set.note(answer(1, None), now);
        assert_eq!(set.note(None, now).as_secs(), 1, "soon again after success");
    }
}
