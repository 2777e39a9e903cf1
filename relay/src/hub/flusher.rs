//! Flushing: writing queued frames to sockets.
//!
//! The caller writes to a few connections at once. Many connections are left to the flushing tasks,
//! so that frames queued meanwhile leave in the same write.

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::room::subscribers::PendingFlush;

/// Connections that one flushing task takes at a time.
const FLUSH_BATCH: usize = 64;

/// Connections that wait for a flushing task.
#[derive(Default)]
pub(super) struct Flusher {
    pending: Mutex<PendingFlush>,
    added: Notify,
}

impl Flusher {
    /// Flushes these connections: at once if they are few, else in a flushing task.
    pub(super) fn flush(&self, mut connections: PendingFlush) {
        if connections.len() <= FLUSH_BATCH {
            connections.iter().for_each(|connection| connection.flush());
            return;
        }
        self.pending.lock().append(&mut connections);
        self.added.notify_one();
    }

    /// Flushes waiting connections, forever. Several tasks may run this.
    pub(super) async fn run(&self) {
        loop {
            let batch: PendingFlush = {
                let mut pending = self.pending.lock();
                let count = pending.len().min(FLUSH_BATCH);
                pending.drain(..count).collect()
            };
            if batch.is_empty() {
                self.added.notified().await;
                continue;
            }
            if batch.len() == FLUSH_BATCH {
                // More may be pending than one task should write alone.
                self.added.notify_one();
            }
            for connection in &batch {
                connection.flush();
            }
            tokio::task::yield_now().await;
        }
    }
}
