//! How fast users write: what `chat.rate-limit` and slow mode go by.
//!
//! In memory on the primary only: a pace is neither replicated nor saved, a promotion forgives. The
//! limit is a GCRA (the generic cell rate algorithm, ITU-T I.371): one number per user, the time at
//! which its bucket is empty again.

use std::collections::HashMap;

use crate::limits::Rate;

/// The paces of a room's users. Times are of the steady clock, in milliseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paces {
    by_user: HashMap<Box<str>, Pace>,
}

/// One user's pace.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Pace {
    /// When everything done so far is paid for, in microseconds.
    empty_at: u64,
    /// When a message was last stored; 0: not that we know.
    sent_at: u64,
}

impl Pace {
    /// When everything is paid for if one thing more is done under `rate`; all in microseconds.
    fn full_at(self, rate: Rate, now: u64) -> u64 {
        let (most, interval) = (now.saturating_add(rate.burst_us()), rate.interval_us());
        // More than a full bucket can be owed under another rate only. What was is forgiven as far as
        // one thing may be done.
        let empty_at = if self.empty_at > most { most - interval } else { self.empty_at.max(now) };
        empty_at.saturating_add(interval)
    }
}

/// Paces a room remembers before it looks for those that do not matter any more.
const MANY: usize = 1024;

impl Paces {
    /// How many users.
    pub(crate) fn len(&self) -> usize {
        self.by_user.len()
    }

    /// In how many milliseconds at the earliest `user` may do one thing more under `rate`.
    pub(crate) fn wait(&self, user: &str, rate: Rate, now: u64) -> u64 {
        let now = now.saturating_mul(1000);
        let pace = self.by_user.get(user).copied().unwrap_or_default();
        let most = now.saturating_add(rate.burst_us());
        pace.full_at(rate, now).saturating_sub(most).div_ceil(1000)
    }

    /// In how many milliseconds `user` may send again, `slow` after the last message.
    pub(crate) fn wait_slow(&self, user: &str, slow: u64, now: u64) -> u64 {
        match self.by_user.get(user).map_or(0, |pace| pace.sent_at) {
            0 => 0,
            sent_at => slow.saturating_sub(now.saturating_sub(sent_at)),
        }
    }

    /// Counts one thing done under `rate`.
    pub(crate) fn count(&mut self, user: &str, rate: Rate, now: u64) {
        let pace = self.of(user, now);
        pace.empty_at = pace.full_at(rate, now.saturating_mul(1000));
    }

    /// A message was stored.
    pub(crate) fn sent(&mut self, user: &str, now: u64) {
        self.of(user, now).sent_at = now;
    }

    fn of(&mut self, user: &str, now: u64) -> &mut Pace {
        if self.by_user.len() >= MANY && self.by_user.len() == self.by_user.capacity() {
            const DAY: u64 = 86_400_000;
            let matters = |pace: &Pace| pace.empty_at > now * 1000 || pace.sent_at + DAY > now;
            self.by_user.retain(|_, pace| matters(pace));
        }
        self.by_user.entry(user.into()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_then_one_per_interval() {
        let rate = Rate { count: 3, period_ms: 3_000 };
        let mut paces = Paces::default();
        let mut at = 10_000;
        for _ in 0..3 {
            assert_eq!(paces.wait("mia", rate, at), 0);
            paces.count("mia", rate, at);
        }
        assert_eq!(paces.wait("mia", rate, at), 1_000);
        assert_eq!(paces.wait("mo", rate, at), 0, "each user for themselves");
        at += 400;
        assert_eq!(paces.wait("mia", rate, at), 600);
        at += 600;
        assert_eq!(paces.wait("mia", rate, at), 0);
        paces.count("mia", rate, at);
        assert_eq!(paces.wait("mia", rate, at), 1_000);
        at += 60_000;
        assert_eq!(paces.wait("mia", rate, at), 0, "the burst is back");
    }

    #[test]
    fn as_many_at_once_as_the_rate_says_whatever_its_period() {
        for (count, period_ms) in [(3, 1_000), (30, 10_000), (7, 1), (1_000_000, 86_400_000)] {
            let rate = Rate { count, period_ms };
            let mut paces = Paces::default();
            for n in 0..count.min(1_000) {
                assert_eq!(paces.wait("mia", rate, 5_000), 0, "number {n} of {count}");
                paces.count("mia", rate, 5_000);
            }
        }
    }

    #[test]
    fn what_was_owed_under_a_stricter_rate_is_forgiven() {
        let before = Rate { count: 1, period_ms: 3_600_000 };
        let rate = Rate { count: 2, period_ms: 2_000 };
        let mut paces = Paces::default();
        paces.count("mia", before, 10_000);
        assert_eq!(paces.wait("mia", before, 10_000), 3_600_000);
        assert_eq!(paces.wait("mia", rate, 10_000), 0);
        paces.count("mia", rate, 10_000);
        assert_eq!(paces.wait("mia", rate, 10_000), 1_000);
        assert_eq!(paces.wait("mia", rate, 11_000), 0, "after what was told");
    }

    #[test]
    fn slow_mode_counts_from_the_last_message() {
        let mut paces = Paces::default();
        assert_eq!(paces.wait_slow("mia", 5_000, 1_000), 0);
        paces.sent("mia", 1_000);
        assert_eq!(paces.wait_slow("mia", 5_000, 4_000), 2_000);
        assert_eq!(paces.wait_slow("mia", 5_000, 6_000), 0);
        assert_eq!(paces.wait_slow("mia", 5_000, 900), 5_000, "never longer");
    }
}
