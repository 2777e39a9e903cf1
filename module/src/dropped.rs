//! The `drop` events of rooms whose keys are gone, and the queue of those not yet published.
//!
//! In a cluster a key may be gone because its slot moves to another node. The room goes on there, so
//! `moved` is published instead of `drop`. A true deletion in such a slot looks the same, and the
//! node that the event points to knows that the room does not exist.
//!
//! A key event, where there is one, publishes at once. Keys that are overwritten, and databases
//! that are emptied, leave their rooms in the queue, which the timer works off. An emptied database
//! enters the queue as a whole, so that emptying it costs the same for one room and for a million.
//! Before a room is created, the `drop` of any earlier room of its name is published, so that
//! subscribers get it before the first event of the new one.

use std::collections::{BTreeMap, VecDeque};

use chat_protocol::id::Id;
use chat_protocol::names::RoomName;

use crate::index::Database;
use crate::outgoing;
use crate::redis::{Call, Flags, MainThread, is_elsewhere, now_ms};

static QUEUE: MainThread<DropQueue> = MainThread::new(DropQueue::EMPTY);

/// An emptied database of at most this many rooms is split up at once.
const FEW: usize = 64;

/// A room whose key is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DroppedRoom {
    /// Its newest id, as far as it is still known.
    pub(crate) last: Id,
    /// The reason to publish, unless a key event gives a better one.
    pub(crate) reason: &'static str,
}

impl DroppedRoom {
    /// A room of an emptied database.
    const FLUSHED: DroppedRoom = DroppedRoom { last: Id::ZERO, reason: "deleted" };
}

/// Queues a room whose value was removed from its key.
pub(crate) fn add(database: i32, name: &[u8], room: DroppedRoom) {
    QUEUE.with(|queue| queue.add(database, name, room));
}

/// Queues all rooms of emptied databases.
pub(crate) fn add_databases(emptied: BTreeMap<i32, Database>) {
    QUEUE.with(|queue| queue.add_databases(emptied));
}

/// Frees databases step by step, without `drop` events: a loaded copy has replaced them.
pub(crate) fn discard_databases(replaced: BTreeMap<i32, Database>) {
    QUEUE.with(|queue| queue.discarded.extend(replaced.into_values()));
}

/// Two databases have changed places.
pub(crate) fn swap(first: i32, second: i32) {
    QUEUE.with(|queue| queue.swap(first, second));
}

/// Removes a room from the queue: it was loaded again, or lives on at another node.
pub(crate) fn forget(database: i32, name: &[u8]) {
    QUEUE.with(|queue| queue.forget(database, name));
}

/// Publishes the queued `drop` events of a room, with the `reason` that a key event gives.
pub(crate) fn publish_of(call: &Call<'_>, name: &[u8], reason: Option<&str>) {
    let next = || {
        QUEUE.with(|queue| match queue.is_empty() {
            true => None,
            false => queue.take(name),
        })
    };
    while let Some(room) = next() {
        publish(call, name, &room, reason.unwrap_or(room.reason));
    }
}

/// Publishes the queued `drop` events of a room that is to be created.
pub(crate) fn publish_before_new(call: &Call<'_>, name: &[u8]) {
    publish_of(call, name, None);
}

/// Works off one step of the queue. False: it is empty.
pub(crate) fn publish_next(call: &Call<'_>) -> bool {
    match QUEUE.with(DropQueue::pop) {
        Some(Some((name, room))) => publish(call, &name, &room, room.reason),
        Some(None) => {}
        None => return false,
    }
    true
}

/// Works off one step of the queue without publishing, as a replica does: its primary publishes.
/// False: it is empty.
pub(crate) fn discard_next() -> bool {
    QUEUE.with(DropQueue::pop).is_some()
}

