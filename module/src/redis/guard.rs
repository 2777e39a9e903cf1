//! Catches panics at every entry from Redis.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::log::log_warning;

/// Runs `body`. `None`: it panicked, which is logged.
pub(crate) fn guarded<T>(what: &str, body: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => Some(value),
        Err(_) => {
            log_warning(&format!("a defect in {what} was caught; please report it"));
            None
        }
    }
}
