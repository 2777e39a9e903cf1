//! The pure core of redis-chat: what a room is and how it changes.
//!
//! ```text
//! command --decide(room, command, now)--> error | steps
//! step:   record --apply(room, record)--> room'     and bytes to replicate
//!         event  --------------------------------> bytes to publish
//! ```
//!
//! - `decide` reads the room and the time and changes nothing, so a command that fails has no effect.
//! - `apply` is deterministic and cannot fail: the primary, its replicas and a restart run the same
//!   records through the same code and hold equal rooms.
//! - An event is written once, in one encoding, either from the record or from the stored room.
//!
//! The core knows no Redis and no clock, and has no `unsafe` code. Its hash tables are seeded per process
//! against collision attacks, so nothing that leaves a room may depend on their order.
//!
//! # Layers
//!
//! From the lowest to the highest. A file imports only from its own layer or from a lower one, by the path
//! of the file that defines the item, and no files import each other in a circle. Unit tests may import
//! anything.
//!
//! 1. `command_error`: why a command fails
//! 2. `bytes`: integers, JSON and compact values as bytes
//! 3. `collections`: containers that never move more than a bounded part of themselves
//! 4. `arguments`: the arguments of a command, parsed
//! 5. `state`: a room and its parts
//! 6. `codec`: records, snapshots and events
//! 7. `decide`, `apply`: the rules, one file per command; the changes
//! 8. `execute`: runs a decision and collects what it leaves to replicate and to publish
//! 9. `lib`: what other crates use

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

pub use arguments::keyword::Keyword;
pub use arguments::{args, texts};
pub use bytes::id_text::IdText;
pub use bytes::varint::Malformed;
pub use codec::event::{dropped, moved};
pub use codec::event_buffer::EventBuffer;
pub use codec::event_ephemeral::Ephemeral;
pub use codec::record::Record;
pub use codec::snapshot_read::Loader;
pub use codec::snapshot_write::{Part, VERSION};
pub use collections::linear_hash::LinearHashTable;
pub use collections::relocator::Relocator;
pub use collections::work;
pub use command_error::CommandError;
pub use decide::context::{Context, Creation, Judging};
pub use decide::decision::{Decision, Step, Steps};
pub use decide::page;
pub use execute::{Outcome, Replication};
pub use state::creation_limit::CreationLimit;
pub use state::limits;
pub use state::room::{Downtime, Now, Room};
pub use state::users::members::Role;
