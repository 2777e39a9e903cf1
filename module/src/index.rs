//! All rooms of this node: by last activity, by the next deadline in them, and those with memory
//! to free.
//!
//! Every change of a room or of its key updates the index, on replicas too, so nothing ever scans
//! the keyspace. An entry may be stale (after a load that failed, or while a database is emptied):
//! a caller that opens the key compares the number of the room and removes an entry that does not
//! match. A deadline is a lower bound: a beat never moves it later; a caller that finds nothing due
//! in the room enters the true deadline.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;

use chat_room::LinearHashTable;
use hashbrown::DefaultHashBuilder;

use crate::redis::MainThread;

static INDEX: MainThread<Index> = MainThread::new(Index::EMPTY);

/// Borrows the index for the length of `body`, which must not call Redis: opening a key can expire
/// it, and that changes the index.
pub(crate) fn with<T>(body: impl FnOnce(&mut Index) -> T) -> T {
    INDEX.with(body)
}

/// The entry of a room; kept with the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The number of the room, never used again.
    pub(crate) number: u64,
    /// The database in which the room was last changed. After `SWAPDB` the connections in a room
    /// still belong to the database in which they came online.
    pub(crate) home: i32,
    activity: u64,
    deadline: Option<u64>,
    connections: usize,
}

/// What the index knows of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexedValues {
    /// Last activity, in milliseconds since the epoch.
    pub(crate) activity: u64,
    /// When something in the room ends, by the monotonic clock; a lower bound.
    pub(crate) deadline: Option<u64>,
    /// The number of connections online.
    pub(crate) connections: usize,
}

/// A position in a pass over all rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    database: i32,
    /// Last activity, and the number.
    place: (u64, u64),
}

impl Position {
    /// Before the first room.
    const START: Position = Position { database: 0, place: (u64::MAX, u64::MAX) };
}

/// A room found in the index.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) database: i32,
    pub(crate) name: Box<[u8]>,
    /// The key by which it was found, and its number.
    pub(crate) place: (u64, u64),
}

/// See the documentation of this file.
pub(crate) struct Index {
    databases: BTreeMap<i32, Database>,
    /// The databases of a copy that is being loaded beside them.
    async_loading: Option<BTreeMap<i32, Database>>,
    /// The number of rooms ever added.
    counted: u64,
    /// How far a pass over all rooms has come; `None`: there is none.
    rescan: Option<Position>,
    /// Numbers of the rooms that have memory to free.
    pending_free: BTreeSet<u64>,
}

/// The rooms of one database.
#[derive(Default)]
pub(crate) struct Database {
    /// By the low bits of their numbers, which are bits of the hash of the name: so a room is found
    /// by its number and by its name.
    rooms: LinearHashTable<Named>,
    hasher: DefaultHashBuilder,
    /// The number of connections in all rooms.
    connections: usize,
    by_activity: BTreeSet<(u64, u64)>,
    by_deadline: BTreeSet<(u64, u64)>,
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

impl Index {
    /// No rooms.
    pub(crate) const EMPTY: Index = Index {
        databases: BTreeMap::new(),
        async_loading: None,
        counted: 0,
        rescan: None,
        pending_free: BTreeSet::new(),
    };

    /// Bytes that a room of this name takes here: an entry in each of three B-trees, and the name.
    pub(crate) fn memory_of(name: &[u8]) -> usize {
        const ENTRIES: usize = 128;
        ENTRIES + name.len().next_multiple_of(16)
    }

    /// Adds a room.
    pub(crate) fn add(&mut self, database: i32, name: &[u8], values: IndexedValues) -> Entry {
        self.counted += 1;
        Index::add_to(&mut self.databases, self.counted, database, name, values)
    }

    /// Adds a room that was loaded: to the copy that is being loaded beside the present rooms, if
    /// there is one.
    pub(crate) fn add_loaded(
        &mut self,
        database: i32,
        name: &[u8],
        values: IndexedValues,
    ) -> Entry {
        self.counted += 1;
        let databases = self.async_loading.as_mut().unwrap_or(&mut self.databases);
        Index::add_to(databases, self.counted, database, name, values)
    }

