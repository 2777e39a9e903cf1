//! One room on this relay: its position, its subscribers, and what they receive.

mod batch;
mod delivery;
pub(crate) mod fetch;
mod joining;
mod maintenance;
mod ordering;
mod pauses;
mod recent_events;
mod removal;
mod resync;
mod room;
pub(crate) mod subscribers;
mod subscription;

#[cfg(test)]
mod tests;

pub(crate) use joining::{Attached, Joiner};
pub(crate) use pauses::{AccessCheck, CaughtUp, LaggingConnection};
pub(crate) use room::{Next, Room};
