//! A panic is a defect of the relay: it is told and counted, and ends no more than it must.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tracing::error;

use crate::metrics::METRICS;

/// Pause before something is begun again that must not end.
const PAUSE: Duration = Duration::from_millis(10);

/// What the future gives; None: it panicked. What it has left behind is the caller's to put right.
pub(crate) async fn catch_panic<T>(
    what: &'static str,
    future: impl Future<Output = T>,
) -> Option<T> {
    match AssertUnwindSafe(future).catch_unwind().await {
        Ok(value) => Some(value),
        Err(panic) => {
            METRICS.defects.increment(1);
            let text = panic.downcast_ref::<&str>().copied();
            let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            error!(source = "relay", panic = text, "a defect while {what}; please report it");
            None
        }
    }
}

/// Begins again what panicked, until it ends by itself: without it the relay would serve nobody.
pub(crate) async fn restart_on_panic<F: Future<Output = ()>>(
    what: &'static str,
    begin: impl Fn() -> F,
) {
    while catch_panic(what, begin()).await.is_none() {
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn what_must_not_end_is_begun_again() {
        let begun = AtomicUsize::new(0);
        let once = || async {
            tokio::task::yield_now().await;
            assert!(begun.fetch_add(1, Ordering::Relaxed) >= 3, "as the test wants it");
        };
        restart_on_panic("testing", once).await;
        assert_eq!(begun.load(Ordering::Relaxed), 4);
        assert_eq!(catch_panic("testing", async { 7 }).await, Some(7));
        assert_eq!(
            catch_panic("testing", async { panic!("as the test wants it") }).await,
            None::<()>
        );
    }
}
