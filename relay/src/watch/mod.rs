//! Watching patterns of rooms: one follower for all connections of the relay that watch any.
//!
//! A connection that watches gets the durable events of every ordinary room whose name matches one
//! of its patterns. They come from the rooms' histories (`CHAT.CHANGES`, `CHAT.SYNC`), not from
//! their channels: the relay subscribes to no room for it. The follower runs while anybody watches.
//!
//! `watches` knows who watches what, `follower` reads, `walk` notes where each room is when somebody
//! begins to watch, `service` starts the follower.

mod follower;
mod service;
mod walk;
mod watches;

pub(crate) use service::begin;
pub(crate) use watches::{Refused, Watches};
