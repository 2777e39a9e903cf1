//! The journal of a room: its durable events by event number, for readers that resume.
//!
//! An entry says what happened and where to find it; a message's entry is only its number. A
//! cursor is known if the journal holds exactly that id, or it is `base`, the one just before.
//! An entry never outlives the message it points to.

use std::collections::VecDeque;

use crate::id::Id;
use crate::members::Role;

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
    /// Somebody joined, in a room that logs joins.
    Join { user: Box<str>, by: Option<Box<str>>, role: Role },
    /// Somebody left.
    Leave { user: Box<str>, by: Option<Box<str>> },
    /// Somebody has another role.
    Role { user: Box<str>, by: Option<Box<str>>, role: Role },
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
    pub(crate) fn pop_oldest(&mut self, id: Id) {
        if self.entries.pop_front().is_some() {
            self.base = id;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }
}
