//! What all commands share: the entry point, reading a room, changing it, replies.

mod change;
mod entry;
mod read;
mod reply;

pub(crate) use change::{After, change, change_at};
pub(crate) use entry::{entry, serve};
pub(crate) use read::{read, room_name};
pub(crate) use reply::{reply_events, reply_id};
