//! One connection of a room, as it is kept in memory.

use crate::bytes::compact::{ShortText, U48};
use crate::state::numbers::UserNumber;

/// One socket, as its relay keeps it alive. In 48 bytes with its name, as there are many.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) name: ShortText,
    pub(crate) user: UserNumber,
    /// Where it is among the deadlines.
    pub(crate) heap_index: u32,
    /// When it is gone unless beaten again.
    pub(super) deadline: U48,
    /// The time it is filed under, not later than the deadline.
    pub(super) queued_at: U48,
    /// Which of its user's [`StatusCounts`].
    pub(crate) status: u8,
}

const _: () = assert!(size_of::<Connection>() == 48);

impl Connection {
    /// When it is gone unless beaten again.
    pub(crate) fn deadline(&self) -> u64 {
        self.deadline.into()
    }

    /// The time it is filed under among the deadlines; not later than its own.
    pub(crate) fn queued_at(&self) -> u64 {
        self.queued_at.into()
    }
}
