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
use crate::rate_limit::LogLimit;

/// An operation that takes longer is logged at `info`.
const SLOW: Duration = Duration::from_secs(1);

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
    /// Counts a request for the operation at this place of the table. None: there is no such operation.
    pub(super) fn begin(place: Option<usize>, begun: Instant) -> Measure {
        let all = METRICS.get().map(Vec::as_slice).unwrap_or_default();
        let metrics = place.and_then(|place| all.get(place)).or(all.last());
        metrics.inspect(|metrics| metrics.requested());
        Measure { metrics, begun }
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
        } else if let Some(times) = SLOW_LINES.lock().note(now) {
            info!(connection, op, code, ms, times, "slow operation");
        }
    }
}

/// While Redis is slow every operation is, so lines about them are bounded.
static SLOW_LINES: Mutex<LogLimit> = Mutex::new(LogLimit::at_most(20, Duration::from_secs(1)));
