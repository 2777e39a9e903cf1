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

/// Paces a room remembers before it looks for those that do not matter any more.
const MANY: usize = 1024;

impl Paces {
    /// When `user` may do one thing more under `rate`, or in how many milliseconds at the earliest.
    pub(crate) fn check(&self, user: &str, rate: Rate, now: u64) -> Result<(), u64> {
        let now = now.saturating_mul(1000);
        let empty_at = self.by_user.get(user).map_or(0, |pace| pace.empty_at).max(now);
        let full_at = empty_at.saturating_add(rate.interval_us());
        let most = now.saturating_add(rate.period_ms.saturating_mul(1000));
        if full_at <= most { Ok(()) } else { Err((full_at - most).div_ceil(1000).max(1)) }
    }

    /// Whether `user` may send again `slow` milliseconds after the last message, or when.
    pub(crate) fn check_slow(&self, user: &str, slow: u64, now: u64) -> Result<(), u64> {
        let sent_at = self.by_user.get(user).map_or(0, |pace| pace.sent_at);
        match sent_at.saturating_add(slow).checked_sub(now) {
            Some(wait) if sent_at > 0 && wait > 0 => Err(wait),
            _ => Ok(()),
        }
    }

    /// Counts one thing done under `rate`.
    pub(crate) fn count(&mut self, user: &str, rate: Rate, now: u64) {
        let pace = self.of(user, now);
        pace.empty_at =
            pace.empty_at.max(now.saturating_mul(1000)).saturating_add(rate.interval_us());
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
    fn slow_mode_counts_from_the_last_message() {
        let mut paces = Paces::default();
        assert_eq!(paces.check_slow("mia", 5_000, 1_000), Ok(()));
        paces.sent("mia", 1_000);
        assert_eq!(paces.check_slow("mia", 5_000, 4_000), Err(2_000));
        assert_eq!(paces.check_slow("mia", 5_000, 6_000), Ok(()));
    }
}
