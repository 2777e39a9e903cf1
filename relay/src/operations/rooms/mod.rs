//! Rooms: the join protocol and the operations that run it, leaving, and a user's list of rooms.

pub(in crate::operations) mod follows;
pub(in crate::operations) mod inbox;
pub(in crate::operations) mod join;
pub(in crate::operations) mod leave;
pub(in crate::operations) mod resume;
pub(in crate::operations) mod subscribe;
