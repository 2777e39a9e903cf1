//! The numbers by which the parts of a room refer to each other, and the bounds of numbers that
//! grow.

/// A user of this room, or [`UserNumber::BACKEND`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct UserNumber(pub(crate) u32);

impl UserNumber {
    /// The backend, which has no entry.
    pub(crate) const BACKEND: UserNumber = UserNumber(u32::MAX);
}

/// The place of a user in the list of users online, see
/// [`crate::state::presence::presence_table::Presence`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OnlineNumber(pub(crate) u32);

impl OnlineNumber {
    /// The user is offline. There are never as many users online.
    pub(crate) const ABSENT: OnlineNumber = OnlineNumber(u32::MAX);
}

/// No stored number reaches this: it is a millisecond in the year 6429, and no room has had as many
/// events, messages or members. A larger number is damage.
pub(crate) const END: u64 = 1 << 47;

/// The bound for RESTORE and for records of a primary or an append-only file: half of what the
/// loader accepts.
pub(crate) const PLAUSIBLE_END: u64 = END / 2;

/// From here on a room assigns no more numbers: half of that again. So every room that is accepted
/// can be stored and loaded for ever, and replicas accept every record of a primary.
pub(crate) const FULL: u64 = PLAUSIBLE_END / 2;
