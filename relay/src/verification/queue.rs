//! The queue of tokens that are to be verified, and the threads that do it.
//!
//! A signature costs up to some 100 µs of a processor. On the threads that serve sockets, a storm of
//! logins would delay every delivery. So signatures are verified on other threads, on half of the
//! processors, in the order in which tokens came. The queue is bounded: beyond it a client is asked
//! to come back. A client that goes away leaves the queue.

use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::auth::LoginError;
use crate::metrics::METRICS;
use crate::panics::blocking;

/// Tokens that wait or are verified at the same time: about two seconds of ES256 on one processor.
const QUEUE_MAX: usize = 16_384;

/// The queue.
#[derive(Debug)]
pub(super) struct Queue {
    most: usize,
    places: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

/// A place in the queue, given back when dropped.
struct Place(Arc<Semaphore>, usize, Option<OwnedSemaphorePermit>);

impl Queue {
    /// An empty queue for this machine.
    pub(super) fn new() -> Queue {
        let threads = available_parallelism().map_or(1, |count| count.get().div_ceil(2));
        Queue::with(QUEUE_MAX, threads)
    }

    fn with(most: usize, threads: usize) -> Queue {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Queue { most, places: semaphore(most), running: semaphore(threads) }
    }

    /// The result of `verify`, when its turn has come.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        verify: impl FnOnce() -> Result<T, LoginError> + Send + 'static,
    ) -> Result<T, LoginError> {
        let place = self.enter()?;
        let turn = self.running.clone().acquire_owned().await;
        let work = move || {
            let verified = verify();
            // Here, as the client may have gone meanwhile: its turn has not ended before this one.
            drop((turn, place));
            verified
        };
        blocking("verifying a token", work).await.unwrap_or(Err(LoginError::QueueFull))
    }

    fn enter(&self) -> Result<Place, LoginError> {
        let permit = self.places.clone().try_acquire_owned();
        let place =
            Place(self.places.clone(), self.most, Some(permit.map_err(|_| LoginError::QueueFull)?));
        place.show();
        Ok(place)
    }
}

impl Place {
    fn show(&self) {
        METRICS.verifications.set((self.1 - self.0.available_permits()) as f64);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.2 = None;
        self.show();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[tokio::test]
    async fn beyond_the_queue_nothing_is_verified_and_others_wait_their_turn() {
        let queue = Arc::new(Queue::with(3, 1));
        let (go, gate) = sync_channel::<()>(0);
        let first = queue.clone();
        let first = tokio::spawn(async move {
            first.run(move || gate.recv().map_err(|_| LoginError::Form)).await
        });
        while queue.running.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let mut later: Vec<_> = (0..3).map(|n| Box::pin(queue.run(move || Ok(n)))).collect();
        let polled: Vec<_> = later
            .iter_mut()
            .map(|one| futures_util::FutureExt::now_or_never(one.as_mut()))
            .collect();
        assert_eq!(polled, [None, None, Some(Err(LoginError::QueueFull))]);
        // Who goes away gives the place back, who is being verified does not.
        drop(later.remove(1));
        first.abort();
        assert_eq!(queue.places.available_permits(), 1);
        assert_eq!(queue.running.available_permits(), 0);
        go.send(()).expect("it waits");
        assert_eq!(later.remove(0).await, Ok(0));
        assert_eq!(queue.places.available_permits(), 3);
    }

    #[tokio::test]
    async fn a_panic_ends_one_verification() {
        let queue = Queue::with(1, 1);
        let broken = queue.run(|| -> Result<(), LoginError> { panic!("as the test wants it") });
        assert_eq!(broken.await, Err(LoginError::QueueFull));
        assert_eq!(queue.run(|| Ok(7)).await, Ok(7));
    }
}
