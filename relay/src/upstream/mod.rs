//! The Redis side of the relay: the connections to it, its health, commands and their replies.
//!
//! `commands` builds commands, `replies` and `outcome` read what comes back. `upstream` is what the
//! rest of the relay sees. It sends each command to the node that owns its room, as `routing`
//! decides. `nodes` knows who owns what (`node_map`, `slots`), by what clusters say of themselves
//! (`topology`, `cluster_view`), or by what Sentinels say (`sentinel`). Each `node` keeps a `link`
//! open: a pair of connections, tested by `check` and by a `probe`, with `health` naming what is
//! wrong. `wanted` carries what happens to the hub's channels to `subscriptions`, which decide what
//! is asked of which node. `dial` opens connections, over `tls` if wanted, and reads the
//! `greeting`; `renewal` replaces them when the password changes. `survey` finds servers and
//! `inspection` lists everything that is wrong with one, for `chat-relay check`. What arrives without
//! a request goes to the `listener`.

mod attempts;
mod check;
mod cluster_view;
pub(crate) mod commands;
mod connection;
mod dial;
mod following;
mod greeting;
mod health;
mod inspection;
mod link;
mod listener;
mod node;
mod node_map;
mod nodes;
mod outcome;
mod overview;
mod probe;
mod renewal;
pub(crate) mod replies;
mod routing;
mod sentinel;
mod slots;
mod stream;
mod subscriptions;
mod surroundings;
mod survey;
mod tls;
mod topology;
mod upstream;
mod wanted;

pub(crate) use check::probe_room;
pub(crate) use commands::Command;
pub use connection::{Item, Push, ReplyReader, Unreadable};
pub(crate) use greeting::{Greeting, Mode};
pub(crate) use health::{Problem, State};
pub(crate) use inspection::{Answer, Inspection, OperatorView, inspect};
pub(crate) use link::PROFILE_CHANNEL;
pub(crate) use listener::Listener;
pub(crate) use outcome::{CommandError, Reply, Unavailable, all_unavailable};
pub(crate) use overview::{NodeId, Overview};
pub(crate) use survey::{Coverage, survey};
pub(crate) use upstream::Upstream;
