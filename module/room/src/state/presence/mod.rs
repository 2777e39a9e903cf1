//! Presence: the connections of a room, their expiry, and the users online with their statuses.

pub(crate) mod connection;
pub(crate) mod connections_by_user;
pub(crate) mod expiry_heap;
pub(crate) mod presence_table;
pub(crate) mod status_counts;
