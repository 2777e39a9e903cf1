//! Nonces: the sends that this room has already stored, so that a repeated send is stored once.
//!
//! They are found by user and nonce, and removed in the order of events. A nonce outlives its
//! message: a repeat gets the first id even if the message was trimmed. One takes about 70 bytes
//! plus its text, which the message's body holds as well.

use std::hash::BuildHasher;

use chat_protocol::id::Id;
use hashbrown::DefaultHashBuilder;

use crate::bytes::allocation::of_text;
use crate::collections::chunked_deque::ChunkedDeque;
use crate::collections::linear_hash::LinearHashTable;
use crate::state::numbers::UserNumber;

/// A send that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nonce {
    pub(crate) user: UserNumber,
    pub(crate) name: Box<str>,
    /// The id of the stored message.
    pub(crate) id: Id,
    /// [`digest`] of the text, or [`FORGOTTEN`].
    pub(crate) digest: u64,
}

/// The digest after the message was deleted: a short text could be guessed from its digest. A
/// repeat is then accepted with any text.
pub(crate) const FORGOTTEN: u64 = 0;

/// Identifies the text sent with a nonce. The digest is stored, so the function is a published one:
/// XXH3.
pub(crate) fn digest(text: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text).max(1)
}

/// The nonces of a room, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nonces {
    pub(crate) list: ChunkedDeque<Nonce>,
    /// How many nonces were removed so far, wrapping around. An entry of the table minus this is an
    /// index into `list`, see [`index`].
    removed: u32,
    table: LinearHashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Bytes of all names.
    name_bytes: usize,
}

