//! The journal of a room: its durable events by event number, for readers that resume.
//!
//! Messages are events too and are stored in `messages.rs`; the journal holds the entries of all
//! other events. It is complete from `base` on, the id just before the first known event. A cursor
//! is valid if it is the id of an event after `base`, or `base` itself. Nothing of a message
//! outlives it here: the text of an edit is stored in the message only, and a reaction is emptied
//! when its message is removed.

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
    pub(crate) fn is_presence(&self) -> bool {
        matches!(self.change, Change::Presence { .. })
    }

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
            Change::Presence { user, left } => {
                of_text(user) + left.as_ref().map_or(0, |left| of_text(&left.reason))
            }
            Change::Erase { user, .. } => of_text(user),
        };
        allocated(size_of::<LogEntry>()) + texts
    }

    /// Whether it names this user.
    pub(crate) fn names(&self, name: &str) -> bool {
        match &self.change {
            Change::Settings { by, .. } => **by == *name,
            Change::Member(MemberEntry { user, by, .. }) => {
                **user == *name || by.as_deref() == Some(name)
            }
            Change::Edit { user, .. }
            | Change::Delete { user, .. }
            | Change::Presence { user, .. }
            | Change::Erase { user, .. } => **user == *name,
            Change::React { reaction, .. } => {
                reaction.as_ref().is_some_and(|reaction| *reaction.user == *name)
            }
        }
    }

    /// Calls `each` with all its texts.
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
            Change::Presence { user, left } => {
                [Some(user), left.as_mut().map(|left| &mut left.reason), None]
            }
            Change::Erase { user, .. } => [Some(user), None, None],
        };
        texts.into_iter().flatten().for_each(each);
    }
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Settings, as the JSON object of the event.
    Settings { by: Box<str>, data: Box<str> },
    /// A membership or a sanction changed.
    Member(MemberEntry),
    /// A message got another text. The event of the newest edit repeats the text; those of earlier
    /// edits repeat nothing.
    Edit { target: Target, user: Box<str> },
    /// A message was deleted.
    Delete { target: Target, user: Box<str>, reason: Option<Box<str>> },
    /// A reaction was added or removed. `earlier`: the number of the previous reaction event on the
    /// same message; 0: none.
    React { target: Target, reaction: Option<ReactionDetail>, removed: bool, earlier: u64 },
    /// The user of a personal room came online; with `left`, went offline.
    Presence { user: Box<str>, left: Option<Left> },
    /// What a user wrote up to an event was erased; `alias` is what the user is called there now.
    /// The entry is removed with the journal when the erasure ends.
    Erase { user: Box<str>, alias: u64, up_to: Id },
}

/// How a user went offline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// When the user came online, milliseconds since the epoch.
    pub(crate) since: u64,
    pub(crate) reason: Box<str>,
}

/// The message an event refers to: its id and its number; number 0 if it was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) id: Id,
    pub(crate) m: u64,
}

/// Who reacted and with which emoji. Removed with the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReactionDetail {
    pub(crate) user: Box<str>,
    pub(crate) emoji: Box<str>,
}

/// A [`MemberChange`] in owned form.
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
    /// The number of the message that the event may repeat content of.
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
    /// By event number; the numbers between them are messages.
    pub(crate) entries: ChunkedDeque<Box<LogEntry>>,
    /// Bytes of all entries.
    bytes: usize,
    /// How many entries are of presence.
    presence_entries: usize,
}

impl Journal {
    pub(crate) fn starting_after(base: Id) -> Self {
        Journal { base, entries: ChunkedDeque::default(), bytes: 0, presence_entries: 0 }
    }

    /// The id just before the first known event.
    pub(crate) fn base(&self) -> Id {
        self.base
    }

    /// The entry of event number `n`; `None`: it is a message, or not known.
    pub(crate) fn entry(&self, n: u64) -> Option<&LogEntry> {
        self.entries.get(self.position(n)).map(|entry| &**entry).filter(|entry| entry.id.n == n)
    }

    /// The entries from event number `n` on.
    pub(crate) fn entries_from(&self, n: u64) -> impl Iterator<Item = &LogEntry> {
        self.entries.iter_from(self.position(n)).map(|entry| &**entry)
    }

    /// How many entries there are.
    pub(crate) fn entry_count(&self) -> usize {
        self.entries.len()
    }

    /// How many entries are of presence.
    #[inline]
    pub(crate) fn presence_entries(&self) -> usize {
        self.presence_entries
    }

    /// The event number of the entry that has `older` older ones.
    pub(crate) fn entry_number(&self, older: usize) -> Option<u64> {
        self.entries.get(older).map(|entry| entry.id.n)
    }

    /// Bytes that all entries take in memory.
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
        self.presence_entries += usize::from(entry.is_presence());
        self.entries.push_back(Box::new(entry));
    }

    /// Moves the start of the journal to `base` and removes the oldest entry up to there. Call it
    /// until it returns `None`.
    pub(crate) fn forget(&mut self, base: Id) -> Option<Box<LogEntry>> {
        self.base = base;
        let entry = self.entries.front().filter(|entry| entry.id.n <= base.n)?;
        self.bytes -= entry.bytes();
        self.presence_entries -= usize::from(entry.is_presence());
        self.entries.pop_front()
    }

    /// Removes user and emoji from event number `n`, a reaction to a message that is gone. Returns
    /// the number of the previous reaction event on the same message, 0: none. `None`: the event is
    /// no longer in the journal.
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
