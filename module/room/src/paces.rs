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
    /// When everything is paid for if one thing more is done under `rate`. At most a full bucket is
    /// owed: whatever the rate was before, nobody waits longer than this one makes them.
    fn full_at(self, rate: Rate, now: u64) -> u64 {
        let most = now.saturating_add(rate.period_ms).saturating_mul(1000);
        self.empty_at.clamp(now.saturating_mul(1000), most).saturating_add(rate.interval_us())
    }
}

/// Paces a room remembers before it looks for those that do not matter any more.
const MANY: usize = 1024;

impl Paces {
    /// When `user` may do one thing more under `rate`, or in how many milliseconds at the earliest.
    pub(crate) fn check(&self, user: &str, rate: Rate, now: u64) -> Result<(), u64> {
        let most = now.saturating_add(rate.period_ms).saturating_mul(1000);
        let pace = self.by_user.get(user).copied().unwrap_or_default();
        let full_at = pace.full_at(rate, now);
        if full_at <= most { Ok(()) } else { Err((full_at - most).div_ceil(1000).max(1)) }
    }

    /// Whether `user` may send again `slow` milliseconds after the last message, or when.
    pub(crate) fn check_slow(&self, user: &str, slow: u64, now: u64) -> Result<(), u64> {
        let sent_at = self.by_user.get(user).map_or(0, |pace| pace.sent_at);
        match slow.saturating_sub(now.saturating_sub(sent_at)) {
            wait if sent_at > 0 && wait > 0 => Err(wait),
            _ => Ok(()),
        }
    }

    /// Counts one thing done under `rate`.
    pub(crate) fn count(&mut self, user: &str, rate: Rate, now: u64) {
        let pace = self.of(user, now);
        pace.empty_at = pace.full_at(rate, now);
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
            assert_eq!(paces.check("mia", rate, at), Ok(()));
            paces.count("mia", rate, at);
        }
        assert_eq!(paces.check("mia", rate, at), Err(1_000));
        assert_eq!(paces.check("mo", rate, at), Ok(()), "each user for themselves");
        at += 400;
        assert_eq!(paces.check("mia", rate, at), Err(600));
        at += 600;
        assert_eq!(paces.check("mia", rate, at), Ok(()));
        paces.count("mia", rate, at);
        assert_eq!(paces.check("mia", rate, at), Err(1_000));
        at += 60_000;
        assert_eq!(paces.check("mia", rate, at), Ok(()), "the burst is back");
    }

    #[test]
    fn a_stricter_rate_of_before_makes_nobody_wait_longer() {
        let (before, rate) =
            (Rate { count: 1, period_ms: 3_600_000 }, Rate { count: 2, period_ms: 2_000 });
        let mut paces = Paces::default();
        paces.count("mia", before, 10_000);
        assert_eq!(paces.check("mia", before, 10_000), Err(3_600_000));
        assert_eq!(paces.check("mia", rate, 10_000), Err(1_000));
    }

    #[test]
    fn slow_mode_counts_from_the_last_message() {
        let mut paces = Paces::default();
        assert_eq!(paces.check_slow("mia", 5_000, 1_000), Ok(()));
        paces.sent("mia", 1_000);
        assert_eq!(paces.check_slow("mia", 5_000, 4_000), Err(2_000));
        assert_eq!(paces.check_slow("mia", 5_000, 6_000), Ok(()));
        assert_eq!(paces.check_slow("mia", 5_000, 900), Err(5_000), "never longer");
    }
}
