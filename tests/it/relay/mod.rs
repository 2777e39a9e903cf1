//! The socket: every operation, every close code, every setting, and clients that misbehave.

// Blocks, in the personal room and in the direct room.
mod blocking;
// Edits, deletions and reactions while clients join and leave.
mod changes;
// Two users on two relays.
mod chat;
// The close code for every reason on the side of the relay.
pub(crate) mod closes;
// Direct rooms, notices in the personal room, blocking.
mod direct;
// SIGTERM: sockets are closed with a hint to reconnect.
mod drain;
// Readers drop what an erased user left.
mod erasure;
// One socket that sends without end.
mod floods;
// Broken frames and wrong JSON: an error reply or the documented close code.
pub(crate) mod hostile;
// Connections that never become WebSockets are bounded in number and time.
mod http;
// A user's rooms, latest first, with unread counts.
mod inbox;
// What is counted and measured.
mod metrics;
// Every operation and its reply.
mod ops;
// Changes of name, avatar and status reach all who share a room, once.
mod profiles;
// Replies are bounded in size.
mod replies;
// Reconnecting with a cursor: recovered exactly, or a reload.
mod resume;
// Flags, environment variables, and messages about mistakes.
mod settings;
// Trace ids in the log.
mod traces;
// Typing and other signals: rate limited, and never sent back to the sender.
mod typing;
