//! The names of rooms that were seen. Sixteen bytes for each are all that an export or an import
//! keeps of every room.

use std::collections::HashSet;

use aws_lc_rs::digest::{SHA256, digest};

/// The names, as the first half of their SHA-256.
#[derive(Debug, Default)]
pub(super) struct RoomSet(HashSet<[u8; 16]>);

impl RoomSet {
    /// Adds a name. Returns whether it is new.
    pub(super) fn insert(&mut self, name: &str) -> bool {
        let digest = digest(&SHA256, name.as_bytes());
        let mut key = [0; 16];
        key.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        self.0.insert(key)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
