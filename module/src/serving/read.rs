//! Reading a room.

use chat_protocol::names::RoomName;
use chat_room::{CommandError, Context, Room};

use crate::error_reply::ErrorReply;
use crate::redis::Call;
use crate::stored_room::RoomKey;
use crate::{clock, config};

/// Answers from the room named by word 1. A missing room is blank.
pub(crate) fn read<'c, T>(
    call: &Call<'c>,
    answer: impl FnOnce(Context<'_, 'c>) -> Result<T, ErrorReply>,
) -> Result<T, ErrorReply> {
    let name = room_name(call)?;
    let key = RoomKey::open(call, 1)?;
    let limits = config::limits();
    let blank;
    let room = match key.value() {
        Some(stored) => &stored.room,
        None => {
            blank = Room::default();
            &blank
        }
    };
    answer(Context { room, name, now: clock::now(), limits: &limits })
}

/// The name of the room in word 1.
#[inline]
pub(crate) fn room_name<'c>(call: &Call<'c>) -> Result<RoomName<'c>, CommandError> {
    Ok(RoomName::parse(call.word(1).unwrap_or_default())?)
}
