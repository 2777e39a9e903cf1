//! Rooms are keys: RENAME, COPY, MOVE, expiry, databases and memory reports treat a room as one
//! value.

// Rooms in several databases.
mod databases;
// Active defragmentation moves rooms while they are used.
mod defrag;
// Key commands act on whole rooms.
mod key_commands;
// Big rooms are freed in the background.
mod lazy;
// MEMORY USAGE equals the growth of used memory.
mod memory_usage;
// Rooms renamed to names under which no room can be created.
mod odd_names;
