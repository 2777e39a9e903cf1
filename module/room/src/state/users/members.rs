//! Membership: the durable relation of a user and a room, and its roles and changes.
//!
//! `user_table.rs` stores a membership in the entry of its user; `user_list.rs` keeps the members
//! in the order of joining.

use chat_protocol::id::Id;

use crate::command_error::CommandError;

/// The role of a member. A greater one has more rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads and writes.
    Member,
    /// Also adds members and moderates.
    Moderator,
    /// Also changes the settings and roles.
    Owner,
}

impl Role {
    /// All roles. The index is the stored number.
    pub const ALL: [Role; 3] = [Role::Member, Role::Moderator, Role::Owner];

    /// The role in commands, replies and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Moderator => "moderator",
            Role::Owner => "owner",
        }
    }

    /// Parses the word in any case. Errors: `INVALID role`.
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
    /// The place in the order of joining.
    pub(crate) place: u64,
    /// When the user joined, in milliseconds since the epoch.
    pub(crate) joined: u64,
    pub(crate) role: Role,
    /// The read cursor: everything up to this event has been read.
    pub(crate) read: Id,
    /// The member's own messages after the cursor.
    pub(crate) own: u32,
    /// Messages of others after the cursor that mention the member.
    pub(crate) mentions: u32,
}

/// What happened to a membership or a sanction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberAction {
    /// The user became a member.
    Join,
    /// The user is no longer a member.
    Leave,
    /// The role changed.
    Role,
    /// The user was removed.
    Kick,
    /// The user was removed and may not return.
    Ban,
    /// The ban was lifted.
    Unban,
    /// The user may read but not write.
    Mute,
    /// The mute was lifted.
    Unmute,
}

impl MemberAction {
    /// All actions. The index is the stored number.
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

    /// The action as the `kind` of a `member` event.
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

/// One change of a membership or a sanction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberChange<'a> {
    /// The user concerned.
    pub(crate) user: &'a str,
    /// The actor, if not the user.
    pub(crate) by: Option<&'a str>,
    pub(crate) action: MemberAction,
    /// The new role, if the action is about a role.
    pub(crate) role: Option<Role>,
    pub(crate) reason: Option<&'a str>,
    /// When a ban or mute expires, in milliseconds since the epoch; `None`: never.
    pub(crate) until: Option<u64>,
}

impl<'a> MemberChange<'a> {
    /// A change without reason and expiry.
    pub(crate) fn plain(
        user: &'a str,
        by: Option<&'a str>,
        action: MemberAction,
        role: Option<Role>,
    ) -> Self {
        MemberChange { user, by, action, role, reason: None, until: None }
    }
}
