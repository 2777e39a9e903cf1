//! The Redis side of the relay: the connections to it, its health, commands and their replies.
//!
//! `commands` builds commands, `replies` and `outcome` read what comes back. `upstream` keeps a
//! `link` open: a pair of connections, tested by `check` and by probes, with `health` naming what
//! is wrong. `inspection` lists everything that is wrong, for `chat-relay check`. What arrives without a request goes to the `listener`.

mod check;
pub(crate) mod commands;
mod dial;
mod greeting;
mod health;
mod inspection;
mod link;
mod listener;
mod outcome;
mod overview;
pub(crate) mod replies;
mod stream;
mod subscriptions;
mod tls;
mod upstream;

pub(crate) use check::probe_room;
pub(crate) use commands::Command;
pub(crate) use health::{Problem, State};
pub(crate) use inspection::{Answer, Inspection, OperatorView, inspect};
pub(crate) use link::PROFILE_CHANNEL;
pub(crate) use listener::Listener;
pub(crate) use outcome::{CommandError, Reply, Unavailable, all_unavailable};
pub(crate) use overview::{NodeId, Overview};
pub(crate) use upstream::Upstream;
