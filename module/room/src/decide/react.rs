//! CHAT.REACT: adding and removing an emoji on a message.

use chat_protocol::limits::EMOJIS_MAX;
use chat_protocol::names::{Actor, RoomKind};

use crate::codec::record::Record;
use crate::command_error::CommandError;
use crate::decide::context::Context;
use crate::decide::decision::Decision;
use crate::decide::trim::{Added, trim};
use crate::state::numbers::UserNumber;

/// Whether a reaction is added or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// It is added.
    Add,
    /// It is removed.
    Remove,
}

/// Decides CHAT.REACT. Reply: whether anything changed. Errors: `NOMSG`, `INVALID emoji` beyond 20
/// different ones, and the errors of writing. In a direct room a muted user may still remove.
pub fn decide<'a>(
    context: Context<'_, 'a>,
    user: Actor<'a>,
    id: &'a [u8],
    emoji: &'a str,
    reaction: Reaction,
    decision: &mut Decision<'a>,
) -> Result<bool, CommandError> {
    let room = context.room;
    match context.check_may_change(user) {
        Err(CommandError::Muted(_))
            if reaction == Reaction::Remove
                && matches!(context.name.kind, RoomKind::Direct(..)) => {}
        other => other?,
    }
    let (message, m) = context.message(id)?;
    let number = match user {
        Actor::Backend => Some(UserNumber::BACKEND),
        Actor::User(user) => room.users.find(user),
    };
    let there = number.is_some_and(|number| room.annotations.has_reacted(m, number, emoji));
    let removed = reaction == Reaction::Remove;
    if there != removed {
        return Ok(false);
    }
    let known = room.annotations.reactions(m);
    if !removed && known.len() >= EMOJIS_MAX && known.iter().all(|other| *other.emoji != *emoji) {
        return Err(CommandError::invalid("emoji", "at most 20 different ones on a message"));
    }
    context.consume_rate(user, decision)?;
    let id = decision.next_id(context.now);
    decision.record(Record::React { id, user: user.as_str(), message, emoji, removed });
    trim(context, room.settings(), Added::default(), decision);
    Ok(true)
}
