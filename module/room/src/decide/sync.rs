//! CHAT.SYNC: the events after a cursor, or the reply that the reader must reload.
//!
//! A cursor is valid if and only if the room knows exactly that id: in its journal, or as the id
//! just before it. No epochs are needed: an id from another history of the room has another
//! millisecond.

use chat_protocol::id::Id;

use crate::codec::event_buffer::EventBuffer;
use crate::codec::{event, event_message};
use crate::command_error::CommandError;
use crate::decide::context::Context;
use crate::decide::page::PageSize;

/// The answer.
#[derive(Clone, Debug)]
pub struct Sync {
    /// Whether the cursor is valid, so that no event after it is missing.
    pub recovered: bool,
    /// The id of the room's newest durable event; `0-0` if there is no room.
    pub last: Id,
    /// The events after the cursor, oldest first.
    pub events: EventBuffer,
    /// Whether there are more events.
    pub more: bool,
}

/// Answers CHAT.SYNC for `reader`. Errors: those of reading, except `NOROOM`. Complexity: O(log N)
/// and the page.
pub fn answer(
    context: Context<'_, '_>,
    cursor: Id,
    size: impl Into<PageSize>,
    reader: Option<&str>,
) -> Result<Sync, CommandError> {
    let PageSize { count, bytes } = size.into();
    let room = match context.readable(reader) {
        Err(CommandError::NoRoom) => return Ok(lost(Id::ZERO)),
        other => other?,
    };
    let first_visible = context.first_visible();
    let expired = first_visible.checked_sub(1).and_then(|m| room.messages.get(m));
    let known_from = expired.map_or(0, |message| message.id.n).max(room.journal.base().n);
    if cursor.n < known_from || room.id_at(cursor.n) != Some(cursor) {
        return Ok(lost(room.last));
    }

    let end = room.last.n.min(cursor.n.saturating_add(count as u64));
    let mut events = EventBuffer::with_room((end - cursor.n) as usize);
    let name = context.name.as_str();
    // Events without a journal entry are messages.
    let mut entries = room.journal.entries_from(cursor.n + 1).peekable();
    let first = room.messages.partition(|id| id.n <= cursor.n);
    let mut messages = (first..).zip(room.messages.range(first, u64::MAX));
    for n in cursor.n + 1..=end {
        match entries.next_if(|entry| entry.id.n == n) {
            Some(entry) => {
                // Messages that are hidden from readers are not repeated, even if they are still
                // stored.
                let repeated = room.repeated(entry, first_visible);
                let ts = room.time_of(entry.id);
                events.push(|out| event::entry(out, name, entry, ts, repeated));
            }
            None => {
                let Some((m, message)) = messages.next() else { break };
                events.push_message(|out, numbers| {
                    // Without reactions: the events that follow bring them.
                    event_message::message(out, numbers, name, room, m, message, &[]);
                });
            }
        }
        if events.pop_beyond(bytes) {
            break;
        }
    }
    let more = cursor.n + (events.len() as u64) < room.last.n;
    Ok(Sync { recovered: true, last: room.last, events, more })
}

fn lost(last: Id) -> Sync {
    Sync { recovered: false, last, events: EventBuffer::default(), more: false }
}
