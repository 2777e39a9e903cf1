//! Rooms are keys: what Redis does to keys and databases it does to rooms, and what they take of memory.

mod databases;
mod defrag;
mod key_commands;
mod lazy;
mod memory_usage;
mod odd_names;
