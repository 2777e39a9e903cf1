//! The rules: what a command does to a room, one file per command.
//!
//! A rule reads the room, the time and the limits, and returns the reply or an error. It adds the
//! steps that carry the command out to a [`decision::Decision`]; after an error the caller discards
//! them. A rule changes nothing itself.

pub(crate) mod context;
pub(crate) mod decision;
pub mod edit;
pub mod erase;
pub mod expire;
pub mod follow;
pub mod history;
pub mod import;
pub mod join;
pub mod members;
pub mod moderate;
pub mod page;
pub mod presence;
mod presence_removal;
pub mod react;
pub mod read;
pub mod room;
pub mod sanctions;
pub mod send;
pub mod signal;
pub mod sync;
mod trim;
pub mod who;
