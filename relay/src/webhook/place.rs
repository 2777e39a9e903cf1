//! Where a room is to be read on.

use chat_protocol::id::Id;

/// Where a room is to be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// After this event. It is what a stored position says.
    At(Id),
    /// The place before was not known to the room any more: its messages are read from the
    /// beginning, after `after` and up to `until`, from where its events continue.
    Anew {
        /// The last message that was read.
        after: Id,
        /// The newest id of the room when this began.
        until: Id,
    },
}
