//! The metrics of one operation.
//!
//! The handles are looked up once for each operation, and for each of its error codes when the code
//! first occurs.

use std::sync::OnceLock;
use std::time::Duration;

use chat_protocol::error_code::ErrorCode;
use metrics::{Counter, Histogram, counter, describe_counter, describe_histogram, histogram};

/// Codes of Redis itself that have a label of their own.
const OF_REDIS: [&str; 3] = ["NOPERM", "OOM", "WRONGTYPE"];
/// The label of every other code.
const OTHER: &str = "other";
/// All labels.
const LABELS: usize = ErrorCode::ALL.len() + OF_REDIS.len() + 1;

/// The histogram of how long operations take.
pub(super) const SECONDS: &str = "chat_relay_operation_seconds";

/// The metrics of one operation.
pub(crate) struct OperationMetrics {
    /// The operation's name.
    pub(crate) name: &'static str,
    requests: Counter,
    seconds: Histogram,
    errors: [OnceLock<Counter>; LABELS],
}

impl OperationMetrics {
    /// Registers the operation of this name.
    pub(crate) fn new(name: &'static str) -> OperationMetrics {
        OperationMetrics {
            name,
            requests: counter!("chat_relay_operations_total", "op" => name),
            seconds: histogram!(SECONDS, "op" => name),
            errors: [const { OnceLock::new() }; LABELS],
        }
    }

    /// Counts a request.
    pub(crate) fn requested(&self) {
        self.requests.increment(1);
    }

    /// Records an answer. Returns the label of the error.
    pub(crate) fn answered(&self, within: Duration, code: Option<&str>) -> Option<&'static str> {
        self.seconds.record(within);
        let (index, label) = label(code?);
        let name = self.name;
        let errors = self.errors.get(index)?.get_or_init(
            || counter!("chat_relay_operation_errors_total", "op" => name, "code" => label),
        );
        errors.increment(1);
        Some(label)
    }
}

/// The place and the text of the label of a code.
fn label(code: &str) -> (usize, &'static str) {
    let of_redis = OF_REDIS.iter().copied();
    let known = ErrorCode::ALL.iter().map(|code| code.word()).chain(of_redis);
    known.enumerate().find(|(_, known)| *known == code).unwrap_or((LABELS - 1, OTHER))
}

/// Describes the metrics.
pub(super) fn describe() {
    describe_counter!("chat_relay_operations_total", "Operations that clients have requested");
    describe_counter!(
        "chat_relay_operation_errors_total",
        "Operations answered with an error, by its code"
    );
    describe_histogram!(
        SECONDS,
        "Time from a request to its answer; a send that waits for Redis is answered later"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_label() {
        let labels: Vec<&str> = ErrorCode::ALL.iter().map(|code| label(code.word()).1).collect();
        let words: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.word()).collect();
        assert_eq!(labels, words);
        for code in ["", "invalid", "INVALID\"} 1\n", "MOVED"] {
            assert_eq!(label(code), (LABELS - 1, OTHER), "{code:?}");
        }
        assert_eq!(label("WRONGTYPE"), (LABELS - 2, "WRONGTYPE"));
    }
}
