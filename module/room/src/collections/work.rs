//! Counts work: how many elements of rooms and indexes were visited since the start.
//!
//! Iterators over messages, events, members, connections and the like count here, so that a test
//! can show that no command visits more than its bound. It costs three instructions per visited
//! element, and nothing for a single look-up.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static VISITED: AtomicU64 = AtomicU64::new(0);

/// Counts visited elements. Commands run one after another, so a plain store loses nothing.
#[inline]
pub fn visit(elements: usize) {
    VISITED.store(VISITED.load(Relaxed).wrapping_add(elements as u64), Relaxed);
}

/// All elements visited since the start.
pub fn visited() -> u64 {
    VISITED.load(Relaxed)
}
