//! Who is here now: connections with deadlines, counted per user.
//!
//! Presence is replicated and saved with the room, but it is not history: it is left out of the
//! append-only file, of snapshots in it and of the digest, and ends by itself when beats stop.

use std::hash::BuildHasher;

use hashbrown::hash_table::Entry as TableEntry;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::order::Order;
use crate::users::UserNumber;

/// The status of a user who never set one.
pub(crate) const ONLINE: &str = "online";

/// One socket, as its relay keeps it alive.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) name: Box<str>,
    pub(crate) user: UserNumber,
    /// Milliseconds since the epoch at which it is gone unless beaten again.
    pub(crate) deadline: u64,
}

/// What hangs on the entry of a user who is here.
#[derive(Clone, Debug)]
pub(crate) struct Online {
    /// Place in the order of coming.
    pub(crate) place: u64,
    /// When the first connection came, in milliseconds since the epoch.
    pub(crate) since: u64,
    pub(crate) connections: u32,
    /// `None`: `online`.
    pub(crate) status: Option<Box<str>>,
}

impl Online {
    pub(crate) fn status(&self) -> &str {
        self.status.as_deref().unwrap_or(ONLINE)
    }
}

/// The connections of a room and its users in the order of coming.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presence {
    connections: HashTable<Connection>,
    hasher: DefaultHashBuilder,
    /// Users in the order of coming.
    pub(crate) order: Order,
}

impl Presence {
    /// Users online.
    pub(crate) fn users(&self) -> usize {
        self.order.len()
    }

    /// Connections online.
    pub(crate) fn connections(&self) -> usize {
        self.connections.len()
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Connection> {
        self.connections.find(self.hasher.hash_one(name), |other| &*other.name == name)
    }

    pub(crate) fn find_mut(&mut self, name: &str) -> Option<&mut Connection> {
        self.connections.find_mut(self.hasher.hash_one(name), |other| &*other.name == name)
    }

    /// Adds a connection. False, and nothing done, if the name is taken.
    pub(crate) fn insert(&mut self, connection: Connection) -> bool {
        let hasher = &self.hasher;
        let hash = hasher.hash_one(&*connection.name);
        let same = |other: &Connection| other.name == connection.name;
        match self.connections.entry(hash, same, |other| hasher.hash_one(&*other.name)) {
            TableEntry::Occupied(_) => false,
            TableEntry::Vacant(place) => {
                place.insert(connection);
                true
            }
        }
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<Connection> {
        let hash = self.hasher.hash_one(name);
        let found = self.connections.find_entry(hash, |other| &*other.name == name).ok()?;
        Some(found.remove().0)
    }

    /// All connections, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.connections.iter()
    }

    /// The earliest deadline.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.connections.iter().map(|connection| connection.deadline).min()
    }
}
