//! Wrong, oversized and hostile input is refused with the exact error; every call does bounded
//! work; nothing stops the server.

// Every argument has a largest value: that one is accepted, one more is refused.
mod arguments;
// Random calls and damaged payloads.
mod hostile_module;
// Patterns of room names, in Redis and through a relay.
mod patterns;
// The table of refused calls: sends, reads, members, presence.
pub(crate) mod refusals;
// More rows of that table: edits, reactions, cursors, rights.
mod refusals_of_changes;
// The table of arguments: the bound of each, and the work of the largest call.
mod table;
// Runs the largest calls and counts the elements that they visit.
mod work;
// Runs the table of refused calls; none changes or publishes anything.
pub(crate) mod wrong_calls;
