//! The users of a room. Each is stored once, and other parts refer to it by a small number.
//!
//! A number is valid as long as something refers to it; then it is reused. Numbers are private to
//! one copy of a room: nothing that leaves the room (events, digest, snapshots) depends on them.
//! The entry of a user also holds the user's membership.

use std::cell::Cell;
use std::hash::BuildHasher;

use chat_protocol::id::Id;
use chat_protocol::names::BACKEND;
use hashbrown::DefaultHashBuilder;

use crate::bytes::allocation::of_text;
use crate::bytes::compact::{U24, U48};
use crate::collections::chunked_vec::ChunkedVec;
use crate::collections::linear_hash::LinearHashTable;
use crate::collections::rare::{Rare, blank};
use crate::state::limits::HISTORY_MAX;
use crate::state::numbers::{OnlineNumber, UserNumber};
use crate::state::users::members::{Membership, Role};

/// One user of the room. It takes 56 bytes, as there are many.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: Box<str>,
    /// How many messages, nonces, connections, reactions and memberships refer to this user.
    references: u32,
    /// Maintained by [`crate::state::presence::presence_table::Presence`].
    pub(crate) online: OnlineNumber,
    membership: Option<Stored>,
}

const _: () = assert!(size_of::<Entry>() == 56);

impl Entry {
    /// The membership; `None`: not a member.
    pub(crate) fn membership(&self) -> Option<Membership> {
        self.membership.map(Stored::unpack)
    }

    /// Sets or removes the membership.
    pub(crate) fn set_membership(&mut self, membership: Option<Membership>) {
        self.membership = membership.map(Stored::pack);
    }

    /// Changes the counts of a member.
    pub(crate) fn recount(&mut self, change: impl FnOnce(&mut Counted)) {
        if let Some(stored) = &mut self.membership {
            let read = u64::from(stored.read_n);
            let (own, mentions) = (stored.own.into(), stored.mentions.into());
            let mut counted = Counted { read, own, mentions };
            change(&mut counted);
            (stored.own, stored.mentions) = (counted.own.into(), counted.mentions.into());
        }
    }
}

/// The counts of a membership, see `unread.rs`.
pub(crate) struct Counted {
    /// The event number of the read cursor.
    pub(crate) read: u64,
    pub(crate) own: u32,
    pub(crate) mentions: u32,
}

/// A membership in 31 bytes. Three bytes are enough for counts of messages, as no room keeps 2^24
/// of them.
#[derive(Clone, Copy, Debug)]
struct Stored {
    own: U24,
    mentions: U24,
    place: U48,
    joined: U48,
    read_ms: U48,
    read_n: U48,
    role: Role,
}

const _: () = assert!(HISTORY_MAX.max < U24::MAX as u64);

impl Stored {
    fn pack(membership: Membership) -> Stored {
        let Membership { place, joined, role, read, own, mentions } = membership;
        let (place, joined) = (place.into(), joined.into());
        let (read_ms, read_n) = (read.ms.into(), read.n.into());
        let (own, mentions) = (own.into(), mentions.into());
        Stored { own, mentions, place, joined, read_ms, read_n, role }
    }

    fn unpack(self) -> Membership {
        let Stored { own, mentions, place, joined, read_ms, read_n, role } = self;
        let read = Id { ms: read_ms.into(), n: read_n.into() };
        let (own, mentions) = (own.into(), mentions.into());
        Membership { place: place.into(), joined: joined.into(), role, read, own, mentions }
    }
}

type Vacant = ChunkedVec<u32>;
blank!(Vacant);

/// All users that the room refers to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Users {
    pub(crate) entries: ChunkedVec<Entry>,
    vacant: Rare<ChunkedVec<u32>>,
    by_name: LinearHashTable<u32>,
    hasher: DefaultHashBuilder,
    /// The user found last, as a command looks up the same user several times.
    recent: Cell<u32>,
    /// Bytes of all names.
    name_bytes: usize,
}

