//! The rate limit for creating rooms (`chat.create-limit`), per user and node.
//!
//! It uses the rate limiter of rooms (`rate_limit.rs`), in memory on the primary only. Deleting a
//! room gives nothing back. A bounded number of users is tracked; beyond it some are forgotten
//! early, so a user is never refused for what others did.

use crate::state::limits::Rate;
use crate::state::rate_limit::RateLimits;

/// Users tracked at once.
const CREATORS_MAX: usize = 100_000;

/// The users who created rooms lately.
#[derive(Debug, Default)]
pub struct CreationLimit {
    rate_limits: RateLimits,
}

impl CreationLimit {
    /// Counts a room that `user` creates under `rate`; `now` is the monotonic clock. Errors: the
    /// milliseconds to wait; then nothing is counted.
    pub fn take(&mut self, user: &str, rate: Rate, now: u64) -> Result<(), u64> {
        match self.rate_limits.wait(user, rate, now) {
            0 => {
                if self.rate_limits.len() >= CREATORS_MAX && !self.rate_limits.contains(user) {
                    self.rate_limits.remove_one();
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
    fn a_bounded_number_of_users_is_tracked_and_no_user_waits_for_others() {
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
