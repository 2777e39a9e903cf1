//! Who may receive the room: events that change it, pauses until it is known, removals, and what guests
//! may see.

pub(in crate::room) mod access_change;
pub(in crate::room) mod guest_view;
pub(in crate::room) mod pauses;
pub(in crate::room) mod removal;
