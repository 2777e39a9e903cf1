//! One log line per interval at most, for what clients can cause as often as they like.

use std::time::{Duration, Instant};

/// Decides which occurrences are logged.
#[derive(Debug)]
pub(crate) struct LogLimit {
    interval: Duration,
    unlogged: u64,
    logged_at: Option<Instant>,
}

impl Default for LogLimit {
    /// One line per second.
    fn default() -> LogLimit {
        LogLimit::every(Duration::from_secs(1))
    }
}

impl LogLimit {
    /// One line per interval.
    pub(crate) const fn every(interval: Duration) -> LogLimit {
        LogLimit { interval, unlogged: 0, logged_at: None }
    }

    /// Notes an occurrence. If it is to be logged, returns how many there were since the last line,
    /// itself included.
    pub(crate) fn note(&mut self, now: Instant) -> Option<u64> {
        self.unlogged += 1;
        if self.logged_at.is_some_and(|logged_at| now < logged_at + self.interval) {
            return None;
        }
        self.logged_at = Some(now);
        Some(std::mem::take(&mut self.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_counts_those_that_were_left_out() {
        let (begun, mut limit) = (Instant::now(), LogLimit::default());
        let rows = [(0, Some(1)), (1, None), (999, None), (1000, Some(3)), (1500, None)];
        for (ms, expected) in rows {
            assert_eq!(limit.note(begun + Duration::from_millis(ms)), expected, "after {ms} ms");
        }
    }
}
