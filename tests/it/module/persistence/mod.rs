//! What was acknowledged survives restarts and upgrades; what was deleted is in no file.

// Deleted and expired texts remain in no file, payload or reply.
mod deletion;
// An erased user is found in no key, file or reply.
mod erasure;
// Records that no primary of ours sends are skipped and counted.
mod foreign_records;
// After thousands of random commands all copies of the data are equal.
mod random_traffic;
// RDB and AOF restarts keep everything.
mod restart;
// A room is saved and loaded in pieces.
mod saving;
// From the installed server to the one under test.
mod upgrade;
