//! Wrong, oversized and hostile input is refused with the exact error; every call does bounded
//! work; nothing stops the server.

// Every argument has a largest value: that one is accepted, one more is refused.
mod arguments;
// The table: the bounds and the refused calls of every command.
pub(crate) mod calls;
// Random calls and damaged payloads.
mod hostile_module;
// Patterns of room names, in Redis and through a relay.
mod patterns;
// Runs the largest calls and counts the elements that they visit.
mod work;
// Runs the table of refused calls; none changes or publishes anything.
pub(crate) mod wrong_calls;
