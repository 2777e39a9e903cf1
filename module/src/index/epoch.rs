//! Epochs of databases, see `changes.rs`.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A number that no other epoch has.
pub(super) fn new_epoch() -> u64 {
    RandomState::new().build_hasher().finish()
}
