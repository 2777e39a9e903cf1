//! The messages of a room, by message number. A message is one small struct and its body.

use std::collections::VecDeque;

use crate::body::Body;
use crate::id::Id;
use crate::users::UserNumber;

/// A stored message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: Id,
    pub(crate) author: UserNumber,
    /// See [`Body`].
    pub(crate) body: Box<[u8]>,
}

impl Message {
    /// Whether it is a tombstone.
    pub(crate) fn is_deleted(&self) -> bool {
        Body::is_deleted(&self.body)
    }
}

/// The messages a room still has: numbers `first` to `last`, none missing.
#[derive(Clone, Debug)]
pub(crate) struct Messages {
    list: VecDeque<Message>,
    first: u64,
    body_bytes: usize,
    /// Numbers of the deleted ones, growing.
    tombstones: VecDeque<u64>,
}

impl Default for Messages {
    fn default() -> Self {
        Messages::starting_at(1)
    }
}

impl Messages {
    /// No messages yet; the next one has number `first`.
    pub(crate) fn starting_at(first: u64) -> Self {
        Messages { list: VecDeque::new(), first, body_bytes: 0, tombstones: VecDeque::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// The number of the oldest message kept, or of the next one.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The number of the newest message; `first - 1` if there is none.
    pub(crate) fn last(&self) -> u64 {
        self.first + self.list.len() as u64 - 1
    }

    pub(crate) fn get(&self, m: u64) -> Option<&Message> {
        self.list.get(usize::try_from(m.checked_sub(self.first)?).ok()?)
    }

    pub(crate) fn oldest(&self) -> Option<&Message> {
        self.list.front()
    }

    pub(crate) fn push(&mut self, message: Message) {
        self.body_bytes += message.body.len();
        if message.is_deleted() {
            self.tombstones.push_back(self.last() + 1);
        }
        self.list.push_back(message);
    }

    pub(crate) fn pop_oldest(&mut self) -> Option<Message> {
        let message = self.list.pop_front()?;
        self.body_bytes -= message.body.len();
        self.first += 1;
        while self.tombstones.front().is_some_and(|m| *m < self.first) {
            self.tombstones.pop_front();
        }
        Some(message)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Message> {
        self.list.iter()
    }

    /// The number of the first message for which `before` no longer holds; ids only grow.
    pub(crate) fn partition(&self, before: impl Fn(Id) -> bool) -> u64 {
        self.first + self.list.partition_point(|message| before(message.id)) as u64
    }

    /// The number of the message with exactly this id.
    pub(crate) fn find(&self, id: Id) -> Option<u64> {
        let m = self.partition(|other| other < id);
        self.get(m).filter(|message| message.id == id).map(|_| m)
    }

    /// Gives message `m` another body.
    pub(crate) fn rewrite(&mut self, m: u64, body: Box<[u8]>) {
        let at = m.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        let Some(message) = at.and_then(|at| self.list.get_mut(at)) else { return };
        self.body_bytes = self.body_bytes + body.len() - message.body.len();
        message.body = body;
        if message.is_deleted()
            && let Err(at) = self.tombstones.binary_search(&m)
        {
            self.tombstones.insert(at, m);
        }
    }

    /// How many messages from number `m` on are not deleted.
    pub(crate) fn alive_from(&self, m: u64) -> u64 {
        let m = m.max(self.first);
        let deleted = self.tombstones.len() - self.tombstones.partition_point(|other| *other < m);
        (self.last() + 1).saturating_sub(m).saturating_sub(deleted as u64)
    }

    /// Messages of numbers `from..to`.
    pub(crate) fn range(&self, from: u64, to: u64) -> impl Iterator<Item = &Message> {
        let index = |m: u64| usize::try_from(m.max(self.first) - self.first).unwrap_or(usize::MAX);
        let (from, to) = (index(from).min(self.list.len()), index(to).min(self.list.len()));
        self.list.range(from.min(to)..to)
    }

    /// Bytes of all bodies.
    pub(crate) fn body_bytes(&self) -> usize {
        self.body_bytes
    }

    /// Every body from message number `from` on, for moving allocations.
    pub(crate) fn bodies_mut(&mut self, from: u64) -> impl Iterator<Item = &mut Box<[u8]>> {
        let skip = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.list.iter_mut().skip(skip).map(|message| &mut message.body)
    }
}