fn publish(call: &Call<'_>, name: &[u8], room: &DroppedRoom, reason: &str) {
    if !Flags::of(call).is_primary() {
        return;
    }
    if let Ok(room_name) = RoomName::stored(name) {
        let (key, room_name, now) = (call.make_name(name), room_name.as_str(), now_ms());
        let event = match is_elsewhere(call, &key) {
            true => chat_room::moved(room_name, room.last, now),
            false => chat_room::dropped(room_name, room.last, now, reason),
        };
        outgoing::publish(call, &key, &event);
    }
}

/// The queue of `drop` events, and databases to free.
struct DropQueue {
    /// By name first: a room's channel does not depend on its database.
    single: BTreeMap<(Box<[u8]>, i32), DroppedRoom>,
    /// Emptied databases, with their former numbers.
    emptied: VecDeque<(i32, Database)>,
    /// Databases to free without events.
    discarded: Vec<Database>,
}

impl DropQueue {
    const EMPTY: DropQueue =
        DropQueue { single: BTreeMap::new(), emptied: VecDeque::new(), discarded: Vec::new() };

    fn add(&mut self, database: i32, name: &[u8], room: DroppedRoom) {
        self.single.insert((name.into(), database), room);
    }

    fn add_databases(&mut self, emptied: BTreeMap<i32, Database>) {
        for (number, mut database) in emptied {
            if database.len() > FEW {
                self.emptied.push_back((number, database));
                continue;
            }
            while let Some(name) = database.pop() {
                if let Some(name) = name {
                    self.single.insert((name, number), DroppedRoom::FLUSHED);
                }
            }
        }
    }

    fn swap(&mut self, first: i32, second: i32) {
        for (number, _) in &mut self.emptied {
            *number = match *number {
                number if number == first => second,
                number if number == second => first,
                number => number,
            };
        }
    }

    /// Takes a room of this name, of any database.
    fn take(&mut self, name: &[u8]) -> Option<DroppedRoom> {
        if let Some((key, _)) = self.single.range((name.into(), i32::MIN)..).next()
            && *key.0 == *name
        {
            let key = key.clone();
            return self.single.remove(&key);
        }
        let found = self.emptied.iter_mut().any(|(_, database)| database.remove_named(name));
        found.then_some(DroppedRoom::FLUSHED)
    }

    fn forget(&mut self, number: i32, name: &[u8]) {
        if self.is_empty() {
            return;
        }
        self.single.remove(&(name.into(), number));
        for (_, database) in self.emptied.iter_mut().filter(|(other, _)| *other == number) {
            database.remove_named(name);
        }
    }

    /// Takes one step. `Some(None)`: the step found no room to publish. `None`: there is no work.
    fn pop(&mut self) -> Option<Option<(Box<[u8]>, DroppedRoom)>> {
        if let Some(((name, _), room)) = self.single.pop_first() {
            return Some(Some((name, room)));
        }
        if let Some(database) = self.discarded.last_mut() {
            if database.pop().is_none() {
                self.discarded.pop();
            }
            return Some(None);
        }
        let (_, database) = self.emptied.front_mut()?;
        match database.pop() {
            Some(name) => Some(name.map(|name| (name, DroppedRoom::FLUSHED))),
            None => {
                self.emptied.pop_front();
                Some(None)
            }
        }
    }

