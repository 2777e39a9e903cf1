//! CHAT.HISTORY: messages as they are now, oldest first.

use super::{Context, Events};
use crate::event;
use crate::id::Id;
use crate::limits::REPLY_BYTES_MAX;
use crate::refusal::Refusal;

/// Which page.
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
    /// The id of the room's newest durable event, of which this page knows.
    pub last: Id,
    /// Oldest first.
    pub events: Events,
    /// Whether there are more in the direction asked for (around: in either).
    pub more: bool,
}

/// Answers CHAT.HISTORY as `reader` may see it. Complexity: O(log N) and the page.
pub fn answer(
    context: Context<'_, '_>,
    anchor: Anchor,
    count: usize,
    reader: Option<&str>,
) -> Result<History, Refusal> {
    let room = context.readable(reader)?;
    let first = context.first_visible();
    let end = room.messages.last() + 1;
    let position = |before: &dyn Fn(Id) -> bool| room.messages.partition(before).max(first);
    let count = count as u64;
    // Older ones are those before `middle`, newer ones those from it on.
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

    // From the anchor outwards, so that a page cut by its bytes holds what was asked for; the older
    // ones leave half of the bytes to the newer ones, if there are both.
    let bytes_for_older = if middle == to { REPLY_BYTES_MAX } else { REPLY_BYTES_MAX / 2 };
    let mut older = Events::default();
    // Writes message `m` unless `most` bytes are there already.
    let add = |events: &mut Events, m: u64, most: usize| {
        if events.bytes() < most {
            events.push(|out| event::message_now(out, context.name.as_str(), room, m));
        }
    };
    (from..middle).rev().for_each(|m| add(&mut older, m, bytes_for_older));
    let mut events = older.reversed();
    (middle..to).for_each(|m| add(&mut events, m, REPLY_BYTES_MAX));
    let cut = (events.len() as u64) < to - from;
    let more = cut
        || match anchor {
            Anchor::Newest | Anchor::Before(_) => from > first,
            Anchor::After(_) => to < end,
            Anchor::Around(_) => from > first || to < end,
        };
    Ok(History { last: room.last, events, more })
}