    fn add_to(
        databases: &mut BTreeMap<i32, Database>,
        counted: u64,
        database: i32,
        name: &[u8],
        values: IndexedValues,
    ) -> Entry {
        let IndexedValues { activity, deadline, connections } = values;
        let db = databases.entry(database).or_default();
        let number = counted << HASH_BITS | db.hash_of(name);
        let named = Named { number, name: name.into() };
        db.rooms.insert(spread(number), named, Named::hash);
        db.connections += connections;
        db.by_activity.insert((activity, number));
        if let Some(deadline) = deadline {
            db.by_deadline.insert((deadline, number));
        }
        Entry { number, home: database, activity, deadline, connections }
    }

    /// Updates the entry of a room after a change; its deadline only to an earlier one.
    pub(crate) fn update(&mut self, database: i32, entry: &mut Entry, values: IndexedValues) {
        entry.home = database;
        let is_earlier = |new: &u64| entry.deadline.is_none_or(|old| *new < old);
        let earlier = values.deadline.filter(is_earlier);
        let moved = values.activity != entry.activity;
        if !moved && earlier.is_none() && values.connections == entry.connections {
            return;
        }
        let db = self.databases.entry(database).or_default();
        if moved {
            db.by_activity.remove(&(entry.activity, entry.number));
            db.by_activity.insert((values.activity, entry.number));
            entry.activity = values.activity;
        }
        if let Some(earlier) = earlier {
            db.set_deadline(entry, Some(earlier));
        }
        db.set_connections(entry, values.connections);
    }

    /// Updates the entry of a room after its deadline has passed: the next one may be later, or
    /// none.
    pub(crate) fn reschedule(&mut self, database: i32, entry: &mut Entry, values: IndexedValues) {
        let db = self.databases.entry(database).or_default();
        db.set_deadline(entry, values.deadline);
        db.set_connections(entry, values.connections);
    }

    /// Removes a room.
    pub(crate) fn remove(&mut self, database: i32, entry: &Entry) {
        if let Some(db) = self.databases.get_mut(&database) {
            if db.remove(entry.number).is_some() {
                db.connections = db.connections.saturating_sub(entry.connections);
            }
            db.by_activity.remove(&(entry.activity, entry.number));
            if let Some(deadline) = entry.deadline {
                db.by_deadline.remove(&(deadline, entry.number));
            }
        }
    }

    /// Removes an entry that turned out to be stale.
    pub(crate) fn remove_stale(&mut self, found: &Found) {
        if let Some(db) = self.databases.get_mut(&found.database) {
            db.remove(found.place.1);
            db.by_activity.remove(&found.place);
            db.by_deadline.remove(&found.place);
        }
    }

    /// Takes out a database, or all of them, with their numbers. The cost does not depend on the
    /// number of rooms.
    pub(crate) fn clear(&mut self, database: Option<i32>) -> BTreeMap<i32, Database> {
        match database {
            Some(database) => self.databases.remove_entry(&database).into_iter().collect(),
            None => std::mem::take(&mut self.databases),
        }
    }

    /// From now on, loaded rooms form a copy beside the present ones. Returns the rooms of an
    /// unfinished copy before it.
    pub(crate) fn begin_async_load(&mut self) -> BTreeMap<i32, Database> {
        self.async_loading.replace(BTreeMap::new()).unwrap_or_default()
    }

    /// Replaces the present rooms by the loaded copy, and returns them. The cost does not depend on
    /// the number of rooms.
    pub(crate) fn complete_async_load(&mut self) -> BTreeMap<i32, Database> {
        let copy = self.async_loading.take();
        copy.map(|copy| std::mem::replace(&mut self.databases, copy)).unwrap_or_default()
    }

    /// Takes out the unfinished copy.
    pub(crate) fn abort_async_load(&mut self) -> BTreeMap<i32, Database> {
        self.async_loading.take().unwrap_or_default()
    }

    /// Two databases have changed places. A pass over all rooms starts again.
    pub(crate) fn swap(&mut self, first: i32, second: i32) {
        let (a, b) = (self.databases.remove(&first), self.databases.remove(&second));
        self.databases.extend(a.map(|db| (second, db)));
        self.databases.extend(b.map(|db| (first, db)));
        self.rescan = self.rescan.map(|_| Position::START);
    }