    /// Whether there is no event to publish.
    fn is_empty(&self) -> bool {
        self.single.is_empty() && self.emptied.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::index::{Index, IndexedValues};

    fn name(at: usize) -> Box<[u8]> {
        format!("room{at}").into_bytes().into()
    }

    fn filled(databases: &[(i32, usize)]) -> Index {
        let mut index = Index::EMPTY;
        for (database, rooms) in databases {
            for at in 0..*rooms {
                let deadline = (at % 3 == 0).then_some(at as u64);
                let values = IndexedValues {
                    last: Id::ZERO,
                    activity: at as u64 / 7,
                    deadline,
                    connections: 1,
                };
                index.add(*database, &name(at), values);
            }
        }
        index
    }

    /// The names in the queue, and the number of steps to work it off.
    fn work_off(queue: &mut DropQueue) -> (Vec<Box<[u8]>>, usize) {
        let (mut names, mut steps) = (Vec::new(), 0);
        while let Some(step) = queue.pop() {
            steps += 1;
            names.extend(step.map(|(name, _)| name));
        }
        (names, steps)
    }

    #[test]
    fn each_room_of_an_emptied_database_is_published_once_one_per_step() {
        for rooms in [0, 1, FEW, FEW + 1, 5_000] {
            let mut index = filled(&[(0, rooms), (3, 2)]);
            let mut queue = DropQueue::EMPTY;
            queue.add_databases(index.clear(None));
            assert_eq!((index.len(), index.connections()), (0, 0));
            let kept_whole = if rooms > FEW { 0 } else { rooms };
            assert_eq!(queue.single.len(), kept_whole + 2, "{rooms} rooms are not looked at");
            let (names, steps) = work_off(&mut queue);
            assert_eq!(names.len(), rooms + 2);
            let different: BTreeSet<_> = names.into_iter().collect();
            assert_eq!(different.len(), rooms.max(2), "two names are in both databases");
            assert!(steps <= rooms * 2 + 4, "{steps} steps");
            assert!(queue.is_empty());
        }
    }

    #[test]
    fn a_loaded_copy_replaces_the_present_rooms_without_drop_events() {
        let mut index = filled(&[(0, 1_000), (1, 3)]);
        let mut queue = DropQueue::EMPTY;
        for finished in [false, true, true] {
            let before = index.len();
            queue.discarded.extend(index.begin_async_load().into_values());
            let values =
                IndexedValues { last: Id::ZERO, activity: 1, deadline: Some(1), connections: 2 };
            let copied = index.add_loaded(0, b"copied", values);
            let meanwhile = index.add(0, b"meanwhile", values);
            assert_ne!(copied.number, meanwhile.number);
            assert_eq!(index.len(), before + 1);
            assert!(index.find(0, copied.number).is_none(), "it is not served yet");
            if finished {
                queue.discarded.extend(index.complete_async_load().into_values());
                assert_eq!((index.len(), index.connections()), (1, 2));
                assert!(index.find(0, copied.number).is_some());
            } else {
                queue.discarded.extend(index.abort_async_load().into_values());
                assert_eq!(index.len(), before + 1);
            }
            assert!(queue.is_empty(), "no event is queued");
        }
        let (names, steps) = work_off(&mut queue);
        assert!(names.is_empty() && queue.discarded.is_empty());
        assert!((1_000..3_000).contains(&steps), "{steps} steps: not all at once");
        let loaded = index.add_loaded(
            0,
            b"loaded",
            IndexedValues { last: Id::ZERO, activity: 1, deadline: None, connections: 0 },
        );
        assert!(index.find(0, loaded.number).is_some(), "it is among the present rooms");
    }

    #[test]
    fn the_drop_of_a_room_created_again_is_taken_once() {
        let mut index = filled(&[(0, 1_000)]);
        let mut queue = DropQueue::EMPTY;
        queue.add_databases(index.clear(Some(0)));
        queue.swap(0, 5);
        queue.add(2, b"room9", DroppedRoom { last: Id { ms: 1, n: 2 }, reason: "replaced" });
        assert_eq!(queue.take(b"room9").map(|room| room.reason), Some("replaced"));
        assert_eq!(queue.take(b"room9"), Some(DroppedRoom::FLUSHED), "the other one of this name");
        assert_eq!((queue.take(b"room9"), queue.take(b"room1000")), (None, None));
        assert_eq!(queue.take(b"room0"), Some(DroppedRoom::FLUSHED));
        // Loaded into the place it had, and into another.
        queue.forget(5, b"room7");
        queue.forget(0, b"room8");
        let (names, _) = work_off(&mut queue);
        let published: BTreeSet<_> = names.iter().cloned().collect();
        assert_eq!((names.len(), published.len()), (997, 997));
        assert!(
            [9, 0, 7].iter().all(|at| !published.contains(&name(*at)))
                && published.contains(&name(8))
        );
    }
}
