//! Rooms whose keys are gone and of which a `drop` is still to be told.
//!
//! Keys go one by one, or all at once when a database is emptied. Then its part of the index is kept as
//! it is and worked off room by room, so that the command costs the same for one room and for a
//! million. Whoever makes a room asks first whether one of its name is still to be told: nothing of
//! the new one may come before.

use std::collections::{BTreeMap, VecDeque};

use chat_protocol::id::Id;

use crate::index::Database;

/// An emptied database of so few rooms is not kept as a whole.
const FEW: usize = 64;

/// A room that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    /// Its newest id, where it is still known.
    pub(crate) last: Id,
    /// Why, unless an event of the key says better.
    pub(crate) reason: &'static str,
}

impl Gone {
    /// One of the rooms of an emptied database.
    const FLUSHED: Gone = Gone { last: Id::ZERO, reason: "deleted" };
}

/// See the module's documentation.
pub(crate) struct GoneRooms {
    /// By name first: a room's channel is the same whatever its database.
    single: BTreeMap<(Box<[u8]>, i32), Gone>,
    /// Emptied databases, with their former numbers.
    emptied: VecDeque<(i32, Database)>,
    /// Databases that others have taken the place of, of whose rooms nothing is to be told.
    discarded: Vec<Database>,
}

impl GoneRooms {
    /// No rooms.
    pub(crate) const NONE: GoneRooms =
        GoneRooms { single: BTreeMap::new(), emptied: VecDeque::new(), discarded: Vec::new() };

    /// A room has gone from its key.
    pub(crate) fn add(&mut self, database: i32, name: &[u8], gone: Gone) {
        self.single.insert((name.into(), database), gone);
    }

    /// All rooms of a database have gone.
    pub(crate) fn add_all(&mut self, number: i32, mut database: Database) {
        if database.len() > FEW {
            self.emptied.push_back((number, database));
            return;
        }
        while let Some(name) = database.pop() {
            if let Some(name) = name {
                self.single.insert((name, number), Gone::FLUSHED);
            }
        }
    }

    /// Keeps databases only to be worked off: of their rooms nothing is to be told.
    pub(crate) fn discard(&mut self, databases: BTreeMap<i32, Database>) {
        self.discarded.extend(databases.into_values());
    }

    /// Two databases have changed places.
    pub(crate) fn swap(&mut self, first: i32, second: i32) {
        for (number, _) in &mut self.emptied {
            *number = match *number {
                number if number == first => second,
                number if number == second => first,
                number => number,
            };
        }
    }

    /// Takes a room of this name, in whatever database it was.
    pub(crate) fn take(&mut self, name: &[u8]) -> Option<Gone> {
        if let Some((key, _)) = self.single.range((name.into(), i32::MIN)..).next()
            && *key.0 == *name
        {
            let key = key.clone();
            return self.single.remove(&key);
        }
        let found = self.emptied.iter_mut().any(|(_, database)| database.take(name));
        found.then_some(Gone::FLUSHED)
    }

    /// Forgets a room: it is there again, as it was.
    pub(crate) fn forget(&mut self, number: i32, name: &[u8]) {
        if self.is_empty() {
            return;
        }
        self.single.remove(&(name.into(), number));
        for (_, database) in self.emptied.iter_mut().filter(|(other, _)| *other == number) {
            database.take(name);
        }
    }

    /// Takes the next step of working them off: `None` at the end, and a step may find no room.
    pub(crate) fn pop(&mut self) -> Option<Option<(Box<[u8]>, Gone)>> {
        if let Some(((name, _), gone)) = self.single.pop_first() {
            return Some(Some((name, gone)));
        }
        if let Some(database) = self.discarded.last_mut() {
            if database.pop().is_none() {
                self.discarded.pop();
            }
            return Some(None);
        }
        let (_, database) = self.emptied.front_mut()?;
        match database.pop() {
            Some(name) => Some(name.map(|name| (name, Gone::FLUSHED))),
            None => {
                self.emptied.pop_front();
                Some(None)
            }
        }
    }

