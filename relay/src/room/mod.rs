//! One room on this relay: its position, its subscribers, and what they receive.
//!
//! `room` holds the state, under one lock. The other files each add one concern: `delivery` sends
//! events to the subscribers in the order that `ordering` decides, `joining` attaches connections,
//! `access` names the events that put access in question and withholds events from the connections
//! concerned. No file here waits for Redis or writes to a socket: frames are queued, and the caller
//! flushes. Only `fetch` calls Redis, outside the lock.

mod access;
mod batch;
mod delivery;
mod dropped;
pub(crate) mod fetch;
mod joining;
mod logged_presence;
mod maintenance;
mod ordering;
mod recent_events;
mod resync;
mod room;
pub(crate) mod subscribers;
mod subscription;

#[cfg(test)]
mod tests;

pub(crate) use access::pauses::{AccessCheck, CaughtUp, LaggingConnection, Owner};
pub(crate) use delivery::Arrived;
pub(crate) use joining::{Attached, Joiner};
pub(crate) use room::{Next, Room};
