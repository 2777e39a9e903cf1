//! The rooms of one database, by name, by number, by newest change and by deadline.

use std::collections::BTreeSet;
use std::hash::BuildHasher;

use chat_room::LinearHashTable;
use hashbrown::DefaultHashBuilder;

use super::entry::{Entry, Found, IndexedValues};
use super::epoch::new_epoch;
use super::gone::{GONE, GoneRooms};

/// The rooms of one database.
pub(crate) struct Database {
    /// By the low bits of their numbers, which are bits of the hash of the name: so a room is found
    /// by its number and by its name.
    rooms: LinearHashTable<Named>,
    hasher: DefaultHashBuilder,
    /// The number of connections in all rooms.
    pub(super) connections: usize,
    /// The numbers of changes and of rooms.
    pub(super) by_change: BTreeSet<(u64, u64)>,
    pub(super) by_deadline: BTreeSet<(u64, u64)>,
    /// Cursors of another epoch do not say what their readers know.
    pub(super) epoch: u64,
    /// Whether the names of rooms that are gone are kept: somebody reads the changes.
    pub(super) keeps_gone: bool,
    gone: GoneRooms,
}

impl Default for Database {
    fn default() -> Database {
        Database {
            rooms: LinearHashTable::default(),
            hasher: DefaultHashBuilder::default(),
            connections: 0,
            by_change: BTreeSet::new(),
            by_deadline: BTreeSet::new(),
            epoch: new_epoch(),
            keeps_gone: false,
            gone: GoneRooms::default(),
        }
    }
}

/// A room's number and name.
struct Named {
    number: u64,
    name: Box<[u8]>,
}

impl Named {
    fn hash(&self) -> u64 {
        spread(self.number)
    }
}

/// How many low bits of a number are bits of the hash of the name; the others count the rooms.
const HASH_BITS: u32 = 24;

/// The hash for the table: from the bits of a number that are the same for the same name.
fn spread(number: u64) -> u64 {
    (number & ((1 << HASH_BITS) - 1)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Database {
    /// Adds a room. `counted`: the number of rooms ever added to the index, this one included.
    /// `change`: the number of this change.
    pub(super) fn add(
        &mut self,
        counted: u64,
        change: u64,
        home: i32,
        name: &[u8],
        values: IndexedValues,
    ) -> Entry {
        let IndexedValues { last, activity: _, deadline, connections } = values;
        if self.keeps_gone {
            self.gone.forget(name);
        }
        let number = counted << HASH_BITS | self.hash_of(name);
        let named = Named { number, name: name.into() };
        self.rooms.insert(spread(number), named, Named::hash);
        self.connections += connections;
        self.by_change.insert((change, number));
        if let Some(deadline) = deadline {
            self.by_deadline.insert((deadline, number));
        }
        Entry { number, home, last, change, deadline, connections }
    }

    /// The number of rooms.
    pub(crate) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Takes out the room that has been unchanged longest. `Some(None)`: it was a stale entry.
    /// `None`: the database is empty.
    pub(crate) fn pop(&mut self) -> Option<Option<Box<[u8]>>> {
        if let Some((_, number)) = self.by_change.pop_first() {
            return Some(self.remove(number));
        }
        self.by_deadline.pop_first().map(|_| None)
    }

    /// Removes the room of this name. False: there is none.
    pub(crate) fn remove_named(&mut self, name: &[u8]) -> bool {
        let hash = spread(self.hash_of(name));
        self.rooms.remove(hash, |named| *named.name == *name, Named::hash).is_some()
    }

    /// The low bits of the number of a room of this name.
    fn hash_of(&self, name: &[u8]) -> u64 {
        self.hasher.hash_one(name) >> (u64::BITS - HASH_BITS)
    }

    pub(super) fn name(&self, number: u64) -> Option<&[u8]> {
        let found = self.rooms.find(spread(number), |named| named.number == number);
        found.map(|named| &*named.name)
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Box<[u8]>> {
        let is_it = |named: &Named| named.number == number;
        self.rooms.remove(spread(number), is_it, Named::hash).map(|named| named.name)
    }

    pub(super) fn set_deadline(&mut self, entry: &mut Entry, deadline: Option<u64>) {
        if let Some(old) = entry.deadline {
            self.by_deadline.remove(&(old, entry.number));
        }
        if let Some(new) = deadline {
            self.by_deadline.insert((new, entry.number));
        }
        entry.deadline = deadline;
    }

    pub(super) fn set_connections(&mut self, entry: &mut Entry, connections: usize) {
        if connections != entry.connections && self.name(entry.number).is_some() {
            self.connections = self.connections.saturating_sub(entry.connections) + connections;
            entry.connections = connections;
        }
    }

    /// Notes that a room is gone. Where too many are, a new epoch begins.
    pub(super) fn note_gone(&mut self, change: u64, name: &[u8]) {
        if self.keeps_gone && !self.gone.note(change, name) {
            self.renew_epoch();
        }
    }

    /// From now on, readers begin with the first room.
    pub(super) fn renew_epoch(&mut self) {
        self.epoch = new_epoch();
        self.keeps_gone = false;
        self.gone = GoneRooms::default();
    }

    /// The rooms with a change after this place, in the order of their newest changes, with their
    /// places and names. [`GONE`] stands for the number of a room that is gone.
    pub(super) fn changed_after(
        &self,
        place: (u64, u64),
    ) -> impl Iterator<Item = ((u64, u64), &[u8])> {
        let after = (std::ops::Bound::Excluded(place), std::ops::Bound::Unbounded);
        let mut rooms = self.by_change.range(after).copied().peekable();
        let mut gone = self.gone.after(place.0).peekable();
        std::iter::from_fn(move || {
            let gone_is_next = match (rooms.peek(), gone.peek()) {
                (Some(room), Some((change, _))) => *change < room.0,
                (None, Some(_)) => true,
                (_, None) => false,
            };
            if gone_is_next {
                return gone.next().map(|(change, name)| ((change, GONE), name));
            }
            rooms.next().map(|place| (place, self.name(place.1).unwrap_or_default()))
        })
    }

    pub(super) fn found(&self, database: i32, place: (u64, u64)) -> Found {
        let name = self.name(place.1).unwrap_or_default().into();
        Found { database, name, place }
    }
}
