//! CHAT.HISTORY: a page of messages as they are now, oldest first.

use chat_protocol::id::Id;
use chat_protocol::limits::USER_NAME_MAX;

use crate::codec::event_buffer::EventBuffer;
use crate::codec::event_message;
use crate::command_error::CommandError;
use crate::decide::context::Context;
use crate::decide::page::PageSize;

/// Which page of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The newest messages.
    Newest,
    /// The newest before this id.
    Before(Id),
    /// The oldest after this id.
    After(Id),
    /// Half of them up to this id, half after it.
    Around(Id),
}

/// The answer.
#[derive(Clone, Debug)]
pub struct History {
    /// The id of the newest durable event that the page reflects.
    pub last: Id,
    /// Oldest first.
    pub events: EventBuffer,
    /// Whether there are more messages in the requested direction (around: in either).
    pub more: bool,
}

/// Answers CHAT.HISTORY for `reader`. Errors: those of reading. Complexity: O(log N) and the page.
pub fn answer(
    context: Context<'_, '_>,
    anchor: Anchor,
    size: impl Into<PageSize>,
    reader: Option<&str>,
) -> Result<History, CommandError> {
    let PageSize { count, bytes } = size.into();
    let room = context.readable(reader)?;
    let first = context.first_visible();
    let end = room.messages.last() + 1;
    let position = |before: &dyn Fn(Id) -> bool| room.messages.partition(before).max(first);
    let count = count as u64;
    // Messages before `middle` are the older half, those from it on the newer half.
    let (from, middle, to) = match anchor {
        Anchor::Newest => (end.saturating_sub(count).max(first), end, end),
        Anchor::Before(id) => {
            let to = position(&|other| other < id);
            (to.saturating_sub(count).max(first), to, to)
        }
        Anchor::After(id) => {
            let from = position(&|other| other <= id);
            (from, from, end.min(from + count))
        }
        Anchor::Around(id) => {
            // The message itself belongs to the first half.
            let middle = position(&|other| other <= id);
            let older = count.div_ceil(2).max(count.saturating_sub(end - middle));
            let from = middle.saturating_sub(older).max(first);
            (from, middle, end.min(from + count))
        }
    };

    // Written from the anchor outwards, so that a page that is cut by its bytes holds the messages
    // next to the anchor. If there are older and newer ones, the older ones take at most half of
    // the bytes.
    let name = context.name.as_str();
    let mut events = EventBuffer::with_room((to - from) as usize);
    let write = |out: &mut _, numbers: &mut _, m, message| {
        event_message::message(out, numbers, name, room, m, message, room.annotations.reactions(m));
    };
    let mut from_written = middle;
    if certainly_fits(context, from, to, bytes) {
        from_written = from;
    } else {
        let most = if middle == to { bytes } else { bytes / 2 };
        let mut older = EventBuffer::default();
        for m in (from..middle).rev() {
            let Some(message) = room.messages.get(m) else { break };
            older.push_message(|out, numbers| write(out, numbers, m, message));
            if older.pop_beyond(most) {
                break;
            }
        }
        events = older.reversed();
    }
    for (m, message) in (from_written..).zip(room.messages.range(from_written, to)) {
        events.push_message(|out, numbers| write(out, numbers, m, message));
        if events.pop_beyond(bytes) {
            break;
        }
    }
    let cut = (events.len() as u64) < to - from;
    let more = cut
        || match anchor {
            Anchor::Newest | Anchor::Before(_) => from > first,
            Anchor::After(_) => to < end,
            Anchor::Around(_) => from > first || to < end,
        };
    Ok(History { last: room.last, events, more })
}

/// Whether the events of messages `from..to` take fewer than `most` bytes even if every byte is
/// escaped.
fn certainly_fits(context: Context<'_, '_>, from: u64, to: u64, most: usize) -> bool {
    // An escaped byte takes at most six.
    let room = context.room;
    let names = context.name.as_str().len() + USER_NAME_MAX;
    let bodies: usize = room.messages.range(from, to).map(|message| message.body.len()).sum();
    let messages = (to - from) as usize;
    !room.annotations.any_reacted(from, to) && bodies * 6 + messages * (names * 6 + 256) < most
}
