//! All rooms of this node: by their newest change, by the next deadline in them, and those with
//! memory to free.
//!
//! Every change of a room or of its key updates the index, on replicas too, so nothing ever scans
//! the keyspace. An entry may be stale (after a load that failed, or while a database is emptied):
//! a caller that opens the key compares the number of the room and removes an entry that does not
//! match. A deadline is a lower bound: a beat never moves it later; a caller that finds nothing due
//! in the room enters the true deadline.
//!
//! Changes are counted, and a room takes the next number when it comes and when its newest id changes.
//! The room that has the highest number keeps it until a reader's cursor covers it, so a busy room
//! costs no move in the tree.

mod changes;
mod counter;
mod database;
mod entry;
mod epoch;
mod gone;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use self::changes::{ChangePage, Changed, Cursor, Since};
use self::counter::ChangeCounter;
pub(crate) use self::database::Database;
pub(crate) use self::entry::{Entry, Found, IndexedValues};
use self::gone::GONE;
use crate::redis::MainThread;

static INDEX: MainThread<Index> = MainThread::new(Index::EMPTY);

/// Borrows the index for the length of `body`, which must not call Redis: opening a key can expire
/// it, and that changes the index.
pub(crate) fn with<T>(body: impl FnOnce(&mut Index) -> T) -> T {
    INDEX.with(body)
}

/// A position in a pass over all rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    database: i32,
    /// The numbers of its newest change and of the room.
    place: (u64, u64),
}

impl Position {
    /// Before the first room.
    const START: Position = Position { database: 0, place: (u64::MAX, u64::MAX) };
}

/// See the documentation of this file.
pub(crate) struct Index {
    databases: BTreeMap<i32, Database>,
    /// The databases of a copy that is being loaded beside them.
    async_loading: Option<BTreeMap<i32, Database>>,
    /// The number of rooms ever added.
    counted: u64,
    counter: ChangeCounter,
    /// How far a pass over all rooms has come; `None`: there is none.
    rescan: Option<Position>,
    /// Numbers of the rooms that have memory to free.
    pending_free: BTreeSet<u64>,
}

impl Index {
    /// No rooms.
    pub(crate) const EMPTY: Index = Index {
        databases: BTreeMap::new(),
        async_loading: None,
        counted: 0,
        counter: ChangeCounter::ZERO,
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
        let change = self.counter.next();
        Index::add_to(&mut self.databases, (self.counted, change), database, name, values)
    }

    /// Adds a room that was loaded, at the time of its last activity: to the copy that is being loaded
    /// beside the present rooms, if there is one.
    pub(crate) fn add_loaded(
        &mut self,
        database: i32,
        name: &[u8],
        values: IndexedValues,
    ) -> Entry {
        self.counted += 1;
        let change = self.counter.of_time(values.activity);
        let databases = self.async_loading.as_mut().unwrap_or(&mut self.databases);
        Index::add_to(databases, (self.counted, change), database, name, values)
    }

    fn add_to(
        databases: &mut BTreeMap<i32, Database>,
        (counted, change): (u64, u64),
        database: i32,
        name: &[u8],
        values: IndexedValues,
    ) -> Entry {
        databases.entry(database).or_default().add(counted, change, database, name, values)
    }

    /// Updates the entry of a room after a change; its deadline only to an earlier one.
    pub(crate) fn update(&mut self, database: i32, entry: &mut Entry, values: IndexedValues) {
        entry.home = database;
        let is_earlier = |new: &u64| entry.deadline.is_none_or(|old| *new < old);
        let earlier = values.deadline.filter(is_earlier);
        let changed = values.last != entry.last && !self.counter.is_fresh(entry.change);
        entry.last = values.last;
        if !changed && earlier.is_none() && values.connections == entry.connections {
            return;
        }
        let db = self.databases.entry(database).or_default();
        if changed {
            db.by_change.remove(&(entry.change, entry.number));
            entry.change = self.counter.next();
            db.by_change.insert((entry.change, entry.number));
        }
        if let Some(earlier) = earlier {
            db.set_deadline(entry, Some(earlier));
        }
        db.set_connections(entry, values.connections);
    }

