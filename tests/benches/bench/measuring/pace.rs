//! Time that must pass: rates, and spans of a measurement.

use std::time::{Duration, Instant};

/// Waits for this time.
pub(crate) fn rest(span: Duration) {
    until(Instant::now() + span);
}

/// Waits until this moment.
pub(crate) fn until(then: Instant) {
    loop {
        let left = then.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        // Nothing unparks this thread, but it may wake early.
        std::thread::park_timeout(left);
    }
}
