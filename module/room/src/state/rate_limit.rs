//! The rate limiter of a room: `chat.rate-limit` and slow mode, per user.
//!
//! It is in memory on the primary only, neither replicated nor saved, so a promotion resets it. The
//! limit is a GCRA (generic cell rate algorithm, ITU-T I.371): one number per user, the time at
//! which the user's bucket is empty again.

use std::hash::BuildHasher;

use chat_protocol::limits::SLOW_MAX;
use hashbrown::DefaultHashBuilder;

use crate::bytes::allocation::of_text;
use crate::collections::chunked_vec::ChunkedVec;
use crate::collections::linear_hash::LinearHashTable;
use crate::state::limits::Rate;

/// The rate limits of a room's users. Times are of the monotonic clock, in milliseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct RateLimits {
    entries: ChunkedVec<Entry>,
    by_user: LinearHashTable<u32>,
    hasher: DefaultHashBuilder,
    /// The entry that is examined next for removal.
    next_examined: u32,
    /// Bytes of all names.
    name_bytes: usize,
}

#[derive(Clone, Debug)]
struct Entry {
    user: Box<str>,
    state: RateState,
}

/// The rate limit of one user.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RateState {
    /// When the bucket is empty again, in microseconds.
    empty_at: u64,
    /// When a message was last stored; 0: unknown.
    sent_at: u64,
}

impl RateState {
    /// When the bucket is empty after one more action under `rate`; all in microseconds.
    fn full_at(self, rate: Rate, now: u64) -> u64 {
        let (most, interval) = (now.saturating_add(rate.burst_us()), rate.interval_us());
        // The bucket can be more than full only after the rate changed. Then it is lowered so far
        // that one action is allowed.
        let empty_at = if self.empty_at > most { most - interval } else { self.empty_at.max(now) };
        empty_at.saturating_add(interval)
    }
}

/// Entries of a room from which on it removes those that no longer limit anything.
const PRUNE_FROM: usize = 1024;
/// How many entries are examined for each new user: more than one, so that removal keeps up.
const EXAMINED: usize = 4;
/// Milliseconds after which a sent message no longer limits: the longest interval of slow mode.
const DAY: u64 = SLOW_MAX;

impl RateLimits {
    /// Bytes they take on the heap.
    pub(crate) fn memory(&self) -> usize {
        self.entries.memory() + self.by_user.memory() + self.name_bytes
    }

    /// How many users have an entry.
    pub(crate) fn len(&self) -> usize {
        self.by_user.len()
    }

    /// Whether `user` has an entry.
    pub(crate) fn contains(&self, user: &str) -> bool {
        self.get(user).is_some()
    }

    /// Removes one entry, even one that still limits. It is not the newest one, unless that is the
    /// only one.
    pub(crate) fn remove_one(&mut self) {
        if self.entries.get(self.next_examined).is_none() {
            self.next_examined = 0;
        }
        if self.len() > 0 {
            self.remove(self.next_examined);
            self.next_examined += 1;
        }
    }

    /// In how many milliseconds `user` may act again under `rate`; 0: now.
    pub(crate) fn wait(&self, user: &str, rate: Rate, now: u64) -> u64 {
        let now = now.saturating_mul(1000);
        let state = self.get(user).unwrap_or_default();
        let most = now.saturating_add(rate.burst_us());
        state.full_at(rate, now).saturating_sub(most).div_ceil(1000)
    }

    /// In how many milliseconds `user` may send again in slow mode: `slow` after the last message.
    pub(crate) fn wait_slow(&self, user: &str, slow: u64, now: u64) -> u64 {
        match self.get(user).map_or(0, |state| state.sent_at) {
            0 => 0,
            sent_at => slow.saturating_sub(now.saturating_sub(sent_at)),
        }
    }

    /// Counts one action of `user` under `rate`.
    pub(crate) fn count(&mut self, user: &str, rate: Rate, now: u64) {
        if let Some(state) = self.of(user, now) {
            state.empty_at = state.full_at(rate, now.saturating_mul(1000));
        }
    }

    /// Notes that `user` sent a message, for slow mode.
    pub(crate) fn sent(&mut self, user: &str, now: u64) {
        if let Some(state) = self.of(user, now) {
            state.sent_at = now;
        }
    }

    fn get(&self, user: &str) -> Option<RateState> {
        let number = self.number(self.hasher.hash_one(user), user)?;
        self.entries.get(number).map(|entry| entry.state)
    }

    fn number(&self, hash: u64, user: &str) -> Option<u32> {
        let same = |&at: &u32| self.entries.get(at).is_some_and(|entry| *entry.user == *user);
        self.by_user.find(hash, same).copied()
    }

    /// The entry of `user`, a new one if there is none.
    fn of(&mut self, user: &str, now: u64) -> Option<&mut RateState> {
        let hash = self.hasher.hash_one(user);
        let number = match self.number(hash, user) {
            Some(number) => number,
            None => {
                self.prune(now);
                let entry = Entry { user: user.into(), state: RateState::default() };
                self.name_bytes += of_text(user);
                let number = self.entries.push(entry);
                let (entries, hasher) = (&self.entries, &self.hasher);
                self.by_user.insert(hash, number, |&at| hash_of(hasher, entries, at));
                number
            }
        };
        self.entries.get_mut(number).map(|entry| &mut entry.state)
    }

