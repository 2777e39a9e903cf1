//! The numbers by which the parts of a room refer to each other, and the bounds of numbers that grow.

/// A user of this room, or [`UserNumber::BACKEND`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct UserNumber(pub(crate) u32);

impl UserNumber {
    /// The backend, which has no entry.
    pub(crate) const BACKEND: UserNumber = UserNumber(u32::MAX);
}

/// The place of a user in the list of users online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OnlineNumber(pub(crate) u32);

impl OnlineNumber {
    /// The user is not here. So many are never here.
    pub(crate) const ABSENT: OnlineNumber = OnlineNumber(u32::MAX);
}

/// No clock of ours has shown this millisecond (the year 6429), and no room has had so many events,
/// messages or guests; what is larger is damage.
pub(crate) const END: u64 = 1 << 47;

/// What RESTORE, records of a primary and an append-only file may bring: half of what the loader
/// takes.
pub(crate) const PLAUSIBLE_END: u64 = END / 2;

/// From here on a room gives out no more numbers: half of that again. So whatever is accepted can be
/// loaded for ever, and what a primary writes is accepted by its replicas.
pub(crate) const FULL: u64 = PLAUSIBLE_END / 2;
