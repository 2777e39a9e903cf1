//! Read cursors that move along with imported messages.
//!
//! A member who has no unread message has none after an import either. Moving every cursor with
//! every imported message would cost as much as the room has members, so the room keeps the run of
//! its newest imported messages, and a stored cursor inside the run stands for the end of the run.
//! The cursors themselves move when the next run begins, and in the stored form.

use chat_protocol::id::Id;

/// The newest messages, if they were imported one after another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ImportRun {
    /// The number of the newest event that a member must have read to have no message unread when
    /// the run began.
    pub(super) from: u64,
    /// The newest imported message; `0-0`: none.
    pub(super) to: Id,
}

impl ImportRun {
    /// The cursor that this stored one stands for.
    #[inline]
    pub(crate) fn moved(self, read: Id) -> Id {
        if self.holds(read.n) { self.to } else { read }
    }

    /// Whether event `n` is after the cursor that a stored one, at event `read`, stands for.
    #[inline]
    pub(crate) fn is_after(self, n: u64, read: u64) -> bool {
        read < n && !(n <= self.to.n && self.holds(read))
    }

    #[inline]
    fn holds(self, read: u64) -> bool {
        self.from <= read && read < self.to.n
    }
}
