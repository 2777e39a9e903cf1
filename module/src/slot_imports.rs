//! Rooms that arrive by an atomic slot migration, before this node owns their slots.
//!
//! Valkey 9 and Redis 8.4 copy the keys of a slot to its new node while the old one still serves
//! them. Such a room must not act here: it is not listed and not counted, nothing in it ends, and if
//! the import is aborted, it goes without a `drop`. So it has no entry in the index; only its name
//! is noted here. When the slot belongs to this node, the timer enters the room into the index.
//!
//! Replicas of the importing node hear of the same imports.

use std::collections::BTreeSet;

use chat_protocol::slot::slot_of;

use crate::redis::{MainThread, SlotRanges};

static IMPORTS: MainThread<Imports> = MainThread::new(Imports::NONE);

/// Rooms by database and name.
type Rooms = BTreeSet<(i32, Box<[u8]>)>;

/// An import has started. One of the same slots goes on: a replica that loads a copy of its primary's
/// data hears of it again.
pub(crate) fn start(slots: SlotRanges) {
    IMPORTS.with(|imports| imports.start(slots));
}

/// An import is complete: the slots belong to this node.
pub(crate) fn complete(slots: &SlotRanges) {
    IMPORTS.with(|imports| {
        let rooms = imports.end(slots);
        imports.owned.extend(rooms);
    });
}

/// An import was aborted: Redis removes the keys.
pub(crate) fn abort(slots: &SlotRanges) {
    IMPORTS.with(|imports| {
        let rooms = imports.end(slots);
        imports.discarded.extend(rooms);
    });
}

/// Notes a room if its slot is being imported. False: it is not.
pub(crate) fn hold(database: i32, name: &[u8]) -> bool {
    IMPORTS.with(|imports| imports.hold(database, name))
}

/// Takes a room whose import is complete.
pub(crate) fn pop_owned() -> Option<(i32, Box<[u8]>)> {
    IMPORTS.with(|imports| pop(&mut imports.owned))
}

/// Forgets a room whose import is complete and that is not in the index yet. False: there is none.
pub(crate) fn forget_owned(database: i32, name: &[u8]) -> bool {
    IMPORTS.with(|imports| {
        !imports.owned.is_empty() && {
            let room = (database, name.into());
            imports.owned.iter_mut().any(|rooms| rooms.remove(&room))
        }
    })
}

/// Frees one name of an import that was aborted. False: there is none.
pub(crate) fn discard_next() -> bool {
    IMPORTS.with(|imports| pop(&mut imports.discarded)).is_some()
}

/// See the documentation of this file.
struct Imports {
    running: Vec<Import>,
    /// Rooms of completed imports that are to be entered into the index.
    owned: Vec<Rooms>,
    /// Rooms of aborted imports, whose names are to be freed.
    discarded: Vec<Rooms>,
}

struct Import {
    slots: SlotRanges,
    rooms: Rooms,
}

impl Imports {
    const NONE: Imports = Imports { running: Vec::new(), owned: Vec::new(), discarded: Vec::new() };

    fn start(&mut self, slots: SlotRanges) {
        if self.running.iter().all(|import| import.slots != slots) {
            self.running.push(Import { slots, rooms: Rooms::new() });
        }
    }

    /// Ends the import of these slots; returns its rooms.
    fn end(&mut self, slots: &SlotRanges) -> Option<Rooms> {
        let at = self.running.iter().position(|import| import.slots == *slots)?;
        Some(self.running.swap_remove(at).rooms)
    }

    fn hold(&mut self, database: i32, name: &[u8]) -> bool {
        if self.running.is_empty() {
            return false;
        }
        let slot = slot_of(name);
        let import = self.running.iter_mut().find(|import| import.slots.contain(slot));
        import.map(|import| import.rooms.insert((database, name.into()))).is_some()
    }
}

/// Takes a room out of the last set that has one.
fn pop(sets: &mut Vec<Rooms>) -> Option<(i32, Box<[u8]>)> {
    while let Some(rooms) = sets.last_mut() {
        match rooms.pop_first() {
            Some(room) => return Some(room),
            None => drop(sets.pop()),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(list: &[(u16, u16)]) -> SlotRanges {
        SlotRanges::from_pairs(list.iter().copied())
    }

    fn name(text: &str) -> Box<[u8]> {
        text.as_bytes().into()
    }

    #[test]
    fn rooms_of_imported_slots_wait_until_their_import_ends() {
        let (lobby, foo) = (ranges(&[(10_294, 10_294)]), ranges(&[(0, 5), (12_000, 12_200)]));
        let mut imports = Imports::NONE;
        assert!(!imports.hold(0, b"lobby"), "nothing is imported");
        for slots in [&lobby, &foo, &lobby] {
            imports.start(slots.clone());
            assert!(imports.hold(0, b"lobby"));
        }
        assert!(imports.hold(0, b"foo"));
        assert!(!imports.hold(0, b"@alice"), "this slot is not imported");
        assert_eq!(imports.end(&ranges(&[(0, 5)])), None, "there is no such import");
        assert_eq!(imports.end(&lobby), Some(Rooms::from([(0, name("lobby"))])));
        assert!(!imports.hold(0, b"lobby") && imports.hold(2, b"x{foo}"));
        let rooms = imports.end(&foo).unwrap_or_default();
        assert_eq!(rooms, Rooms::from([(0, name("foo")), (2, name("x{foo}"))]));
    }

    #[test]
    fn names_are_taken_one_by_one() {
        let mut sets =
            vec![Rooms::from([(0, name("a"))]), Rooms::new(), Rooms::from([(1, name("b"))])];
        let taken: Vec<_> = std::iter::from_fn(|| pop(&mut sets)).collect();
        assert_eq!(taken, [(1, name("b")), (0, name("a"))]);
        assert!(sets.is_empty());
    }
}
