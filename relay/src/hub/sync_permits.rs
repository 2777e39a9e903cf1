//! Bounds the syncs that run at the same time, for each node of Redis: a node that is slow, or whose
//! rooms are all synced at once, must not hold up the rooms of the others.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::upstream::NodeId;

/// Number of rooms of one node that may sync at the same time.
const SYNCS: usize = 64;
/// Nodes beyond this number make room for others when none of their rooms syncs.
const NODES: usize = 64;

/// The permits of all nodes.
#[derive(Debug, Default)]
pub(super) struct SyncPermits(Mutex<HashMap<Option<NodeId>, Arc<Semaphore>>>);

impl SyncPermits {
    /// Waits until another room of this node may sync. `None`: no node is known.
    pub(super) async fn acquire(&self, node: Option<NodeId>) -> Option<OwnedSemaphorePermit> {
        let semaphore = {
            let mut nodes = self.0.lock();
            if nodes.len() >= NODES && !nodes.contains_key(&node) {
                // A permit and one who waits for it hold their semaphore.
                nodes.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
            }
            nodes.entry(node).or_insert_with(|| Arc::new(Semaphore::new(SYNCS))).clone()
        };
        semaphore.acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn each_node_has_its_own_permits() {
        let permits = SyncPermits::default();
        let (a, b) = (Some(NodeId::new("a")), Some(NodeId::new("b")));
        let mut held = Vec::new();
        for _ in 0..SYNCS {
            held.push(permits.acquire(a.clone()).await);
        }
        let next = permits.acquire(a.clone());
        tokio::pin!(next);
        let at_once = tokio::time::timeout(Duration::ZERO, &mut next);
        assert!(at_once.await.is_err(), "all are taken");
        assert!(permits.acquire(b).await.is_some());
        held.pop();
        assert!(next.await.is_some());
        for number in 0..3 * NODES {
            permits.acquire(Some(NodeId::new(&number.to_string()))).await;
        }
        assert!(permits.0.lock().len() <= NODES, "nodes that are gone leave nothing behind");
        assert!(permits.0.lock().contains_key(&a), "its rooms sync");
    }
}
