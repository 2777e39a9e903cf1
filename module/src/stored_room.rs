//! The value of a key: a room of the core, and what this server knows about it besides.

use chat_protocol::id::Id;
use chat_room::{Now, Room};

use crate::index::{Entry, IndexedValues};
use crate::redis::Key;

/// A key that may hold a room.
pub(crate) type RoomKey = Key<StoredRoom>;

/// The value of a key.
pub(crate) struct StoredRoom {
    pub(crate) room: Room,
    /// Its entry in the index; `None`: it has none yet.
    pub(crate) entry: Option<Entry>,
    /// Its newest id when it was loaded or restored. Another server may have written later ids
    /// since the data was saved.
    pub(crate) loaded_at: Option<Id>,
    /// The end of a grace of its own, by the monotonic clock, if it was restored: no connection in
    /// it times out before.
    pub(crate) grace_until: u64,
}

impl StoredRoom {
    /// A room that does not exist yet.
    pub(crate) fn blank() -> StoredRoom {
        StoredRoom { room: Room::default(), entry: None, loaded_at: None, grace_until: 0 }
    }

    /// Whether its entry in the index has this number.
    pub(crate) fn has_number(&self, number: u64) -> bool {
        self.entry.as_ref().is_some_and(|entry| entry.number == number)
    }

    /// Whether no durable change has happened since it was loaded or restored.
    fn is_as_loaded(&self) -> bool {
        self.loaded_at == Some(self.room.last())
    }

    /// `now` with a millisecond for ids that no later id, unknown to this server, can have: the
    /// data that was loaded may be older than the newest event.
    #[inline(always)]
    pub(crate) fn with_fresh_ids(&self, now: Now) -> Now {
        match self.is_as_loaded() {
            true => Now { id_ms: now.unused_ms, ..now },
            false => now,
        }
    }

    /// What the index holds of this room.
    pub(crate) fn indexed_values(&self, deadline: Option<u64>) -> IndexedValues {
        let (last, activity) = (self.room.last(), self.room.last_activity());
        IndexedValues { last, activity, deadline, connections: self.room.connections() }
    }
}
