//! One connection to a server: bytes to replies, replies to commands, and the task that does both.

// What is asked, until the task takes it.
mod asked;
// Connections that close together.
mod closing;
// The connection.
mod connection;
// What is asked and not answered.
mod in_flight;
// Who receives what comes unasked.
mod receiver;
// Bytes to replies and pushes.
mod reply_reader;
// The task that owns the stream.
mod task;

pub(super) use closing::Closing;
pub(super) use connection::{CALL_TIMEOUT, Connection};
pub(super) use in_flight::Purpose;
pub(super) use receiver::{Nothing, Receiver};
pub use reply_reader::{Item, Push, ReplyReader, Unreadable};

#[cfg(test)]
mod tests;
