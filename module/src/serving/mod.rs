//! What all commands share: the entry point, reading a room, changing it, replies.

mod change;
pub(crate) mod entry_point;
mod read;
mod reply;

pub(crate) use change::{After, change, change_at};
pub(crate) use entry_point::entry;
pub(crate) use read::{read, room_name};
pub(crate) use reply::{reply_events, reply_id};
