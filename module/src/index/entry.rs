//! What the index holds of one room.

use chat_protocol::id::Id;

/// The entry of a room; kept with the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The number of the room, never used again.
    pub(crate) number: u64,
    /// The database in which the room was last changed. After `SWAPDB` the connections in a room
    /// still belong to the database in which they came online.
    pub(crate) home: i32,
    /// Its newest id when it last took a number.
    pub(super) last: Id,
    /// The number of its newest change.
    pub(super) change: u64,
    pub(super) deadline: Option<u64>,
    pub(super) connections: usize,
}

/// What the index knows of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexedValues {
    /// The newest id.
    pub(crate) last: Id,
    /// Last activity, in milliseconds since the epoch.
    pub(crate) activity: u64,
    /// When something in the room ends, by the monotonic clock; a lower bound.
    pub(crate) deadline: Option<u64>,
    /// The number of connections online.
    pub(crate) connections: usize,
}

/// A room found in the index.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) database: i32,
    pub(crate) name: Box<[u8]>,
    /// The key by which it was found, and its number.
    pub(crate) place: (u64, u64),
}
