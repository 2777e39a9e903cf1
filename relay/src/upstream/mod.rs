//! The Redis side of the relay: the connections to it, its health, commands and their replies.

mod check;
pub(crate) mod commands;
mod health;
mod listener;
mod outcome;
mod path;
pub(crate) mod replies;
mod upstream;

pub(crate) use check::no_room;
pub(crate) use commands::Command;
pub(crate) use health::State;
pub(crate) use listener::Listener;
pub(crate) use outcome::{CommandError, Reply, Unavailable, all_unavailable};
pub(crate) use path::PROFILE_CHANNEL;
pub(crate) use upstream::Upstream;
