//! The rules: what a command does to a room, one file per command.
//!
//! A rule reads the room, the time and the limits, and answers with a refusal or the reply. What is
//! to be done it adds to the [`Decision`] it is handed; after a refusal nothing of that counts. It
//! changes nothing itself. What several rules ask is asked here.

pub(crate) mod context;
pub(crate) mod decision;
pub mod edit;
pub mod expire;
pub mod follow;
pub mod history;
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