impl Nonces {
    /// Bytes they take on the heap.
    pub(crate) fn memory(&self) -> usize {
        self.list.memory() + self.table.memory() + self.name_bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn oldest(&self) -> Option<&Nonce> {
        self.list.front()
    }

    pub(crate) fn find(&self, user: UserNumber, name: &str) -> Option<&Nonce> {
        let nonce = |at: u32| self.list.get(index(at, self.removed));
        let same = |&at: &u32| nonce(at).is_some_and(|n| n.user == user && &*n.name == name);
        let hash = self.hasher.hash_one((user, name));
        self.table.find(hash, same).and_then(|&at| nonce(at))
    }

    /// Removes the digest of a nonce's text.
    pub(crate) fn forget_text(&mut self, user: UserNumber, name: &str) {
        let (list, removed) = (&self.list, self.removed);
        let nonce = |at: u32| list.get(index(at, removed));
        let same = |&at: &u32| nonce(at).is_some_and(|n| n.user == user && &*n.name == name);
        let found = self.table.find(self.hasher.hash_one((user, name)), same).copied();
        let at = found.map(|at| index(at, removed));
        if let Some(nonce) = at.and_then(|at| self.list.get_mut(at)) {
            nonce.digest = FORGOTTEN;
        }
    }

    /// Adds the nonce of a stored send. An expired nonce of the same user and name is superseded.
    pub(crate) fn push(&mut self, nonce: Nonce) {
        let at = self.removed.wrapping_add(self.list.len() as u32);
        let hash = self.hasher.hash_one((nonce.user, &*nonce.name));
        self.unlink(hash, |other| other.user == nonce.user && other.name == nonce.name);
        self.name_bytes += of_text(&nonce.name);
        self.list.push_back(nonce);
        let (list, removed, hasher) = (&self.list, self.removed, &self.hasher);
        self.table.insert(hash, at, |&at| hash_of(hasher, list, index(at, removed)));
    }

    /// Removes the oldest nonce.
    pub(crate) fn pop_oldest(&mut self) -> Option<Nonce> {
        let oldest = self.list.front()?;
        let hash = self.hasher.hash_one((oldest.user, &*oldest.name));
        let at = self.removed;
        let (list, hasher) = (&self.list, &self.hasher);
        self.table.remove(
            hash,
            |&other| other == at,
            |&at| hash_of(hasher, list, index(at, self.removed)),
        );
        self.removed = self.removed.wrapping_add(1);
        self.name_bytes -= of_text(&self.list.front()?.name);
        self.list.pop_front()
    }

    /// Gives the nonce with `at` older ones to `user`, under a name without meaning and without the
    /// digest of its text. Returns whose it was.
    pub(crate) fn disown(&mut self, at: usize, user: UserNumber) -> Option<UserNumber> {
        let place = self.removed.wrapping_add(at as u32);
        let before = self.list.get(at)?;
        let hash = self.hasher.hash_one((before.user, &*before.name));
        let (list, hasher, removed) = (&self.list, &self.hasher, self.removed);
        let rehash = |&at: &u32| hash_of(hasher, list, index(at, removed));
        self.table.remove(hash, |&other| other == place, rehash);
        let nonce = self.list.get_mut(at)?;
        let name = nonce.id.n.to_string().into_boxed_str();
        self.name_bytes = self.name_bytes + of_text(&name) - of_text(&nonce.name);
        let owner = std::mem::replace(&mut nonce.user, user);
        (nonce.name, nonce.digest) = (name, FORGOTTEN);
        let (list, hasher, removed) = (&self.list, &self.hasher, self.removed);
        let hash = hash_of(hasher, list, at);
        self.table.insert(hash, place, |&at| hash_of(hasher, list, index(at, removed)));
        Some(owner)
    }

    /// How many nonces belong to events before number `n`.
    pub(crate) fn before(&self, n: u64) -> usize {
        self.list.partition_point(|nonce| nonce.id.n < n)
    }

    /// The nonce with `at` older ones.
    pub(crate) fn get(&self, at: usize) -> Option<&Nonce> {
        self.list.get(at)
    }

    /// How many of the oldest nonces satisfy `before`, which gets their milliseconds; these only
    /// grow.
    #[inline(never)]
    pub(crate) fn partition(&self, before: impl Fn(u64) -> bool) -> usize {
        self.list.partition_point(|nonce| before(nonce.id.ms))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Nonce> {
        self.list.iter()
    }

    fn unlink(&mut self, hash: u64, same: impl Fn(&Nonce) -> bool) {
        let (list, hasher, removed) = (&self.list, &self.hasher, self.removed);
        let is_same = |&at: &u32| list.get(index(at, removed)).is_some_and(&same);
        self.table.remove(hash, is_same, |&at| hash_of(hasher, list, index(at, removed)));
    }
}

fn hash_of(hasher: &DefaultHashBuilder, list: &ChunkedDeque<Nonce>, at: usize) -> u64 {
    list.get(at).map_or(0, |nonce| hasher.hash_one((nonce.user, &*nonce.name)))
}

/// The index in the list of the table's entry `at`. There are never 2^32 nonces at once.
fn index(at: u32, removed: u32) -> usize {
    at.wrapping_sub(removed) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_are_found_until_removed_and_the_newest_counts() {
        let (alice, bob) = (UserNumber(0), UserNumber(1));
        let nonce =
            |user, name: &str, n| Nonce { user, name: name.into(), id: Id { ms: n, n }, digest: n };
        // The counter wraps around during the test.
        let mut nonces = Nonces { removed: u32::MAX - 300, ..Nonces::default() };
        for n in 0..1000 {
            nonces.push(nonce(alice, &format!("k{n}"), n));
        }
        nonces.push(nonce(bob, "k1", 1000));
        assert_eq!(nonces.find(alice, "k1").map(|n| n.id.n), Some(1));
        assert_eq!(nonces.find(bob, "k1").map(|n| n.id.n), Some(1000));
        assert_eq!(nonces.find(bob, "k2"), None);
        nonces.push(nonce(alice, "k1", 1001));
        assert_eq!(nonces.find(alice, "k1").map(|n| n.id.n), Some(1001));
        for _ in 0..500 {
            nonces.pop_oldest();
        }
        assert_eq!(nonces.find(alice, "k1").map(|n| n.id.n), Some(1001), "the newer one stays");
        assert_eq!(nonces.find(alice, "k499"), None);
        assert_eq!(nonces.find(alice, "k500").map(|n| n.id.n), Some(500));
        assert_eq!(nonces.len(), 502);
    }
}
