//! Time that must pass: rates, and spans over which something is measured.

use std::time::{Duration, Instant};

/// Lets this much time pass.
pub(crate) fn rest(span: Duration) {
    until(Instant::now() + span);
}

/// Lets time pass until then.
pub(crate) fn until(then: Instant) {
    loop {
        let left = then.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        // Nobody unparks; it may still wake early.
        std::thread::park_timeout(left);
    }
}
