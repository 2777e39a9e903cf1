//! Membership: the durable relation of a user and a room.
//!
//! A membership hangs on the user's entry; members are paged in the order of joining.

use chat_protocol::id::Id;

use crate::command_error::CommandError;

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
    pub fn parse(bytes: &[u8]) -> Result<Role, CommandError> {
        let named = |role: &Role| role.as_str().as_bytes().eq_ignore_ascii_case(bytes);
        Role::ALL
            .into_iter()
            .find(named)
            .ok_or(CommandError::invalid("role", "owner, moderator, member"))
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
    /// The read cursor: everything up to this event has been read.
    pub(crate) read: Id,
    /// Messages of the member's own after the cursor.
    pub(crate) own: u32,
    /// Messages of others after the cursor that mention the member.
    pub(crate) mentions: u32,
}

/// What happens to a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberAction {
    /// Became a member.
    Join,
    /// Is one no more.
    Leave,
    /// Has another role.
    Role,
    /// Was put out.
    Kick,
    /// Was put out and may not come back.
    Ban,
    /// May come back.
    Unban,
    /// May read but not write.
    Mute,
    /// May write again.
    Unmute,
}

impl MemberAction {
    /// All of them, by number.
    pub(crate) const ALL: [MemberAction; 8] = [
        MemberAction::Join,
        MemberAction::Leave,
        MemberAction::Role,
        MemberAction::Kick,
        MemberAction::Ban,
        MemberAction::Unban,
        MemberAction::Mute,
        MemberAction::Unmute,
    ];

    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            MemberAction::Join => "join",
            MemberAction::Leave => "leave",
            MemberAction::Role => "role",
            MemberAction::Kick => "kick",
            MemberAction::Ban => "ban",
            MemberAction::Unban => "unban",
            MemberAction::Mute => "mute",
            MemberAction::Unmute => "unmute",
        }
    }
}

/// One change of a membership, with its circumstances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberChange<'a> {
    /// Whose.
    pub(crate) user: &'a str,
    /// Who did it, if not the user.
    pub(crate) by: Option<&'a str>,
    pub(crate) action: MemberAction,
    /// The role they have now, where the deed is about it.
    pub(crate) role: Option<Role>,
    pub(crate) reason: Option<&'a str>,
    /// When a ban or mute ends, milliseconds since the epoch; `None`: never.
    pub(crate) until: Option<u64>,
}

impl<'a> MemberChange<'a> {
    /// A change without further circumstances.
    pub(crate) fn plain(
        user: &'a str,
        by: Option<&'a str>,
        action: MemberAction,
        role: Option<Role>,
    ) -> Self {
        MemberChange { user, by, action, role, reason: None, until: None }
    }
}
