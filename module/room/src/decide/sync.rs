//! CHAT.SYNC: what a reader missed since its cursor, or the news that it must reload.
//!
//! A cursor is valid if and only if the room knows exactly that id: in its journal, or as the one
//! just before it. No epochs: an id that another history of the room gave out has another
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
    /// Whether the cursor is known and nothing after it is lost.
    pub recovered: bool,
    /// The id of the room's newest durable event; `0-0` if there is no room.
    pub last: Id,
    /// The events after the cursor, oldest first.
    pub events: EventBuffer,
    /// Whether there are more.
    pub more: bool,
}

/// Answers CHAT.SYNC as `reader` may see it. Complexity: O(1) and the page.
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
    // Between the facts are messages.
    let mut entries = room.journal.entries_from(cursor.n + 1).peekable();
    let first = room.messages.partition(|id| id.n <= cursor.n);
    let mut messages = (first..).zip(room.messages.range(first, u64::MAX));
    for n in cursor.n + 1..=end {
        match entries.next_if(|entry| entry.id.n == n) {
            Some(entry) => {
                // What is out of bounds is gone, also where it waits to be removed.
                let repeated = room.repeated(entry, first_visible);
                events.push(|out| event::entry(out, name, entry, repeated));
            }
            None => {
                let Some((m, message)) = messages.next() else { break };
                events.push_message(|out, numbers| {
                    // The events that follow bring its reactions.
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
