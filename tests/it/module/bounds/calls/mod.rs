//! The table of all commands: the bound and the work of each argument, and the calls that each command refuses.
//!
//! `arguments.rs` sends the largest arguments, `work.rs` counts what they visit, `wrong_calls.rs`
//! sends the refused calls.

// The types of the table.
pub(crate) mod command;
// Sending and changing.
mod messages;
// Membership, presence, moderation.
mod people;
// Reading and read cursors.
mod reading;
// Lists of rooms, settings, profiles.
mod rooms;

use command::Command;

/// Every command.
pub(crate) const TABLE: &[Command] = &[
    messages::SEND,
    messages::SENT,
    messages::IMPORT,
    messages::EDIT,
    messages::DELETE,
    messages::ERASE,
    messages::REACT,
    reading::HISTORY,
    reading::SYNC,
    people::JOIN,
    people::LEAVE,
    people::MEMBERS,
    people::PRESENCE,
    people::BEAT,
    people::WHO,
    people::ONLINE,
    messages::SIGNAL,
    reading::READ,
    reading::UNREAD,
    rooms::FOLLOW,
    rooms::UNFOLLOW,
    rooms::FOLLOWS,
    rooms::ROOMS,
    rooms::CHANGES,
    rooms::ROOM,
    rooms::ROOM_RO,
    people::MOD,
    people::SANCTIONS,
    rooms::APPLY,
];