    /// Examines the next few entries of many, and removes those that no longer limit anything.
    fn prune(&mut self, now: u64) {
        if self.entries.len() < PRUNE_FROM {
            return;
        }
        for _ in 0..EXAMINED {
            let Some(entry) = self.entries.get(self.next_examined) else {
                self.next_examined = 0;
                continue;
            };
            let RateState { empty_at, sent_at } = entry.state;
            if empty_at > now.saturating_mul(1000) || sent_at.saturating_add(DAY) > now {
                self.next_examined += 1;
            } else {
                self.remove(self.next_examined);
            }
        }
    }

    /// Removes an entry; the last one gets its number.
    fn remove(&mut self, number: u32) {
        let last = self.entries.len() as u32 - 1;
        let (entries, hasher) = (&self.entries, &self.hasher);
        let hash = hash_of(hasher, entries, number);
        self.by_user.remove(hash, |at| *at == number, |&at| hash_of(hasher, entries, at));
        let hash = hash_of(hasher, entries, last);
        if let Some(there) = self.by_user.find_mut(hash, |at| *at == last) {
            *there = number;
        }
        let gone = self.entries.swap_remove(number);
        self.name_bytes -= gone.map_or(0, |entry| of_text(&entry.user));
    }
}

fn hash_of(hasher: &DefaultHashBuilder, entries: &ChunkedVec<Entry>, at: u32) -> u64 {
    hasher.hash_one(entries.get(at).map_or("", |entry| &*entry.user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_one_per_interval() {
        let rate = Rate { count: 3, period_ms: 3_000 };
        let mut limits = RateLimits::default();
        let mut at = 10_000;
        for _ in 0..3 {
            assert_eq!(limits.wait("mia", rate, at), 0);
            limits.count("mia", rate, at);
        }
        assert_eq!(limits.wait("mia", rate, at), 1_000);
        assert_eq!(limits.wait("mo", rate, at), 0, "each user for themselves");
        at += 400;
        assert_eq!(limits.wait("mia", rate, at), 600);
        at += 600;
        assert_eq!(limits.wait("mia", rate, at), 0);
        limits.count("mia", rate, at);
        assert_eq!(limits.wait("mia", rate, at), 1_000);
        at += 60_000;
        assert_eq!(limits.wait("mia", rate, at), 0, "the burst is back");
    }

    #[test]
    fn the_burst_is_the_count_of_the_rate_for_any_period() {
        for (count, period_ms) in [(3, 1_000), (30, 10_000), (7, 1), (1_000_000, 86_400_000)] {
            let rate = Rate { count, period_ms };
            let mut limits = RateLimits::default();
            for n in 0..count.min(1_000) {
                assert_eq!(limits.wait("mia", rate, 5_000), 0, "number {n} of {count}");
                limits.count("mia", rate, 5_000);
            }
        }
    }

    #[test]
    fn a_full_bucket_of_a_stricter_rate_is_lowered() {
        let before = Rate { count: 1, period_ms: 3_600_000 };
        let rate = Rate { count: 2, period_ms: 2_000 };
        let mut limits = RateLimits::default();
        limits.count("mia", before, 10_000);
        assert_eq!(limits.wait("mia", before, 10_000), 3_600_000);
        assert_eq!(limits.wait("mia", rate, 10_000), 0);
        limits.count("mia", rate, 10_000);
        assert_eq!(limits.wait("mia", rate, 10_000), 1_000);
        assert_eq!(limits.wait("mia", rate, 11_000), 0, "after the wait that was returned");
    }

    #[test]
    fn slow_mode_counts_from_the_last_message() {
        let mut limits = RateLimits::default();
        assert_eq!(limits.wait_slow("mia", 5_000, 1_000), 0);
        limits.sent("mia", 1_000);
        assert_eq!(limits.wait_slow("mia", 5_000, 4_000), 2_000);
        assert_eq!(limits.wait_slow("mia", 5_000, 6_000), 0);
        assert_eq!(limits.wait_slow("mia", 5_000, 900), 5_000, "never longer");
    }

    #[test]
    fn entries_that_no_longer_limit_are_removed_a_few_at_a_time() {
        let rate = Rate { count: 1, period_ms: 1_000 };
        let mut limits = RateLimits::default();
        let mut now = 1_000_000_000;
        for user in 0..20_000 {
            limits.count(&format!("early-{user}"), rate, now);
        }
        limits.sent("slow", now);
        now += 60_000;
        let mut before = limits.entries.len();
        assert_eq!(before, 20_001);
        for user in 0..10_000 {
            limits.count(&format!("late-{user}"), rate, now);
            let after = limits.entries.len();
            assert!(after + EXAMINED > before, "{} at once", before - after);
            before = after;
        }
        assert!(before <= 10_001, "{before} are left");
        assert_eq!((limits.by_user.len(), limits.entries.len()), (before, before));
        assert_eq!(limits.wait_slow("slow", 120_000, now), 60_000, "this one still matters");
        for user in 0..10_000 {
            assert_eq!(limits.wait(&format!("late-{user}"), rate, now), 1_000);
        }
    }
}
