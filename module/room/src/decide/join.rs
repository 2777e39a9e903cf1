//! CHAT.JOIN and CHAT.LEAVE: becoming a member, getting a role, leaving.

use chat_protocol::names::{Actor, RoomKind};

use crate::codec::record::Record;
use crate::command_error::CommandError;
use crate::decide::context::{Context, Creation};
use crate::decide::decision::Decision;
use crate::decide::trim::{Added, trim};
use crate::state::settings::kind::Access;
use crate::state::users::members::Role;

/// `CHAT.JOIN` with its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Join<'a> {
    /// The user who becomes a member.
    pub user: &'a str,
    /// ROLE; absent: `member`, or unchanged for a member.
    pub role: Option<Role>,
    /// BY; absent: the user.
    pub by: Option<Actor<'a>>,
    /// NOCREATE.
    pub creation: Creation,
}

/// Decides CHAT.JOIN. Reply: whether anything changed.
///
/// Users join open rooms themselves. Adding another user, or any user to a room with access
/// `members`, needs a moderator. Giving a role needs a role above it, and a user with an equal role
/// cannot be changed.
pub fn join<'a>(
    context: Context<'_, 'a>,
    join: Join<'a>,
    decision: &mut Decision<'a>,
) -> Result<bool, CommandError> {
    let Join { user, role, by, creation } = join;
    let actor = by.unwrap_or(Actor::User(user));
    context.check_admission(user)?;
    if let Actor::User(actor) = actor {
        context.check_admission(actor)?;
    }
    if !context.is_ordinary() && role.is_some_and(|role| role != Role::Member) {
        return Err(CommandError::invalid("role", "only ordinary rooms have roles"));
    }
    context.create_room(actor, creation, decision)?;
    // The roles after the room has been created.
    let made_by = |name: &str| context.room.is_blank() && actor == Actor::User(name);
    let role_of = |name: &str| match context.name.kind {
        RoomKind::Ordinary if made_by(name) => Some(Role::Owner),
        RoomKind::Direct(..) => Some(Role::Member),
        _ => context.room.role(name),
    };
    let made = !decision.steps.is_empty();

    let power = match actor {
        Actor::Backend => None,
        Actor::User(name) => Some((name == user, role_of(name))),
    };
    let by = by.map(|by| by.as_str()).filter(|by| *by != user);
    match (role_of(user), role) {
        (Some(_), None) => Ok(made),
        (Some(now), Some(wanted)) if now == wanted || made_by(user) => Ok(made),
        (Some(now), Some(wanted)) => {
            if let Some((_, own)) = power {
                let own = own.ok_or(CommandError::NotMember)?;
                if own <= now.max(Role::Member) || (own <= wanted && own != Role::Owner) {
                    return Err(CommandError::Denied("owner"));
                }
            }
            let id = decision.next_id(context.now);
            decision.record(Record::Role { id, user, role: wanted, by });
            trim(context, context.room.settings(), Added::default(), decision);
            Ok(true)
        }
        (None, wanted) => {
            let wanted = wanted.unwrap_or(Role::Member);
            may_add(context, power, wanted)?;
            context.add_member(user, wanted, by, decision)?;
            trim(context, context.room.settings(), Added::default(), decision);
            Ok(true)
        }
    }
}

/// Checks that an actor may add a member with this role. The actor is `None` for the backend, else
/// whether it is the added user itself, and its role.
fn may_add(
    context: Context<'_, '_>,
    power: Option<(bool, Option<Role>)>,
    wanted: Role,
) -> Result<(), CommandError> {
    let Some((oneself, own)) = power else { return Ok(()) };
    if oneself {
        let open = context.room.settings().access == Access::Open || !context.is_ordinary();
        return match wanted {
            Role::Member if open => Ok(()),
            Role::Member => Err(CommandError::Denied("moderator")),
            _ => Err(CommandError::Denied("owner")),
        };
    }
    match own {
        None => Err(CommandError::NotMember),
        Some(Role::Member) => Err(CommandError::Denied("moderator")),
        Some(Role::Moderator) if wanted > Role::Member => Err(CommandError::Denied("owner")),
        Some(_) => Ok(()),
    }
}

/// Decides CHAT.LEAVE. Reply: whether anything changed. Errors: `DENIED` in a direct room, as its
/// two members are permanent.
pub fn leave<'a>(
    context: Context<'_, 'a>,
    user: &'a str,
    decision: &mut Decision<'a>,
) -> Result<bool, CommandError> {
    context.check_name_access(user)?;
    if matches!(context.name.kind, RoomKind::Direct(..)) {
        return Err(CommandError::Denied("another room: the two of a direct room are its members"));
    }
    let is_member = context.room.role(user).is_some();
    if is_member {
        let id = decision.next_id(context.now);
        decision.record(Record::Leave { id, user, by: None });
        trim(context, context.room.settings(), Added::default(), decision);
    }
    Ok(is_member)
}
