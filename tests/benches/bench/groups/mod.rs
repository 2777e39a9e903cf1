//! One file per group of the table.

// From clients of one relay to clients of another.
pub(crate) mod cross;
// Direct messages and mentions against messages to a room.
pub(crate) mod direct;
// One event to many sockets.
pub(crate) mod fanout;
// Events to a stream.
pub(crate) mod forward;
// CHAT.SEND as rooms, messages and members grow.
pub(crate) mod growth;
// Connections that do nothing.
pub(crate) mod idle;
// Bytes per message, user, room.
pub(crate) mod memory;
// How long the page works.
pub(crate) mod page;
// Saving, loading, rewriting.
pub(crate) mod persistence;
// Presence against a sorted set.
pub(crate) mod presence;
// CHAT.SEND against XADD.
pub(crate) mod send;
// Rooms of ten and of two against a bare loop.
pub(crate) mod small;
// All clients reconnect at once.
pub(crate) mod storm;
// CHAT.SYNC and CHAT.HISTORY against ranges of a stream.
pub(crate) mod sync;
// This version beside an older one.
pub(crate) mod versions;
