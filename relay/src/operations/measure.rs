//! What is recorded of every operation: its time, its error, and a line of the log.
//!
//! Lines have only names and codes of fixed tables; whatever a client sends instead is `unknown` or
//! `other`.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::{debug, info};

use crate::client::connection::Connection;
use crate::client::error::Error;
use crate::metrics::OperationMetrics;

/// An operation that takes longer is logged at `info`.
const SLOW: Duration = Duration::from_secs(1);
/// Lines about slow operations within [`INTERVAL`]; the next line after it has how many were left
/// out.
const LINES_MAX: u32 = 20;
const INTERVAL: Duration = Duration::from_secs(1);

/// The metrics of all operations, and of requests that name none.
static METRICS: OnceLock<Vec<OperationMetrics>> = OnceLock::new();
/// What a request that names no operation is counted as.
const UNKNOWN: &str = "unknown";

/// Registers the metrics of these operations, so that each has a value from the start. Without it,
/// as in unit tests, nothing is recorded.
pub(super) fn register(names: impl Iterator<Item = &'static str>) {
    METRICS.get_or_init(|| names.chain([UNKNOWN]).map(OperationMetrics::new).collect());
}

/// One operation that has begun.
#[derive(Clone, Copy)]
pub(super) struct Measure {
    metrics: Option<&'static OperationMetrics>,
    begun: Instant,
}

impl Measure {
    /// Counts a request for the operation of this name.
    pub(super) fn begin(op: &str, begun: Instant) -> Measure {
        let measure = Measure::of(op, begun);
        measure.metrics.inspect(|metrics| metrics.requested());
        measure
    }

    /// As [`Measure::begin`], for an operation that is counted already.
    pub(super) fn of(op: &str, begun: Instant) -> Measure {
        let all = METRICS.get().map(Vec::as_slice).unwrap_or_default();
        let metrics = all.iter().find(|metrics| metrics.name == op).or(all.last());
        Measure { metrics, begun }
    }

    /// Records how the operation was answered. To be called within the span of its trace.
    pub(super) fn end(self, connection: &Connection, error: Option<&Error>) {
        let now = Instant::now();
        let within = now.duration_since(self.begun);
        let Some(metrics) = self.metrics else { return };
        let label = metrics.answered(within, error.map(|error| &*error.code));
        let (op, code) = (metrics.name, label.unwrap_or("ok"));
        let (connection, ms) = (&*connection.name, within.as_millis() as u64);
        if within < SLOW {
            debug!(connection, op, code, ms, "operation");
        } else if let Some(left_out) = SLOW_LINES.lock().next(now) {
            info!(connection, op, code, ms, left_out, "slow operation");
        }
    }
}

/// The bound on lines about slow operations: while Redis is slow, every operation is.
static SLOW_LINES: Mutex<Lines> = Mutex::new(Lines { since: None, written: 0, left_out: 0 });

#[derive(Debug)]
struct Lines {
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Lines {
    /// Whether a line may be written now: then the number of lines that were left out before it.
    fn next(&mut self, now: Instant) -> Option<u64> {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= INTERVAL) {
            (self.since, self.written) = (Some(now), 0);
        }
        if self.written >= LINES_MAX {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_those_left_out_are_counted() {
        let start = Instant::now();
        let mut lines = Lines { since: None, written: 0, left_out: 0 };
        let written = (0..100).filter(|_| lines.next(start).is_some()).count();
        assert_eq!(written, LINES_MAX as usize);
        let later = start + INTERVAL;
        assert_eq!(lines.next(later), Some(100 - u64::from(LINES_MAX)));
        assert_eq!(lines.next(later), Some(0));
        assert_eq!(lines.next(start), Some(0), "a clock that stands still");
    }
}
