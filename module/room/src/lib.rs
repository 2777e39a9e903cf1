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

pub mod args;
pub mod decide;
pub mod glob;
pub mod id;
pub mod keyword;
pub mod limits;
pub mod members;
pub mod names;
pub mod refusal;
pub mod room;
pub mod settings;
pub mod varint;
pub mod work;

mod allocation;
mod apply;
mod blocks;
mod body;
mod chunked_deque;
mod connections_by_user;
mod creation_limit;
mod deadlines;
mod decoding;
mod effects;
mod encoding;
mod event;
mod follows;
mod journal;
mod json;
mod leftovers;
mod linear_hash;
mod messages;
mod nonces;
mod order;
mod paces;
mod pen;
mod presence;
mod reactors;
mod record;
mod relocate;
mod sanctions;
mod small;
mod statuses;
mod swar;
mod tallies;
mod tombstones;
mod touched;
mod unread;
mod users;

#[cfg(test)]
mod tests;

pub use creation_limit::CreationLimit;
pub use decoding::Loader;
pub use effects::{Copies, Effects};
pub use encoding::{Part, VERSION};
pub use event::{Ephemeral, dropped};
pub use id::Id;
pub use linear_hash::LinearHashTable;
pub use record::Record;
pub use refusal::Refusal;
pub use relocate::Mover;
pub use room::{Now, Room, Sleep};
