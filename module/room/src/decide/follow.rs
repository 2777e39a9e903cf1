//! CHAT.FOLLOW, CHAT.UNFOLLOW and CHAT.FOLLOWS: the rooms that the user of a personal room follows.

use std::collections::BTreeSet;
use std::ops::Bound;

use chat_protocol::names::{Actor, RoomKind, RoomName};

use crate::codec::record::Record;
use crate::collections::work;
use crate::command_error::CommandError;
use crate::decide::context::{Context, Creation};
use crate::decide::decision::Decision;
use crate::decide::page::Page;

/// A followed room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follow<'a> {
    /// Its name.
    pub room: &'a str,
    /// When the user followed it, milliseconds since the epoch.
    pub since: u64,
}

/// Decides CHAT.FOLLOW. Reply: how many rooms were added. Errors: `INVALID room` if this is not a
/// personal room, `INVALID follows` beyond `chat.follows-max`.
pub fn follow<'a>(
    context: Context<'_, 'a>,
    rooms: Vec<RoomName<'a>>,
    decision: &mut Decision<'a>,
) -> Result<u64, CommandError> {
    let user = owner(context)?;
    let follows = &context.room.follows;
    let new: BTreeSet<&str> =
        rooms.iter().map(RoomName::as_str).filter(|room| !follows.contains(room)).collect();
    if (follows.len() + new.len()) as u64 > context.limits.follows_max {
        return Err(CommandError::invalid("follows", "more rooms than chat.follows-max"));
    }
    let count = new.len() as u64;
    if count > 0 {
        context.create_room(Actor::User(user), Creation::Allowed, decision)?;
    }
    for room in new {
        decision.record(Record::Follow { room, since: context.now.ms });
    }
    Ok(count)
}

/// Decides CHAT.UNFOLLOW. Reply: how many rooms were removed.
pub fn unfollow<'a>(
    context: Context<'_, 'a>,
    rooms: Vec<RoomName<'a>>,
    decision: &mut Decision<'a>,
) -> Result<u64, CommandError> {
    owner(context)?;
    let follows = &context.room.follows;
    let known: BTreeSet<&str> =
        rooms.iter().map(RoomName::as_str).filter(|room| follows.contains(room)).collect();
    let count = known.len() as u64;
    known.into_iter().for_each(|room| decision.record(Record::Unfollow { room }));
    Ok(count)
}

/// Answers CHAT.FOLLOWS, ordered by room name. The cursor is the last room of the previous page.
pub fn answer<'a>(
    context: Context<'a, '_>,
    cursor: Option<&[u8]>,
    count: usize,
) -> Result<Page<Follow<'a>>, CommandError> {
    owner(context)?;
    let invalid = CommandError::invalid("cursor", "what the page before has answered");
    let after = cursor.map(|bytes| RoomName::stored(bytes).map_err(|_| invalid)).transpose()?;
    let start = after.map_or(Bound::Unbounded, |name| Bound::Excluded(name.as_str()));
    let mut rest = context.room.follows.from(start);
    let items: Vec<_> =
        rest.by_ref().take(count).map(|(room, since)| Follow { room, since }).collect();
    work::visit(items.len());
    let more = rest.next().is_some();
    let cursor = items.last().filter(|_| more).map(|follow| follow.room.to_owned());
    Ok(Page { cursor, items })
}

fn owner<'a>(context: Context<'_, 'a>) -> Result<&'a str, CommandError> {
    match context.name.kind {
        RoomKind::Personal(user) => Ok(user),
        _ => Err(CommandError::invalid("room", "a personal room: @user")),
    }
}
