//! CHAT.MOD: kick, ban, mute, and their reverses; giving roles.
//!
//! Roles are ordered: owner, moderator, member, no member. An actor cannot act on a user with an
//! equal or a higher role; the backend is above all. In a personal room, a ban by its user blocks
//! another user, and a ban of its user by the backend suspends that user. In a direct room each of
//! the two may mute the other, which is how a block reaches the room where it is enforced.

use chat_protocol::limits::SANCTION_MAX;
use chat_protocol::names::{self, Actor, RoomKind};

use crate::arguments::keyword::Keyword;
use crate::codec::record::Record;
use crate::command_error::CommandError;
use crate::decide::context::{Context, Creation};
use crate::decide::decision::Decision;
use crate::decide::join::{self, Join};
use crate::decide::trim::{Added, trim, trim_logged_presence};
use crate::state::presence::connection::Connection;
use crate::state::sanctions::FOR_EVER;
use crate::state::users::members::{MemberAction, MemberChange, Role};

/// `CHAT.MOD room actor action user [role] [FOR ms] [REASON s]` with its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Moderate<'a> {
    /// The actor.
    pub actor: Actor<'a>,
    /// The action.
    pub action: Action,
    /// The user it concerns.
    pub user: &'a str,
    /// FOR: milliseconds; absent: for ever.
    pub duration: Option<u64>,
    /// REASON.
    pub reason: Option<&'a str>,
}

/// A moderation action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ends membership and presence.
    Kick,
    /// Kicks, and prevents joining and reading.
    Ban,
    /// Lifts a ban.
    Unban,
    /// Prevents writing.
    Mute,
    /// Lifts a mute.
    Unmute,
    /// Gives a role. A user who is no member is added, as by CHAT.JOIN … BY.
    Role(Role),
}

impl Action {
    /// Parses an action other than ROLE, in any case.
    pub fn parse(word: &[u8]) -> Option<Action> {
        match Keyword::of(word).as_slice() {
            b"KICK" => Some(Action::Kick),
            b"BAN" => Some(Action::Ban),
            b"UNBAN" => Some(Action::Unban),
            b"MUTE" => Some(Action::Mute),
            b"UNMUTE" => Some(Action::Unmute),
            _ => None,
        }
    }
}

/// Decides CHAT.MOD. Reply: whether anything changed.
///
/// Errors: `NOROOM`, `NOTMEMBER` (the actor), `BANNED`, `DENIED <role>`,
/// `INVALID action`, `INVALID user` in a direct room, `INVALID for`, `INVALID sanctions` beyond the
/// bans and mutes a room may hold.
pub fn decide<'a>(
    context: Context<'_, 'a>,
    moderate: Moderate<'a>,
    decision: &mut Decision<'a>,
) -> Result<bool, CommandError> {
    let Moderate { actor, action, user, duration, reason } = moderate;
    let room = context.room;
    // A known user may have a name that is no longer valid for new users, and must still be
    // moderated.
    if !is_known(context, user) {
        names::user(user.as_bytes())?;
    }
    if duration.is_some_and(|ms| !(1..=SANCTION_MAX).contains(&ms)) {
        return Err(CommandError::invalid("for", "1 to 315360000000 milliseconds"));
    }
    if let (Action::Role(role), None, RoomKind::Ordinary) =
        (action, room.role(user), context.name.kind)
    {
        let creation = Creation::Refused;
        let join = Join { user, role: Some(role), by: Some(actor), creation };
        return join::join(context, join, decision);
    }
    match context.name.kind {
        RoomKind::Direct(first, second) => {
            may_mute(context, [first, second], actor, action, user)?;
            context.existing()?;
        }
        RoomKind::Personal(owner) => {
            may_block(owner, actor, action, user)?;
            if let Actor::User(actor) = actor {
                context.check_admission(actor)?;
            }
            if room.is_blank() && action == Action::Unban {
                return Ok(false);
            }
            context.create_room(Actor::User(owner), Creation::Allowed, decision)?;
        }
        RoomKind::Ordinary => {
            context.existing()?;
            may_act(context, actor, action, user)?;
        }
    }
    let now = context.now.ms;
    let until = duration.map(|ms| now.saturating_add(ms));
    let online = room.presence_of(user);
    let held = Some(until.unwrap_or(FOR_EVER));
    let changes = match action {
        // Relays may have sockets of a user who is not online in the personal room.
        Action::Kick => room.role(user).is_some() || online.is_some() || !context.is_ordinary(),
        Action::Ban => room.sanctions.ban(user, now) != held,
        Action::Unban => room.sanctions.ban(user, now).is_some(),
        Action::Mute => room.sanctions.mute(user, now) != held,
        Action::Unmute => room.sanctions.mute(user, now).is_some(),
        Action::Role(role) => room.role(user).ok_or(CommandError::NotMember)? != role,
    };
    if !changes {
        return Ok(false);
    }
    if matches!(action, Action::Ban | Action::Mute)
        && !room.sanctions.contains(user)
        && room.sanctions.len() as u64 >= most_sanctions(context, actor, user)
        && !room.sanctions.can_prune(user, now)
    {
        return Err(CommandError::invalid(
            "sanctions",
            "too many bans and mutes (chat.sanctions-max)",
        ));
    }
    let (member_action, role) = match action {
        Action::Kick => (MemberAction::Kick, None),
        Action::Ban => (MemberAction::Ban, None),
        Action::Unban => (MemberAction::Unban, None),
        Action::Mute => (MemberAction::Mute, None),
        Action::Unmute => (MemberAction::Unmute, None),
        Action::Role(role) => (MemberAction::Role, Some(role)),
    };
    let by = Some(actor.as_str());
    let id = decision.next_id(context.now);
    let change = MemberChange { user, by, action: member_action, role, reason, until };
    decision.record(Record::Moderate { id, change });
    trim(context, room.settings(), Added::default(), decision);
    let ends = matches!(action, Action::Kick | Action::Ban);
    if let (true, Some(online)) = (ends, online) {
        let connections: Vec<&Connection> = room.presence.of(online).collect();
        if let Some(number) = room.users.find(user) {
            let users = room.online();
            let users = context.remove(number, &connections, "kicked", users, decision);
            context.publish_occupancy(users, decision);
            trim_logged_presence(context, decision);
        }
    }
    Ok(true)
}

