//! Panics are defects of the relay: they are logged and counted, and end no more than one task.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::spawn_blocking;
use tracing::error;

use crate::metrics::METRICS;

/// Pause before a task is started again.
const PAUSE: Duration = Duration::from_millis(10);

/// The future's output. None: it panicked, and the caller must clean up.
pub(crate) async fn catch_panic<T>(
    what: &'static str,
    future: impl Future<Output = T>,
) -> Option<T> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|panic| report(what, &*panic)).ok()
}

/// As [`catch_panic`], of work that does not wait.
pub(crate) fn caught<T>(what: &'static str, work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| report(what, &*panic)).ok()
}

fn report(what: &'static str, panic: &(dyn Any + Send)) {
    METRICS.defects.increment(1);
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    error!(source = "relay", panic = text, "panic while {what}; please report it");
}

/// The result of `work`, which runs on a thread where it may take its time. None: it panicked.
pub(crate) async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let done = async {
        match spawn_blocking(work).await {
            Ok(value) => Some(value),
            Err(error) => error.try_into_panic().map_or(None, |panic| resume_unwind(panic)),
        }
    };
    catch_panic(what, done).await.flatten()
}

/// Runs a task, and starts it again whenever it panics, until it ends by itself.
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
    async fn a_task_that_panics_is_started_again() {
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
