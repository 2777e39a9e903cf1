//! CHAT.HISTORY: messages as they are now, oldest first.

use super::{Context, Events};
use crate::event;
use crate::id::Id;
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
    let (from, to, newest_first) = match anchor {
        Anchor::Newest => (end.saturating_sub(count).max(first), end, true),
        Anchor::Before(id) => {
            let to = position(&|other| other < id);
            (to.saturating_sub(count).max(first), to, true)
        }
        Anchor::After(id) => {
            let from = position(&|other| other <= id);
            (from, end.min(from + count), false)
        }
        Anchor::Around(id) => {
            // The message itself belongs to the first half.
            let middle = position(&|other| other <= id);
            let older = count.div_ceil(2).max(count.saturating_sub(end - middle));
            let from = middle.saturating_sub(older).max(first);
            (from, end.min(from + count), false)
        }
    };

    let mut events = Events::default();
    let mut add = |m: u64| {
        if let Some(message) = room.messages.get(m).filter(|_| !events.is_full()) {
            let user = room.users.name(message.author);
            events.push(|out| event::message(out, context.name.as_str(), user, m, message));
        }
    };
    if newest_first {
        (from..to).rev().for_each(&mut add)
    } else {
        (from..to).for_each(&mut add)
    }
    let cut = (events.len() as u64) < to - from;
    let more = cut
        || match anchor {
            Anchor::Newest | Anchor::Before(_) => from > first,
            Anchor::After(_) => to < end,
            Anchor::Around(_) => from > first || to < end,
        };
    let events = if newest_first { events.reversed() } else { events };
    Ok(History { last: room.last, events, more })
}