/// The number of sanctions up to which `actor` may add one. The backend may add more than users, so
/// that users cannot use up its share; suspending a user in the personal room is never limited, nor
/// is muting one of the two in a direct room.
fn most_sanctions(context: Context<'_, '_>, actor: Actor<'_>, user: &str) -> u64 {
    match actor {
        _ if context.name.kind == RoomKind::Personal(user) => u64::MAX,
        _ if matches!(context.name.kind, RoomKind::Direct(..)) => u64::MAX,
        Actor::Backend => context.limits.members_max.max(context.limits.sanctions_max),
        Actor::User(_) => context.limits.sanctions_max,
    }
}

/// Whether the command needs memory for a user unknown to the room, so that it is refused when
/// memory is full. Restricting a known user does not count, nor does any restriction by the
/// backend.
pub fn grows(context: Context<'_, '_>, moderate: &Moderate<'_>) -> bool {
    let Moderate { actor, action, user, .. } = *moderate;
    match action {
        Action::Kick | Action::Unban | Action::Unmute => false,
        Action::Ban | Action::Mute if actor == Actor::Backend => false,
        Action::Ban | Action::Mute | Action::Role(_) => !is_known(context, user),
    }
}

/// Whether `user` is known to the room: as a member, online, as the author of stored content,
/// banned or muted.
fn is_known(context: Context<'_, '_>, user: &str) -> bool {
    context.room.users.find(user).is_some() || context.room.sanctions.contains(user)
}

/// Checks an action in a personal room: its user and the backend may block others; only the backend
/// may kick, suspend and unsuspend the user.
fn may_block(
    owner: &str,
    actor: Actor<'_>,
    action: Action,
    user: &str,
) -> Result<(), CommandError> {
    if actor != Actor::Backend && actor != Actor::User(owner) {
        return Err(CommandError::Denied("self"));
    }
    match action {
        Action::Ban | Action::Unban if user != owner => Ok(()),
        Action::Kick | Action::Ban | Action::Unban if user == owner => match actor {
            Actor::Backend => Ok(()),
            Actor::User(_) => Err(CommandError::Denied("backend")),
        },
        _ => Err(CommandError::invalid("action", "in a personal room BAN and UNBAN others")),
    }
}

/// Checks an action in a direct room: each of the two and the backend may mute and unmute the
/// other. Nobody unmutes themselves. The room is not created: a block that precedes the first
/// message is in the personal room.
fn may_mute(
    context: Context<'_, '_>,
    users: [&str; 2],
    actor: Actor<'_>,
    action: Action,
    user: &str,
) -> Result<(), CommandError> {
    if let Actor::User(actor) = actor {
        context.check_admission(actor)?;
    }
    if !matches!(action, Action::Mute | Action::Unmute) {
        return Err(CommandError::invalid("action", "in a direct room MUTE and UNMUTE"));
    }
    if !users.contains(&user) {
        return Err(CommandError::invalid("user", "one of the two of this room"));
    }
    match actor {
        Actor::User(actor) if actor == user => Err(CommandError::Denied("backend")),
        _ => Ok(()),
    }
}

/// Checks an action in an ordinary room by roles.
fn may_act(
    context: Context<'_, '_>,
    actor: Actor<'_>,
    action: Action,
    user: &str,
) -> Result<(), CommandError> {
    let Actor::User(actor) = actor else { return Ok(()) };
    context.check_admission(actor)?;
    let own = context.room.role(actor).ok_or(CommandError::NotMember)?;
    if own == Role::Member {
        return Err(CommandError::Denied("moderator"));
    }
    let above = |role: Role| if role == Role::Owner { "backend" } else { "owner" };
    match (context.room.role(user), action) {
        (Some(role), _) if role >= own => Err(CommandError::Denied(above(own))),
        (_, Action::Role(wanted)) if wanted >= own && own != Role::Owner => {
            Err(CommandError::Denied("owner"))
        }
        _ => Ok(()),
    }
}
