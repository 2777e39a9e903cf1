//! Membership: the durable relation of a user and a room.
//!
//! A membership hangs on the user's entry; members are paged in the order of joining.

use crate::refusal::Refusal;

/// What a member may do. The order is the order of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads and writes.
    Member,
    /// Also adds members and keeps order.
    Moderator,
    /// Also changes what the room is.
    Owner,
}

impl Role {
    /// All roles, by number.
    pub const ALL: [Role; 3] = [Role::Member, Role::Moderator, Role::Owner];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Moderator => "moderator",
            Role::Owner => "owner",
        }
    }

    /// Reads the word, in any case. Errors: `INVALID role`.
    pub fn parse(bytes: &[u8]) -> Result<Role, Refusal> {
        let named = |role: &Role| role.as_str().as_bytes().eq_ignore_ascii_case(bytes);
        Role::ALL
            .into_iter()
            .find(named)
            .ok_or(Refusal::invalid("role", "owner, moderator, member"))
    }
}

/// One user's membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Membership {
    /// Place in the order of joining.
    pub(crate) place: u64,
    /// When, in milliseconds since the epoch.
    pub(crate) joined: u64,
    pub(crate) role: Role,
}
