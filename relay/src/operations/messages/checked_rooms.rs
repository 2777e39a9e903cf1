//! The direct rooms of one connection in which a block is decided by the room itself.

use std::collections::BTreeSet;

use parking_lot::Mutex;

/// The most rooms remembered. Beyond it all are forgotten, at the cost of some repeated questions.
const ROOMS_MAX: usize = 256;

/// The rooms. A tree, because most connections have none and an empty one takes no memory.
#[derive(Default)]
pub(in crate::operations) struct CheckedRooms(Mutex<BTreeSet<Box<str>>>);

impl CheckedRooms {
    /// Whether this room is among them.
    pub(in crate::operations) fn holds(&self, room: &str) -> bool {
        self.0.lock().contains(room)
    }

    /// Adds a room.
    pub(in crate::operations) fn note(&self, room: &str) {
        let mut rooms = self.0.lock();
        if rooms.len() >= ROOMS_MAX {
            rooms.clear();
        }
        rooms.insert(room.into());
    }

    /// Removes a room, which does not exist any more.
    pub(in crate::operations) fn forget(&self, room: &str) {
        self.0.lock().remove(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_remembered_until_they_are_too_many() {
        let rooms = CheckedRooms::default();
        let name = |n: usize| format!("dm:a,{n}");
        for n in 0..ROOMS_MAX {
            rooms.note(&name(n));
        }
        rooms.forget(&name(1));
        assert!(rooms.holds(&name(0)) && !rooms.holds(&name(1)));
        rooms.note(&name(1));
        rooms.note(&name(ROOMS_MAX));
        assert!(!rooms.holds(&name(0)) && rooms.holds(&name(ROOMS_MAX)));
    }
}