impl Users {
    pub(crate) fn find(&self, name: &str) -> Option<UserNumber> {
        let same = |&at: &u32| self.entries.get(at).is_some_and(|e| &*e.name == name);
        let recent = self.recent.get();
        if same(&recent) && !name.is_empty() {
            return Some(UserNumber(recent));
        }
        let at = *self.by_name.find(self.hasher.hash_one(name), same)?;
        self.recent.set(at);
        Some(UserNumber(at))
    }

    pub(crate) fn get(&self, user: UserNumber) -> Option<&Entry> {
        self.entries.get(user.0)
    }

    pub(crate) fn get_mut(&mut self, user: UserNumber) -> Option<&mut Entry> {
        self.entries.get_mut(user.0)
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Entry> {
        self.find(name).and_then(|user| self.get(user))
    }

    /// The name; `*` for the backend.
    pub(crate) fn name(&self, user: UserNumber) -> &str {
        self.get(user).map_or(BACKEND, |entry| &entry.name)
    }

    /// The number of `name`, adding one reference.
    pub(crate) fn acquire(&mut self, name: &str) -> UserNumber {
        if name == BACKEND {
            return UserNumber::BACKEND;
        }
        let user = self.find(name).unwrap_or_else(|| self.add(name));
        if let Some(entry) = self.get_mut(user) {
            entry.references = entry.references.saturating_add(1);
        }
        user
    }

    /// Adds one reference to a user that has at least one.
    pub(crate) fn add_reference(&mut self, user: UserNumber) {
        if let Some(entry) = self.get_mut(user) {
            entry.references = entry.references.saturating_add(1);
        }
    }

    /// Removes one reference; the last one frees the entry.
    pub(crate) fn release(&mut self, user: UserNumber) {
        let Some(entry) = self.entries.get_mut(user.0).filter(|entry| entry.references > 0) else {
            return;
        };
        entry.references -= 1;
        if entry.references > 0 {
            return;
        }
        let hash = self.hasher.hash_one(&*entry.name);
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.by_name.remove(hash, |&at| at == user.0, |&at| hash_of(hasher, entries, at));
        if let Some(entry) = self.entries.get_mut(user.0) {
            let name = std::mem::take(&mut entry.name);
            self.name_bytes -= of_text(&name);
        }
        self.vacant.push(user.0);
    }

    /// One more than the greatest number in use.
    pub(crate) fn numbers(&self) -> usize {
        self.entries.len()
    }

    /// How many users there are.
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Bytes they take on the heap.
    pub(crate) fn memory(&self) -> usize {
        let vacant = self.vacant.own_memory() + self.vacant.memory();
        self.entries.memory() + vacant + self.by_name.memory() + self.name_bytes
    }

    fn add(&mut self, name: &str) -> UserNumber {
        self.name_bytes += of_text(name);
        let online = OnlineNumber::ABSENT;
        let entry = Entry { name: name.into(), references: 0, online, membership: None };
        let vacant = self.vacant.present_mut().and_then(ChunkedVec::pop);
        let at = match vacant.and_then(|at| self.entries.get_mut(at).map(|place| (at, place))) {
            Some((at, place)) => {
                *place = entry;
                at
            }
            None => self.entries.push(entry),
        };
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.by_name.insert(hasher.hash_one(name), at, |&at| hash_of(hasher, entries, at));
        UserNumber(at)
    }
}

fn hash_of(hasher: &DefaultHashBuilder, entries: &ChunkedVec<Entry>, at: u32) -> u64 {
    hasher.hash_one(entries.get(at).map_or("", |entry| &*entry.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_valid_as_long_as_something_refers_to_it() {
        let mut users = Users::default();
        let alice = users.acquire("alice");
        assert_eq!(users.acquire("alice"), alice);
        let bob = users.acquire("bob");
        assert_eq!((users.name(alice), users.name(bob), users.len()), ("alice", "bob", 2));
        users.release(alice);
        assert_eq!(users.find("alice"), Some(alice));
        users.release(alice);
        assert_eq!(users.find("alice"), None);
        assert_eq!(users.acquire("carol"), alice, "the number is reused");
        assert_eq!(users.find("carol"), Some(alice));
        assert_eq!(users.acquire(BACKEND), UserNumber::BACKEND);
        assert_eq!(users.name(UserNumber::BACKEND), BACKEND);
    }
}
