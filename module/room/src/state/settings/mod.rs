//! The settings of a room.

pub(crate) mod kind;
pub(crate) mod table;
