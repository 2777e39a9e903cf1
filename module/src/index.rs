//! The rooms of this node by last activity, and by what ends next in them.
//!
//! Kept up by whatever changes a room or its key, on replicas too, so nothing ever scans. An entry
//! may be stale (a load that failed, a flush half way): whoever follows one compares numbers and
//! forgets what does not match. A deadline filed is a lower bound: a beat never moves it later; who
//! comes early looks at the room and files it again.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;

use chat_room::LinearHashTable;
use hashbrown::DefaultHashBuilder;

use crate::dropped::GoneRooms;

/// Where a room is filed; kept with the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filed {
    /// The room's number, never used again.
    pub(crate) number: u64,
    /// The database it was last used in. Databases can change places; who is present in a room came
    /// to it here.
    pub(crate) home: i32,
    activity: u64,
    deadline: Option<u64>,
    connections: usize,
}

/// What is filed of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Last activity, milliseconds since the epoch.
    pub(crate) activity: u64,
    /// When something in it ends, by the steady clock; a lower bound.
    pub(crate) deadline: Option<u64>,
    /// Connections online.
    pub(crate) connections: usize,
}

/// How far somebody has gone over all rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    database: i32,
    /// Last activity, and the number.
    place: (u64, u64),
}

impl Position {
    /// Before the first.
    pub(crate) const START: Position = Position { database: 0, place: (u64::MAX, u64::MAX) };

    /// After a room that [`Index::after`] has returned.
    pub(crate) fn of(found: &Found) -> Position {
        Position { database: found.database, place: found.place }
    }
}

/// A room as the index knows it.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) database: i32,
    pub(crate) name: Box<[u8]>,
    /// Last activity, and the number.
    pub(crate) place: (u64, u64),
}

/// See the module's documentation.
pub(crate) struct Index {
    databases: BTreeMap<i32, Database>,
    /// Those of a copy that is being loaded apart.
    loading: Option<BTreeMap<i32, Database>>,
    /// Rooms ever filed.
    counted: u64,
}

