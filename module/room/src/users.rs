//! Users are stored once per room and referred to by a small number.
//!
//! A number lives as long as something refers to it; then its place is used again. Numbers are
//! private to one copy of a room: nothing that leaves the room (events, digest, stored form)
//! depends on them. What belongs to one user alone (membership, being online) hangs on the entry.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::members::Membership;
use crate::names::BACKEND;
use crate::presence::Online;

/// A user of this room, or [`UserNumber::BACKEND`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct UserNumber(pub(crate) u32);

impl UserNumber {
    /// The backend, which has no entry.
    pub(crate) const BACKEND: UserNumber = UserNumber(u32::MAX);
}

/// One user of the room.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: Box<str>,
    /// Messages, nonces, connections and memberships that name this user.
    references: u32,
    pub(crate) membership: Option<Membership>,
    pub(crate) online: Option<Box<Online>>,
}

/// All users something in the room refers to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Users {
    entries: Vec<Entry>,
    vacant: Vec<u32>,
    by_name: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Users {
    pub(crate) fn find(&self, name: &str) -> Option<UserNumber> {
        let same = |&at: &u32| self.entries.get(at as usize).is_some_and(|e| &*e.name == name);
        self.by_name.find(self.hasher.hash_one(name), same).map(|&at| UserNumber(at))
    }

    pub(crate) fn get(&self, user: UserNumber) -> Option<&Entry> {
        self.entries.get(user.0 as usize)
    }

    pub(crate) fn get_mut(&mut self, user: UserNumber) -> Option<&mut Entry> {
        self.entries.get_mut(user.0 as usize)
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Entry> {
        self.find(name).and_then(|user| self.get(user))
    }

    /// The name; `*` for the backend.
    pub(crate) fn name(&self, user: UserNumber) -> &str {
        self.get(user).map_or(BACKEND, |entry| &entry.name)
    }

    /// The number of `name`, with one more reference to it.
    pub(crate) fn refer(&mut self, name: &str) -> UserNumber {
        if name == BACKEND {
            return UserNumber::BACKEND;
        }
        let user = self.find(name).unwrap_or_else(|| self.add(name));
        if let Some(entry) = self.get_mut(user) {
            entry.references = entry.references.saturating_add(1);
        }
        user
    }

    /// One reference fewer; the last one frees the entry.
    pub(crate) fn release(&mut self, user: UserNumber) {
        let Some(entry) = self.entries.get_mut(user.0 as usize) else { return };
        entry.references = entry.references.saturating_sub(1);
        if entry.references > 0 {
            return;
        }
        let name = std::mem::take(&mut entry.name);
        let hash = self.hasher.hash_one(&*name);
        if let Ok(found) = self.by_name.find_entry(hash, |&at| at == user.0) {
            found.remove();
        }
        self.vacant.push(user.0);
    }

    /// Users the room knows.
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    fn add(&mut self, name: &str) -> UserNumber {
        let entry = Entry { name: name.into(), references: 0, membership: None, online: None };
        let at = match self.vacant.pop() {
            Some(at) => at,
            None => self.entries.len() as u32,
        };
        match self.entries.get_mut(at as usize) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
        let (entries, hasher) = (&self.entries, &self.hasher);
        let rehash = |&at: &u32| {
            hasher.hash_one(entries.get(at as usize).map_or("", |entry: &Entry| &*entry.name))
        };
        self.by_name.insert_unique(hasher.hash_one(name), at, rehash);
        UserNumber(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_lives_as_long_as_something_refers_to_it() {
        let mut users = Users::default();
        let alice = users.refer("alice");
        assert_eq!(users.refer("alice"), alice);
        let bob = users.refer("bob");
        assert_eq!((users.name(alice), users.name(bob), users.len()), ("alice", "bob", 2));
        users.release(alice);
        assert_eq!(users.find("alice"), Some(alice));
        users.release(alice);
        assert_eq!(users.find("alice"), None);
        assert_eq!(users.refer("carol"), alice, "the place is used again");
        assert_eq!(users.find("carol"), Some(alice));
        assert_eq!(users.refer(BACKEND), UserNumber::BACKEND);
        assert_eq!(users.name(UserNumber::BACKEND), BACKEND);
    }
}
