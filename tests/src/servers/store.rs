//! What holds rooms: one server or a cluster.

use crate::clients::wire::Wire;

/// Where rooms are.
pub trait Store {
    /// A connection to the server that has this room.
    fn wire_to(&self, room: &str) -> Wire;
}
