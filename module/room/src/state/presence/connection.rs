//! One connection of a room, as it is kept in memory.

use crate::bytes::compact::{ShortText, U48};
use crate::state::numbers::UserNumber;

/// A connection of a user, kept alive by its relay. It takes 48 bytes with its name, as there are
/// many.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) name: ShortText,
    pub(crate) user: UserNumber,
    /// Its index in the expiry heap.
    pub(crate) heap_index: u32,
    /// When it expires unless it is extended, by the monotonic clock.
    pub(super) deadline: U48,
    /// The time at which the expiry heap has it queued, not later than the deadline.
    pub(super) queued_at: U48,
    /// The number of its status among those of its user.
    pub(crate) status: u8,
}

const _: () = assert!(size_of::<Connection>() == 48);

impl Connection {
    /// When it expires unless it is extended, by the monotonic clock.
    pub(crate) fn deadline(&self) -> u64 {
        self.deadline.into()
    }

    /// The time at which the expiry heap has it queued, not later than the deadline.
    pub(crate) fn queued_at(&self) -> u64 {
        self.queued_at.into()
    }
}
