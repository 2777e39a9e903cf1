//! The journal of a room: its durable events by event number, for readers that resume.
//!
//! An entry says what happened and where to find it; a message's entry is only its number. A
//! cursor is known if the journal holds exactly that id, or it is `base`, the one just before.
//! An entry never outlives the message it points to.

use std::collections::VecDeque;

use crate::id::Id;
use crate::members::{Deed, MemberChange, Role};

/// A durable event that is not a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) id: Id,
    pub(crate) prev: Id,
    pub(crate) change: Change,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Settings, as the JSON object of the event.
    Settings { by: Box<str>, data: Box<str> },
    /// Something happened to a membership.
    Member(MemberFact),
    /// A message has another text.
    Edit { about: About, user: Box<str>, content: Option<Content> },
    /// A message was deleted.
    Delete { about: About, user: Box<str>, reason: Option<Box<str>> },
    /// A reaction came or was taken back.
    React { about: About, reaction: Option<Reacted>, removed: bool },
}

/// The message an event speaks of: its id and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) id: Id,
    pub(crate) m: u64,
}

/// What an edit put in place; gone once the message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) text: Box<str>,
    pub(crate) meta: Option<Box<str>>,
}

/// Who reacted how; gone once the message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reacted {
    pub(crate) user: Box<str>,
    pub(crate) emoji: Box<str>,
}

/// A [`MemberChange`] that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberFact {
    user: Box<str>,
    by: Option<Box<str>>,
    deed: Deed,
    role: Option<Role>,
    reason: Option<Box<str>>,
    until: Option<u64>,
}

impl MemberFact {
    pub(crate) fn change(&self) -> MemberChange<'_> {
        let MemberFact { user, by, deed, role, reason, until } = self;
        MemberChange {
            user,
            by: by.as_deref(),
            deed: *deed,
            role: *role,
            reason: reason.as_deref(),
            until: *until,
        }
    }
}

impl From<MemberChange<'_>> for MemberFact {
    fn from(change: MemberChange<'_>) -> Self {
        let MemberChange { user, by, deed, role, reason, until } = change;
        let (by, reason) = (by.map(Box::from), reason.map(Box::from));
        MemberFact { user: user.into(), by, deed, role, reason, until }
    }
}

impl Change {
    /// The message this repeats something of.
    pub(crate) fn touches(&self) -> Option<u64> {
        match self {
            Change::Edit { about, content: Some(_), .. }
            | Change::React { about, reaction: Some(_), .. } => Some(about.m),
            _ => None,
        }
    }

    /// Forgets what it repeats of a message that is gone.
    pub(crate) fn empty(&mut self) {
        match self {
            Change::Edit { content, .. } => *content = None,
            Change::React { reaction, .. } => *reaction = None,
            _ => {}
        }
    }
}

/// One event of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The message of this number.
    Message(u64),
    /// Anything else.
    Fact(Box<Fact>),
}

/// The events a reader can resume over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    /// The id just before the first entry.
    base: Id,
    entries: VecDeque<Entry>,
}

impl Journal {
    pub(crate) fn starting_after(base: Id) -> Self {
        Journal { base, entries: VecDeque::new() }
    }

    /// The id just before the first entry.
    pub(crate) fn base(&self) -> Id {
        self.base
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry of event number `n`.
    pub(crate) fn get(&self, n: u64) -> Option<&Entry> {
        let after_base = n.checked_sub(self.base.n)?.checked_sub(1)?;
        self.entries.get(usize::try_from(after_base).ok()?)
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    /// Forgets the oldest entry, whose id the caller knows.
    pub(crate) fn pop_oldest(&mut self, id: Id) -> Option<Entry> {
        let oldest = self.entries.pop_front()?;
        self.base = id;
        Some(oldest)
    }

    /// Event number `n`, if it is no message.
    pub(crate) fn fact_mut(&mut self, n: u64) -> Option<&mut Fact> {
        let at = usize::try_from(n.checked_sub(self.base.n)?.checked_sub(1)?).ok()?;
        match self.entries.get_mut(at)? {
            Entry::Fact(fact) => Some(fact),
            Entry::Message(_) => None,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }
}
