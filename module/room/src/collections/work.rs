//! Work is counted: how many elements of rooms and indexes were visited since the start.
//!
//! What iterates over messages, events, members, connections and the like counts here, so that a test
//! can show that no command does more than its bound. It costs three instructions per element that is
//! visited, and nothing where a single one is looked up.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static VISITED: AtomicU64 = AtomicU64::new(0);

/// Counts so many elements. Commands run one after another, so nothing is lost.
#[inline]
pub fn visit(elements: usize) {
    VISITED.store(VISITED.load(Relaxed).wrapping_add(elements as u64), Relaxed);
}

/// All elements visited since the start.
pub fn visited() -> u64 {
    VISITED.load(Relaxed)
}
