//! How fast each user makes rooms: what `chat.create-limit` goes by, on one node.
//!
//! As with the paces of a room: a GCRA, in memory on the primary only. Deleting the rooms forgives
//! nothing. A bounded number of users is remembered; with more at once some are forgiven early, and
//! nobody is refused for what others did.

use crate::state::limits::Rate;
use crate::state::rate_limit::RateLimits;

/// Users remembered at once.
const CREATORS_MAX: usize = 100_000;

/// Who has made rooms lately.
#[derive(Debug, Default)]
pub struct CreationLimit {
    rate_limits: RateLimits,
}

impl CreationLimit {
    /// Counts a room that `user` makes under `rate` when the steady clock shows `now`. Errors: the
    /// milliseconds to wait; then nothing is counted.
    pub fn take(&mut self, user: &str, rate: Rate, now: u64) -> Result<(), u64> {
        match self.rate_limits.wait(user, rate, now) {
            0 => {
                if self.rate_limits.len() >= CREATORS_MAX && !self.rate_limits.contains(user) {
                    self.rate_limits.forget_one();
                }
                self.rate_limits.count(user, rate, now);
                Ok(())
            }
            wait => Err(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_number_of_users_is_remembered_and_nobody_waits_for_others() {
        let rate = Rate { count: 2, period_ms: 3_600_000 };
        let mut limit = CreationLimit::default();
        for n in 0..CREATORS_MAX + 5_000 {
            assert_eq!(limit.take(&format!("user-{n}"), rate, 9_000), Ok(()), "{n}");
        }
        assert!(limit.rate_limits.len() <= CREATORS_MAX, "{}", limit.rate_limits.len());
        let last = format!("user-{}", CREATORS_MAX + 4_999);
        assert_eq!(limit.take(&last, rate, 9_000), Ok(()), "the second of two");
        assert_eq!(limit.take(&last, rate, 9_000), Err(1_800_000));
        assert_eq!(
            limit.take(&last, rate, 9_000 + 1_800_000),
            Ok(()),
            "after the wait that was returned"
        );
    }
}