    /// Updates the entry of a room after a change that is being loaded: its place is that of its time.
    pub(crate) fn update_loaded(
        &mut self,
        database: i32,
        entry: &mut Entry,
        values: IndexedValues,
    ) {
        if values.last != entry.last {
            let db = self.databases.entry(database).or_default();
            db.by_change.remove(&(entry.change, entry.number));
            (entry.last, entry.change) = (values.last, self.counter.of_time(values.activity));
            db.by_change.insert((entry.change, entry.number));
        }
        self.update(database, entry, values);
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
            if let Some(name) = db.remove(entry.number) {
                db.connections = db.connections.saturating_sub(entry.connections);
                db.note_gone(self.counter.next(), &name);
            }
            db.by_change.remove(&(entry.change, entry.number));
            if let Some(deadline) = entry.deadline {
                db.by_deadline.remove(&(deadline, entry.number));
            }
        }
    }

    /// Removes an entry that turned out to be stale.
    pub(crate) fn remove_stale(&mut self, found: &Found) {
        if let Some(db) = self.databases.get_mut(&found.database) {
            if let Some(name) = db.remove(found.place.1) {
                db.note_gone(self.counter.next(), &name);
            }
            db.by_change.remove(&found.place);
            db.by_deadline.remove(&found.place);
        }
    }

    /// Takes out a database, or all of them, with their numbers. The cost does not depend on the
    /// number of rooms.
    pub(crate) fn clear(&mut self, database: Option<i32>) -> BTreeMap<i32, Database> {
        self.counter.ring();
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
        self.counter.ring();
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
        let placed = a.map(|db| (second, db)).into_iter().chain(b.map(|db| (first, db)));
        for (number, mut db) in placed {
            db.renew_epoch();
            self.databases.insert(number, db);
        }
        self.counter.ring();
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

    /// At most `count` rooms of a database, last changed first, from `before` on.
    pub(crate) fn page(
        &self,
        database: i32,
        before: Option<(u64, u64)>,
        count: usize,
    ) -> Vec<Found> {
        let Some(db) = self.databases.get(&database) else { return Vec::new() };
        let end = before.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let newest_first = db.by_change.range((std::ops::Bound::Unbounded, end)).rev();
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

    /// The room after `before` in a pass over all of them, in each database last changed first: the
    /// pass leaves out a room that changes meanwhile.
    fn after(&self, before: Position) -> Option<Found> {
        self.databases.range(before.database..).find_map(|(database, db)| {
            let place = match *database == before.database {
                true => db.by_change.range(..before.place).next_back(),
                false => db.by_change.last(),
            };
            place.map(|place| db.found(*database, *place))
        })
    }

    /// The number of rooms.
    pub(crate) fn len(&self) -> usize {
        self.databases.values().map(|db| db.len()).sum()
    }

    /// The number of connections in all rooms.
    pub(crate) fn connections(&self) -> usize {
        self.databases.values().map(|db| db.connections).sum()
    }

    /// The first `count` rooms that changed after `since`, in the order of their newest changes.
    pub(crate) fn changes(&mut self, database: i32, since: Since, count: usize) -> ChangePage {
        let db = self.databases.entry(database).or_default();
        db.keeps_gone = true;
        let epoch = db.epoch;
        let after = match since {
            Since::Beginning => Some((0, 0)),
            Since::Now => Some((u64::MAX, u64::MAX)),
            Since::Cursor(cursor) => (cursor.epoch == epoch).then_some(cursor.place),
        };
        let anew = after.is_none();
        let mut rooms = db.changed_after(after.unwrap_or((0, 0))).take(count.saturating_add(1));
        let mut page = Vec::new();
        let mut reached = (0, 0);
        for (place, name) in rooms.by_ref().take(count) {
            chat_room::work::visit(1);
            page.push(Changed { name: name.into(), number: (place.1 != GONE).then_some(place.1) });
            reached = place;
        }
        let more = rooms.next().is_some();
        if !more {
            reached = (self.counter.cover(), u64::MAX);
        }
        ChangePage { next: Cursor { epoch, place: reached }, anew, rooms: page, more }
    }

    /// Has `alarm` called at the next change of any room, once. It must not use the index.
    pub(crate) fn set_alarm(&mut self, alarm: fn()) {
        self.counter.set_alarm(alarm);
    }

    /// Begins a new epoch of all databases.
    pub(crate) fn renew_epochs(&mut self) {
        self.databases.values_mut().for_each(Database::renew_epoch);
        self.counter.ring();
    }
}