/// The rooms of one database.
#[derive(Default)]
pub(crate) struct Database {
    /// By the low bits of their numbers, which are those of the names' hashes: so a room is found by its
    /// number and by its name.
    rooms: LinearHashTable<Named>,
    hasher: DefaultHashBuilder,
    /// Connections in all rooms.
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

/// How many bits of a number are of the name's hash; the others count.
const HASH_BITS: u32 = 24;

/// What the table of names goes by: the bits of a number that are the same for the same name.
fn spread(number: u64) -> u64 {
    (number & ((1 << HASH_BITS) - 1)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Index {
    /// No rooms.
    pub(crate) const EMPTY: Index = Index { databases: BTreeMap::new(), loading: None, counted: 0 };

    /// Bytes that a room of this name takes here: an entry of each of three B-trees, and the name.
    pub(crate) fn memory_of(name: &[u8]) -> usize {
        const ENTRIES: usize = 128;
        ENTRIES + name.len().next_multiple_of(16)
    }

    /// Files a room for the first time.
    pub(crate) fn add(&mut self, database: i32, name: &[u8], facts: Facts) -> Filed {
        self.counted += 1;
        Index::add_to(&mut self.databases, self.counted, database, name, facts)
    }

    /// Files a room that was loaded: among those of a copy that is loaded apart, if one is.
    pub(crate) fn add_loaded(&mut self, database: i32, name: &[u8], facts: Facts) -> Filed {
        self.counted += 1;
        let databases = self.loading.as_mut().unwrap_or(&mut self.databases);
        Index::add_to(databases, self.counted, database, name, facts)
    }

    fn add_to(
        databases: &mut BTreeMap<i32, Database>,
        counted: u64,
        database: i32,
        name: &[u8],
        facts: Facts,
    ) -> Filed {
        let Facts { activity, deadline, connections } = facts;
        let db = databases.entry(database).or_default();
        let number = counted << HASH_BITS | db.hash_of(name);
        let named = Named { number, name: name.into() };
        db.rooms.insert(spread(number), named, Named::hash);
        db.connections += connections;
        db.by_activity.insert((activity, number));
        if let Some(deadline) = deadline {
            db.by_deadline.insert((deadline, number));
        }
        Filed { number, home: database, activity, deadline, connections }
    }

    /// Moves a room to its new activity; its deadline only to an earlier one.
    pub(crate) fn touch(&mut self, database: i32, filed: &mut Filed, facts: Facts) {
        filed.home = database;
        let earlier = |new: &u64| filed.deadline.is_none_or(|old| *new < old);
        let sooner = facts.deadline.filter(earlier);
        let moved = facts.activity != filed.activity;
        if !moved && sooner.is_none() && facts.connections == filed.connections {
            return;
        }
        let db = self.databases.entry(database).or_default();
        if moved {
            db.by_activity.remove(&(filed.activity, filed.number));
            db.by_activity.insert((facts.activity, filed.number));
            filed.activity = facts.activity;
        }
        if let Some(sooner) = sooner {
            db.set_deadline(filed, Some(sooner));
        }
        db.set_connections(filed, facts.connections);
    }

    /// Files a room as it is after its deadline came: the next one may be later, or none.
    pub(crate) fn renew(&mut self, database: i32, filed: &mut Filed, facts: Facts) {
        let db = self.databases.entry(database).or_default();
        db.set_deadline(filed, facts.deadline);
        db.set_connections(filed, facts.connections);
    }

    /// Forgets a room.
    pub(crate) fn remove(&mut self, database: i32, filed: &Filed) {
        if let Some(db) = self.databases.get_mut(&database) {
            if db.remove(filed.number).is_some() {
                db.connections = db.connections.saturating_sub(filed.connections);
            }
            db.by_activity.remove(&(filed.activity, filed.number));
            if let Some(deadline) = filed.deadline {
                db.by_deadline.remove(&(deadline, filed.number));
            }
        }
    }

    /// Forgets an entry that turned out to be stale.
    pub(crate) fn forget(&mut self, found: &Found) {
        if let Some(db) = self.databases.get_mut(&found.database) {
            db.remove(found.place.1);
            db.by_activity.remove(&found.place);
            db.by_deadline.remove(&found.place);
        }
    }

    /// Forgets all rooms of a database, or of all: they are gone. The work is the same for any number.
    pub(crate) fn clear(&mut self, database: Option<i32>, gone: &mut GoneRooms) {
        let emptied = match database {
            Some(database) => self.databases.remove_entry(&database).into_iter().collect(),
            None => std::mem::take(&mut self.databases),
        };
        emptied.into_iter().for_each(|(number, database)| gone.add_all(number, database));
    }

    /// What is loaded from now on is a copy apart, while the rooms that are there go on being served.
    pub(crate) fn begin_copy(&mut self, gone: &mut GoneRooms) {
        let old = self.loading.replace(BTreeMap::new());
        gone.discard(old.unwrap_or_default());
    }

    /// The copy takes the place of all rooms that were there. The work is the same for any number.
    pub(crate) fn take_copy(&mut self, gone: &mut GoneRooms) {
        if let Some(copy) = self.loading.take() {
            gone.discard(std::mem::replace(&mut self.databases, copy));
        }
    }

    /// The copy was not finished.
    pub(crate) fn discard_copy(&mut self, gone: &mut GoneRooms) {
        gone.discard(self.loading.take().unwrap_or_default());
    }

    /// Two databases have changed places.
    pub(crate) fn swap(&mut self, first: i32, second: i32) {
        let (a, b) = (self.databases.remove(&first), self.databases.remove(&second));
        self.databases.extend(a.map(|db| (second, db)));
        self.databases.extend(b.map(|db| (first, db)));
    }

    /// A room in which something ends by `now`. Its `place` is the deadline and the number.
    pub(crate) fn due(&self, now: u64) -> Option<Found> {
        self.databases.iter().find_map(|(database, db)| {
            let place = *db.by_deadline.first().filter(|(deadline, _)| *deadline <= now)?;
            Some(db.found(*database, place))
        })
    }

    /// Up to `count` rooms of a database, last active first, from `before` on.
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

    /// The room of this number, in whatever database.
    pub(crate) fn find_anywhere(&self, number: u64) -> Option<Found> {
        self.databases.keys().find_map(|database| self.find(*database, number))
    }

    /// The room that follows `before` when one goes over all of them, each database last active
    /// first: a room that becomes active meanwhile is left out.
    pub(crate) fn after(&self, before: Position) -> Option<Found> {
        self.databases.range(before.database..).find_map(|(database, db)| {
            let place = match *database == before.database {
                true => db.by_activity.range(..before.place).next_back(),
                false => db.by_activity.last(),
            };
            place.map(|place| db.found(*database, *place))
        })
    }

    /// How many rooms.
    pub(crate) fn len(&self) -> usize {
        self.databases.values().map(|db| db.rooms.len()).sum()
    }

    /// How many connections in all of them.
    pub(crate) fn connections(&self) -> usize {
        self.databases.values().map(|db| db.connections).sum()
    }
}

impl Database {
    /// How many rooms.
    pub(crate) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Takes one room out, or what is left of one, the longest inactive first; `None`: there is nothing.
    pub(crate) fn pop(&mut self) -> Option<Option<Box<[u8]>>> {
        if let Some((_, number)) = self.by_activity.pop_first() {
            return Some(self.remove(number));
        }
        self.by_deadline.pop_first().map(|_| None)
    }

    /// Takes out the room of this name. False: there is none.
    pub(crate) fn take(&mut self, name: &[u8]) -> bool {
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

    fn set_deadline(&mut self, filed: &mut Filed, deadline: Option<u64>) {
        if let Some(old) = filed.deadline {
            self.by_deadline.remove(&(old, filed.number));
        }
        if let Some(new) = deadline {
            self.by_deadline.insert((new, filed.number));
        }
        filed.deadline = deadline;
    }

    fn set_connections(&mut self, filed: &mut Filed, connections: usize) {
        if connections != filed.connections && self.name(filed.number).is_some() {
            self.connections = self.connections.saturating_sub(filed.connections) + connections;
            filed.connections = connections;
        }
    }

    fn found(&self, database: i32, place: (u64, u64)) -> Found {
        let name = self.name(place.1).unwrap_or_default().into();
        Found { database, name, place }
    }
}
