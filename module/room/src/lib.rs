//! The pure core of redis-chat: what a room is and how it changes.
//!
//! ```text
//! command --decide(room, command, now)--> refusal | steps
//! step:   record --apply(room, record)--> room'      and the bytes to replicate
//!         event  ------------------------------------ the bytes to publish
//! ```
//!
//! *Decide* reads the room and the time and writes nothing: a command that is refused has changed
//! nothing. *Apply* is deterministic and cannot fail: the primary, its replicas and a restart run
//! the same records through the same code and hold equal rooms. *Events* are written once, in one
//! encoding, from the record or from the stored room alike.
//!
//! There is no Redis here, no clock, no randomness that shows, and no `unsafe`. Hash tables are
//! seeded per process against collision attacks; nothing that leaves a room depends on their order.
//!
//! To read it: [`names`], [`id`] and [`limits`] say what values are; [`room`] what a room holds
//! (messages and their bodies, what touched them, journal, users, members, sanctions, presence with
//! statuses and deadlines, nonces, settings, follows); [`decide`] the rules, one file per command;
//! `record` and `apply` the changes; `event`, and `encoding` with `decoding`, the two forms in which
//! a room leaves the core.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "a panic in a command handler would stop Redis"
    )
)]

mod apply;
mod arguments;
mod bytes;
mod codec;
mod collections;
mod command_error;
pub mod decide;
mod execute;
mod state;

#[cfg(test)]
mod tests;

pub use arguments::glob::Pattern;
pub use arguments::keyword::Keyword;
pub use arguments::{args, texts};
pub use bytes::id_text::IdText;
pub use bytes::varint::Malformed;
pub use codec::event::dropped;
pub use codec::event_buffer::EventBuffer;
pub use codec::event_ephemeral::Ephemeral;
pub use codec::record::Record;
pub use codec::snapshot_read::Loader;
pub use codec::snapshot_write::{Part, VERSION};
pub use collections::linear_hash::LinearHashTable;
pub use collections::relocator::Relocator;
pub use collections::work;
pub use command_error::CommandError;
pub use decide::context::{Context, Creation};
pub use decide::decision::{Decision, Step, Steps};
pub use decide::page;
pub use execute::{Outcome, Replication};
pub use state::creation_limit::CreationLimit;
pub use state::limits;
pub use state::room::{Downtime, Now, Room};
pub use state::users::members::Role;