    /// A room in which something ends by `now`.
    pub(crate) fn due(&self, now: u64) -> Option<Found> {
        self.databases.iter().find_map(|(database, db)| {
            let place = *db.by_deadline.first().filter(|(deadline, _)| *deadline <= now)?;
            Some(db.found(*database, place))
        })
    }

    /// Starts a pass over all rooms.
    pub(crate) fn start_rescan(&mut self) {
        self.rescan = Some(Position::START);
    }

    /// The next room of the pass over all rooms; `None`: there is no pass, or it has ended.
    pub(crate) fn next_to_rescan(&mut self) -> Option<Found> {
        let found = self.after(self.rescan?);
        self.rescan =
            found.as_ref().map(|found| Position { database: found.database, place: found.place });
        found
    }

    /// Notes that the room of this number has memory to free.
    pub(crate) fn add_pending_free(&mut self, number: u64) {
        self.pending_free.insert(number);
    }

    /// Takes the number of a room that has memory to free.
    pub(crate) fn pop_pending_free(&mut self) -> Option<u64> {
        self.pending_free.pop_first()
    }

    /// At most `count` rooms of a database, last active first, from `before` on.
    pub(crate) fn page(
        &self,
        database: i32,
        before: Option<(u64, u64)>,
        count: usize,
    ) -> Vec<Found> {
        let Some(db) = self.databases.get(&database) else { return Vec::new() };
        let end = before.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let newest_first = db.by_activity.range((std::ops::Bound::Unbounded, end)).rev();
        let newest_first = newest_first.inspect(|_| chat_room::work::visit(1));
        newest_first.take(count).map(|place| db.found(database, *place)).collect()
    }

    /// The room of this number.
    pub(crate) fn find(&self, database: i32, number: u64) -> Option<Found> {
        let name = self.databases.get(&database)?.name(number)?.into();
        Some(Found { database, name, place: (0, number) })
    }

    /// The room of this number, in any database.
    pub(crate) fn find_in_any_database(&self, number: u64) -> Option<Found> {
        self.databases.keys().find_map(|database| self.find(*database, number))
    }

    /// The room after `before` in a pass over all of them, in each database last active first: the
    /// pass leaves out a room that becomes active meanwhile.
    fn after(&self, before: Position) -> Option<Found> {
        self.databases.range(before.database..).find_map(|(database, db)| {
            let place = match *database == before.database {
                true => db.by_activity.range(..before.place).next_back(),
                false => db.by_activity.last(),
            };
            place.map(|place| db.found(*database, *place))
        })
    }

    /// The number of rooms.
    pub(crate) fn len(&self) -> usize {
        self.databases.values().map(|db| db.rooms.len()).sum()
    }

    /// The number of connections in all rooms.
    pub(crate) fn connections(&self) -> usize {
        self.databases.values().map(|db| db.connections).sum()
    }
}

impl Database {
    /// The number of rooms.
    pub(crate) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Takes out the room that has been inactive longest. `Some(None)`: it was a stale entry.
    /// `None`: the database is empty.
    pub(crate) fn pop(&mut self) -> Option<Option<Box<[u8]>>> {
        if let Some((_, number)) = self.by_activity.pop_first() {
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

    fn name(&self, number: u64) -> Option<&[u8]> {
        let found = self.rooms.find(spread(number), |named| named.number == number);
        found.map(|named| &*named.name)
    }

    fn remove(&mut self, number: u64) -> Option<Box<[u8]>> {
        let is_it = |named: &Named| named.number == number;
        self.rooms.remove(spread(number), is_it, Named::hash).map(|named| named.name)
    }

    fn set_deadline(&mut self, entry: &mut Entry, deadline: Option<u64>) {
        if let Some(old) = entry.deadline {
            self.by_deadline.remove(&(old, entry.number));
        }
        if let Some(new) = deadline {
            self.by_deadline.insert((new, entry.number));
        }
        entry.deadline = deadline;
    }

    fn set_connections(&mut self, entry: &mut Entry, connections: usize) {
        if connections != entry.connections && self.name(entry.number).is_some() {
            self.connections = self.connections.saturating_sub(entry.connections) + connections;
            entry.connections = connections;
        }
    }

    fn found(&self, database: i32, place: (u64, u64)) -> Found {
        let name = self.name(place.1).unwrap_or_default().into();
        Found { database, name, place }
    }
}