    /// Whether there is nothing to be told.
    pub(crate) fn is_empty(&self) -> bool {
        self.single.is_empty() && self.emptied.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::index::{Facts, Index};

    fn name(at: usize) -> Box<[u8]> {
        format!("room{at}").into_bytes().into()
    }

    fn filled(databases: &[(i32, usize)]) -> Index {
        let mut index = Index::EMPTY;
        for (database, rooms) in databases {
            for at in 0..*rooms {
                let deadline = (at % 3 == 0).then_some(at as u64);
                let facts = Facts { activity: at as u64 / 7, deadline, connections: 1 };
                index.add(*database, &name(at), facts);
            }
        }
        index
    }

    /// The names that are still to be told, and how many steps that takes.
    fn work_off(gone: &mut GoneRooms) -> (Vec<Box<[u8]>>, usize) {
        let (mut names, mut steps) = (Vec::new(), 0);
        while let Some(step) = gone.pop() {
            steps += 1;
            names.extend(step.map(|(name, _)| name));
        }
        (names, steps)
    }

    #[test]
    fn the_rooms_of_an_emptied_database_are_told_once_each_a_step_at_a_time() {
        for rooms in [0, 1, FEW, FEW + 1, 5_000] {
            let mut index = filled(&[(0, rooms), (3, 2)]);
            let mut gone = GoneRooms::NONE;
            index.clear(None, &mut gone);
            assert_eq!((index.len(), index.connections()), (0, 0));
            let kept_whole = if rooms > FEW { 0 } else { rooms };
            assert_eq!(gone.single.len(), kept_whole + 2, "{rooms} rooms are not looked at");
            let (names, steps) = work_off(&mut gone);
            assert_eq!(names.len(), rooms + 2);
            let different: BTreeSet<_> = names.into_iter().collect();
            assert_eq!(different.len(), rooms.max(2), "two names are in both databases");
            assert!(steps <= rooms * 2 + 4, "{steps} steps");
            assert!(gone.is_empty());
        }
    }

    #[test]
    fn a_copy_loaded_apart_takes_the_place_of_what_was_there_and_nothing_is_told() {
        let mut index = filled(&[(0, 1_000), (1, 3)]);
        let mut gone = GoneRooms::NONE;
        for finished in [false, true, true] {
            let before = index.len();
            index.begin_copy(&mut gone);
            let facts = Facts { activity: 1, deadline: Some(1), connections: 2 };
            let copied = index.add_loaded(0, b"copied", facts);
            let meanwhile = index.add(0, b"meanwhile", facts);
            assert_ne!(copied.number, meanwhile.number);
            assert_eq!(index.len(), before + 1);
            assert!(index.find(0, copied.number).is_none(), "it is not served yet");
            if finished {
                index.take_copy(&mut gone);
                assert_eq!((index.len(), index.connections()), (1, 2));
                assert!(index.find(0, copied.number).is_some());
            } else {
                index.discard_copy(&mut gone);
                assert_eq!(index.len(), before + 1);
            }
            assert!(gone.is_empty(), "nothing is to be told");
        }
        let (names, steps) = work_off(&mut gone);
        assert!(names.is_empty() && gone.discarded.is_empty());
        assert!((1_000..3_000).contains(&steps), "{steps} steps: not all at once");
        let loaded =
            index.add_loaded(0, b"loaded", Facts { activity: 1, deadline: None, connections: 0 });
        assert!(index.find(0, loaded.number).is_some(), "no copy is being loaded");
    }

    #[test]
    fn a_room_made_anew_is_told_before_and_not_again() {
        let mut index = filled(&[(0, 1_000)]);
        let mut gone = GoneRooms::NONE;
        index.clear(Some(0), &mut gone);
        gone.swap(0, 5);
        gone.add(2, b"room9", Gone { last: Id { ms: 1, n: 2 }, reason: "replaced" });
        assert_eq!(gone.take(b"room9").map(|gone| gone.reason), Some("replaced"));
        assert_eq!(gone.take(b"room9"), Some(Gone::FLUSHED), "the other one of this name");
        assert_eq!((gone.take(b"room9"), gone.take(b"room1000")), (None, None));
        assert_eq!(gone.take(b"room0"), Some(Gone::FLUSHED));
        // Loaded into the place it had, and into another.
        gone.forget(5, b"room7");
        gone.forget(0, b"room8");
        let (names, _) = work_off(&mut gone);
        let told: BTreeSet<_> = names.iter().cloned().collect();
        assert_eq!((names.len(), told.len()), (997, 997));
        assert!([9, 0, 7].iter().all(|at| !told.contains(&name(*at))) && told.contains(&name(8)));
    }
}
