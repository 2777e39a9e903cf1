//! The users of a room: their numbers and names, memberships and unread counts.

pub(crate) mod alias;
pub(crate) mod import_run;
pub(crate) mod members;
pub(crate) mod range_counts;
pub(crate) mod unread;
pub(crate) mod user_list;
pub(crate) mod user_table;
