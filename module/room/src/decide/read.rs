//! CHAT.READ and CHAT.UNREAD: read cursors and unread counts.

use chat_protocol::id::Id;

use crate::codec::event_ephemeral::Ephemeral;
use crate::codec::record::Record;
use crate::command_error::CommandError;
use crate::decide::context::Context;
use crate::decide::decision::Decision;
use crate::state::room::Room;
use crate::state::users::unread::Unread;

/// Decides CHAT.READ. A cursor only moves forward; an older id changes nothing. The reply is
/// [`read_state`] afterwards.
///
/// Errors: `NOMSG` if the id is unknown to the room, `NOTMEMBER`, and the errors of reading.
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
    if id.n > room.import_run.moved(membership.read).n {
        decision.record(Record::Read { user, read: id });
        if room.member_count() as u64 <= context.limits.receipts_max {
            decision.event(Ephemeral::Read { user, read: id });
        }
    }
    Ok(())
}

/// The read state of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadState {
    /// The unread counts.
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

/// The read state of one user; `None`: not a member. Complexity: O(log N).
pub fn read_state(context: Context<'_, '_>, user: &str) -> Option<ReadState> {
    let room: &Room = context.room;
    let number = room.users.find(user)?;
    let unread = room.unread(number, context.first_visible())?;
    let cursor = room.import_run.moved(room.users.get(number)?.membership()?.read);
    Some(ReadState { unread, cursor, last: room.last })
}
