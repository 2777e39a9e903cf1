//! CHAT.READ and CHAT.UNREAD: how far a member has read, and what is left.

use chat_protocol::id::Id;

use crate::codec::event_ephemeral::Ephemeral;
use crate::codec::record::Record;
use crate::command_error::CommandError;
use crate::decide::context::Context;
use crate::decide::decision::Decision;
use crate::state::room::Room;
use crate::state::users::unread::Unread;

/// Decides CHAT.READ. A cursor only goes forward; an older id changes nothing. The reply is
/// [`standing`] afterwards.
///
/// Errors: `NOMSG` if the room does not know the id, `NOTMEMBER`, what reading is refused with.
pub fn read<'a>(
    context: Context<'_, 'a>,
    user: &'a str,
    id: Id,
    decision: &mut Decision<'a>,
) -> Result<(), CommandError> {
    let room = context.readable(Some(user))?;
    let entry = room.users.by_name(user);
    let membership = entry.and_then(|entry| entry.membership()).ok_or(CommandError::NotMember)?;
    if room.id_at(id.n) != Some(id) && room.messages.find(id).is_none() {
        return Err(CommandError::NoMessage);
    }
    if id.n > membership.read.n {
        decision.record(Record::Read { user, read: id });
        if room.member_count() as u64 <= context.limits.receipts_max {
            decision.event(Ephemeral::Read { user, read: id });
        }
    }
    Ok(())
}

/// How a member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadState {
    /// What is not read.
    pub unread: Unread,
    /// The read cursor.
    pub cursor: Id,
    /// The id of the room's newest durable event.
    pub last: Id,
}

/// Answers CHAT.UNREAD. Errors: `NOROOM`.
pub fn read_states(
    context: Context<'_, '_>,
    users: &[&str],
) -> Result<Vec<Option<ReadState>>, CommandError> {
    context.existing()?;
    Ok(users.iter().map(|user| read_state(context, user)).collect())
}

/// How one user stands; `None`: no member. Complexity: O(log N).
pub fn read_state(context: Context<'_, '_>, user: &str) -> Option<ReadState> {
    let room: &Room = context.room;
    let number = room.users.find(user)?;
    let unread = room.unread(number, context.first_visible())?;
    let cursor = room.users.get(number)?.membership()?.read;
    Some(ReadState { unread, cursor, last: room.last })
}
