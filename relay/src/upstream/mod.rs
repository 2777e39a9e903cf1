//! The Redis side of the relay: the connections to it, its health, commands and their replies.
//!
//! `commands` builds commands, `replies` and `outcome` read what comes back. `upstream` is what the
//! rest of the relay sees. It sends each command to the node that owns its room, as `routing`
//! decides. `nodes/` keeps a `link` to each: a pair of connections (`connection/`) that `dialling/`
//! has opened, tested by `check`, with `health` naming what is wrong. `topology/` finds out which
//! nodes there are. `subscriptions/` decides what is asked of which node for the hub's channels.
//! `inspection` lists everything that is wrong with a server, for `chat-relay check`, `description` how it
//! is, for `chat-relay doctor`. What arrives
//! without a request goes to the `listener`.

mod check;
pub(crate) mod commands;
mod connection;
mod description;
mod dialling;
mod health;
mod inspection;
mod link;
mod listener;
mod lone_server;
mod nodes;
mod outcome;
pub(crate) mod replies;
mod room_states;
mod routing;
mod subscriptions;
mod topology;
mod upstream;

pub(crate) use check::probe_room;
pub(crate) use commands::Command;
pub use connection::{Item, Push, ReplyReader, Unreadable};
pub(crate) use description::{Pairs, describe};
pub(crate) use dialling::greeting::{Greeting, Mode};
pub(crate) use health::{Problem, State};
pub(crate) use inspection::{Answer, Inspection, OperatorView, inspect};
pub(crate) use link::PROFILE_CHANNEL;
pub(crate) use listener::{Listener, NoSubscriptions};
pub(crate) use lone_server::LoneServer;
pub(crate) use nodes::overview::{NodeId, NodeReport, Overview};
pub(crate) use outcome::{CommandError, Reply, Unavailable, all_unavailable};
pub(crate) use topology::survey::{Coverage, survey};
pub(crate) use upstream::{Holding, Upstream};
