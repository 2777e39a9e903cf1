//! Replies that several commands give.

use chat_protocol::id::Id;
use chat_room::{EventBuffer, IdText};

use crate::redis::Call;

/// Replies with events: an array of bulk strings.
pub(crate) fn reply_events(call: &Call<'_>, events: &EventBuffer) {
    call.reply_array(events.len());
    events.iter().for_each(|event| call.reply_bytes(event));
}

/// Replies with an id.
pub(crate) fn reply_id(call: &Call<'_>, id: Id) {
    call.reply_bytes(IdText::of(id).as_bytes());
}
