//! Rooms and connections of this relay, and the tasks that keep them up to date.

pub(crate) mod access;
mod beats;
mod dispatch;
mod event_queue;
mod flusher;
mod follow_cache;
mod hello;
mod hub;
pub(crate) mod presence;
pub(crate) mod profiles;
mod status_updates;
pub(crate) mod sync;
mod tasks;
mod upstream_status;

pub(crate) use hub::{Hub, now_ms};
pub(crate) use tasks::start;
