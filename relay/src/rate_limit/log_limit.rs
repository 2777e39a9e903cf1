//! A few log lines per interval at most, for what clients can cause as often as they like.

use std::time::{Duration, Instant};

/// Decides which occurrences are logged.
#[derive(Debug)]
pub(crate) struct LogLimit {
    interval: Duration,
    most: u32,
    unlogged: u64,
    /// When the interval began, and the lines in it.
    since: Option<Instant>,
    lines: u32,
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
        LogLimit::at_most(1, interval)
    }

    /// At most `most` lines per interval.
    pub(crate) const fn at_most(most: u32, interval: Duration) -> LogLimit {
        LogLimit { interval, most, unlogged: 0, since: None, lines: 0 }
    }

    /// Notes an occurrence. If it is to be logged, returns how many there were since the last line,
    /// itself included.
    pub(crate) fn note(&mut self, now: Instant) -> Option<u64> {
        self.unlogged += 1;
        if self.since.is_none_or(|since| now >= since + self.interval) {
            (self.since, self.lines) = (Some(now), 0);
        }
        if self.lines >= self.most {
            return None;
        }
        self.lines += 1;
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
        let mut limit = LogLimit::at_most(3, Duration::from_secs(1));
        let rows =
            [(0, Some(1)), (1, Some(1)), (1, Some(1)), (2, None), (9, None), (1000, Some(3))];
        for (ms, expected) in rows {
            assert_eq!(limit.note(begun + Duration::from_millis(ms)), expected, "after {ms} ms");
        }
    }
}
