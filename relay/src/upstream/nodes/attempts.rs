//! The attempts to open a link to one node: how the last one went, and the pause before the next.
//!
//! Pauses grow, with chance in them. A node that is needed again, as one to which slots have come,
//! is tried at once: what it was before, a replica perhaps, counts no more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::Rng;
use tokio::sync::Notify;

/// The first and the longest pause before an attempt.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// The attempts of one node.
pub(in crate::upstream) struct Attempts {
    /// Whether the last one has failed.
    has_failed: AtomicBool,
    /// Notified when the next one must not wait.
    is_needed: Notify,
    /// About the next pause.
    backoff: Mutex<Duration>,
}

impl Default for Attempts {
    fn default() -> Attempts {
        Attempts {
            has_failed: AtomicBool::new(false),
            is_needed: Notify::new(),
            backoff: Mutex::new(BACKOFF_FIRST),
        }
    }
}

impl Attempts {
    /// Whether the next one may succeed: the last one has not failed.
    pub(in crate::upstream) fn may_succeed(&self) -> bool {
        !self.has_failed.load(Ordering::Relaxed)
    }

    /// Notes a success.
    pub(in crate::upstream) fn succeeded(&self) {
        self.has_failed.store(false, Ordering::Relaxed);
        *self.backoff.lock() = BACKOFF_FIRST;
    }

    /// Notes a failure; for one that `lasts`, nothing is gained by trying often.
    pub(in crate::upstream) fn failed(&self, lasts: bool) {
        self.has_failed.store(true, Ordering::Relaxed);
        if lasts {
            *self.backoff.lock() = BACKOFF_MAX;
        }
    }

    /// Makes the next attempt begin at once.
    pub(in crate::upstream) fn needed(&self) {
        self.succeeded();
        self.is_needed.notify_one();
    }

    /// Returns when the next attempt is due.
    pub(in crate::upstream) async fn pause(&self) {
        let backoff = *self.backoff.lock();
        let pause = rand::rng().random_range(backoff / 2..=backoff);
        if tokio::time::timeout(pause, self.is_needed.notified()).await.is_err() {
            let mut backoff = self.backoff.lock();
            *backoff = (*backoff * 2).min(BACKOFF_MAX);
        }
    }
}
