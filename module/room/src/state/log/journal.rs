//! The journal of a room: its durable events by event number, for readers that resume.
//!
//! Messages are events and are kept elsewhere; the journal holds the others, the facts, and from
//! where on all events are known. A cursor is known if it is the id of such an event, or `base`, the
//! one just before. An event never outlives the message it is or repeats: what an edit put in place is
//! kept in the message only, and a reaction is repeated as long as its message is there.

use chat_protocol::id::Id;

use crate::bytes::allocation::{allocated, of_option, of_text};
use crate::collections::chunked_deque::ChunkedDeque;
use crate::state::users::members::{MemberAction, MemberChange, Role};

/// A durable event that is not a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogEntry {
    pub(crate) id: Id,
    pub(crate) prev: Id,
    pub(crate) change: Change,
}

impl LogEntry {
    /// Bytes it takes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        let texts = match &self.change {
            Change::Settings { by, data } => of_text(by) + of_text(data),
            Change::Member(member) => member.bytes(),
            Change::Edit { user, .. } => of_text(user),
            Change::Delete { user, reason, .. } => of_text(user) + of_option(reason.as_deref()),
            Change::React { reaction: Some(ReactionDetail { user, emoji }), .. } => {
                of_text(user) + of_text(emoji)
            }
            Change::React { reaction: None, .. } => 0,
        };
        allocated(size_of::<LogEntry>()) + texts
    }

    /// Hands all its texts on to `each`.
    pub(crate) fn texts_mut(&mut self, each: &mut dyn FnMut(&mut Box<str>)) {
        let texts = match &mut self.change {
            Change::Settings { by, data } => [Some(by), Some(data), None],
            Change::Member(MemberEntry { user, by, reason, .. }) => {
                [Some(user), by.as_mut(), reason.as_mut()]
            }
            Change::Edit { user, .. } => [Some(user), None, None],
            Change::Delete { user, reason, .. } => [Some(user), reason.as_mut(), None],
            Change::React { reaction: Some(ReactionDetail { user, emoji }), .. } => {
                [Some(user), Some(emoji), None]
            }
            Change::React { reaction: None, .. } => [None, None, None],
        };
        texts.into_iter().flatten().for_each(each);
    }
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Settings, as the JSON object of the event.
    Settings { by: Box<str>, data: Box<str> },
    /// Something happened to a membership.
    Member(MemberEntry),
    /// A message has another text. The newest edit of a message repeats what the message holds; an
    /// earlier one repeats nothing.
    Edit { target: Target, user: Box<str> },
    /// A message was deleted.
    Delete { target: Target, user: Box<str>, reason: Option<Box<str>> },
    /// A reaction came or was taken back. `earlier`: the number of the reaction event before it
    /// that speaks of the same message; 0 if there was none.
    React { target: Target, reaction: Option<ReactionDetail>, removed: bool, earlier: u64 },
}

/// The message an event speaks of: its id and its number; number 0 if it was not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) id: Id,
    pub(crate) m: u64,
}

/// Who reacted how; gone once the message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReactionDetail {
    pub(crate) user: Box<str>,
    pub(crate) emoji: Box<str>,
}

/// A [`MemberChange`] that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberEntry {
    user: Box<str>,
    by: Option<Box<str>>,
    action: MemberAction,
    role: Option<Role>,
    reason: Option<Box<str>>,
    until: Option<u64>,
}

impl MemberEntry {
    fn bytes(&self) -> usize {
        of_text(&self.user) + of_option(self.by.as_deref()) + of_option(self.reason.as_deref())
    }

    pub(crate) fn change(&self) -> MemberChange<'_> {
        let MemberEntry { user, by, action, role, reason, until } = self;
        MemberChange {
            user,
            by: by.as_deref(),
            action: *action,
            role: *role,
            reason: reason.as_deref(),
            until: *until,
        }
    }
}

impl From<MemberChange<'_>> for MemberEntry {
    fn from(change: MemberChange<'_>) -> Self {
        let MemberChange { user, by, action, role, reason, until } = change;
        let (by, reason) = (by.map(Box::from), reason.map(Box::from));
        MemberEntry { user: user.into(), by, action, role, reason, until }
    }
}

impl Change {
    /// The number of the message this may repeat something of.
    pub(crate) fn annotates(&self) -> Option<u64> {
        match self {
            Change::Edit { target, .. } | Change::React { target, .. } => Some(target.m),
            _ => None,
        }
    }
}

/// The events a reader can resume over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    /// The id just before the first known event.
    base: Id,
    /// By event number; between them are messages.
    pub(crate) entries: ChunkedDeque<Box<LogEntry>>,
    /// Bytes of all facts.
    bytes: usize,
}

impl Journal {
    pub(crate) fn starting_after(base: Id) -> Self {
        Journal { base, entries: ChunkedDeque::default(), bytes: 0 }
    }

    /// The id just before the first known event.
    pub(crate) fn base(&self) -> Id {
        self.base
    }

    /// Event number `n`, if it is a fact.
    pub(crate) fn entry(&self, n: u64) -> Option<&LogEntry> {
        self.entries.get(self.position(n)).map(|entry| &**entry).filter(|entry| entry.id.n == n)
    }

    /// The facts from event number `n` on.
    pub(crate) fn entries_from(&self, n: u64) -> impl Iterator<Item = &LogEntry> {
        self.entries.iter_from(self.position(n)).map(|entry| &**entry)
    }

    /// How many facts there are.
    pub(crate) fn entry_count(&self) -> usize {
        self.entries.len()
    }

    /// The number of the fact that has so many older ones.
    pub(crate) fn entry_number(&self, older: usize) -> Option<u64> {
        self.entries.get(older).map(|entry| entry.id.n)
    }

    /// Bytes that all facts take in memory.
    #[inline]
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// Bytes it takes on the heap.
    pub(crate) fn memory(&self) -> usize {
        self.entries.memory() + self.bytes
    }

    pub(crate) fn push(&mut self, entry: LogEntry) {
        self.bytes += entry.bytes();
        self.entries.push_back(Box::new(entry));
    }

    /// Forgets the events up to `base`; answers the oldest fact among them, until there is none.
    pub(crate) fn forget(&mut self, base: Id) -> Option<Box<LogEntry>> {
        self.base = base;
        let entry = self.entries.front().filter(|entry| entry.id.n <= base.n)?;
        self.bytes -= entry.bytes();
        self.entries.pop_front()
    }

    /// Empties event number `n`, a reaction to a message that is gone; returns the number of the
    /// reaction event before it about the same message, 0 if there was none. `None`: the event is not
    /// in the journal any more.
    pub(crate) fn empty_reaction(&mut self, n: u64) -> Option<u64> {
        let at = self.position(n);
        let entry = self.entries.get_mut(at).filter(|entry| entry.id.n == n)?;
        let before = entry.bytes();
        let Change::React { reaction, earlier, .. } = &mut entry.change else { return None };
        *reaction = None;
        let earlier = *earlier;
        self.bytes = self.bytes + entry.bytes() - before;
        Some(earlier)
    }

    fn position(&self, n: u64) -> usize {
        self.entries.partition_point(|entry| entry.id.n < n)
    }
}
