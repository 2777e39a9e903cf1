//! The rooms that the user of a personal room follows, ordered by name.

use std::ops::Bound;

use crate::bytes::allocation::of_text;
use crate::collections::ordered_map::OrderedMap;

/// The followed rooms, each with the time of the follow in milliseconds since the epoch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Follows {
    since: OrderedMap<Box<str>, u64>,
    /// Bytes of all names.
    name_bytes: usize,
}

impl Follows {
    /// How many rooms are followed.
    pub(crate) fn len(&self) -> usize {
        self.since.len()
    }

    /// Bytes they take on the heap.
    pub(crate) fn memory(&self) -> usize {
        self.since.memory() + self.name_bytes
    }

    pub(crate) fn contains(&self, room: &str) -> bool {
        self.since.get(room).is_some()
    }

    /// Adds a room. False: it is followed already; its time stays.
    pub(crate) fn add(&mut self, room: &str, since: u64) -> bool {
        let new = !self.contains(room);
        if new {
            self.name_bytes += of_text(room);
            self.since.insert(room.into(), since);
        }
        new
    }

    pub(crate) fn remove(&mut self, room: &str) {
        if self.since.remove(room).is_some() {
            self.name_bytes -= of_text(room);
        }
    }

    /// The followed rooms from a name on.
    pub(crate) fn from(&self, start: Bound<&str>) -> impl Iterator<Item = (&str, u64)> {
        self.since.from(start).map(|(room, since)| (&**room, *since))
    }
}
