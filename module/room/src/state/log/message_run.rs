//! A run of neighbouring messages: their ids and authors, and all their bodies in one allocation.

use chat_protocol::id::Id;

use crate::bytes::allocation::allocated;
use crate::state::log::message_body::Body;
use crate::state::numbers::UserNumber;

/// Messages of one run.
pub(super) const RUN_MESSAGES: usize = 64;
/// Bytes of bodies after which a run takes no more messages, so that a run mostly fits into
/// [`RUN_CAPACITY`].
pub(super) const RUN_BYTES: usize = 28 * 1024;
/// The most bytes that are reserved for a run: a size class of the allocator.
pub(super) const RUN_CAPACITY: usize = 32 * 1024;

/// A stored message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'m> {
    pub(crate) id: Id,
    pub(crate) author: UserNumber,
    /// See [`Body`].
    pub(crate) body: &'m [u8],
}

impl Message<'_> {
    /// Bytes it takes in memory.
    pub(crate) fn bytes(self) -> usize {
        size_of::<Head>() + self.body.len()
    }

    /// Whether it is deleted: only the tombstone is left.
    pub(crate) fn is_deleted(self) -> bool {
        Body::is_deleted(self.body)
    }
}

/// What is kept of a message besides its body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) id: Id,
    pub(super) author: UserNumber,
    /// Where its body ends in the bytes of the run.
    pub(super) end: u32,
}

/// Neighbouring messages.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// The number of the first one.
    pub(super) first: u64,
    pub(super) heads: Vec<Head>,
    pub(super) bytes: Vec<u8>,
}

#[cfg(test)]
thread_local! {
    /// How many messages were read.
    pub(crate) static VISITED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl Run {
    pub(super) fn get(&self, at: usize) -> Option<Message<'_>> {
        #[cfg(test)]
        VISITED.set(VISITED.get() + 1);
        let head = self.heads.get(at)?;
        let body = self.bytes.get(self.start(at)..head.end as usize).unwrap_or_default();
        Some(Message { id: head.id, author: head.author, body })
    }

    pub(super) fn start(&self, at: usize) -> usize {
        let before = at.checked_sub(1).and_then(|before| self.heads.get(before));
        before.map_or(0, |head| head.end as usize)
    }

    /// Bytes it takes on the heap.
    pub(super) fn memory(&self) -> usize {
        allocated(self.heads.capacity() * size_of::<Head>()) + allocated(self.bytes.capacity())
    }

    pub(super) fn is_full(&self) -> bool {
        self.heads.len() >= RUN_MESSAGES || self.bytes.len() >= RUN_BYTES
    }

    /// Replaces a body; returns the length of the old one.
    pub(super) fn rewrite(&mut self, at: usize, body: &[u8]) -> usize {
        let Some(end) = self.heads.get(at).map(|head| head.end as usize) else { return 0 };
        let start = self.start(at);
        let (before, full) = (end - start, self.bytes.len());
        if full - before + body.len() > self.bytes.capacity() {
            // A new allocation of exactly this size. The old bytes are overwritten before they are
            // freed.
            let mut bytes = Vec::with_capacity(full - before + body.len());
            let (head, tail) = (self.bytes.get(..start), self.bytes.get(end..));
            let parts = [head.unwrap_or_default(), body, tail.unwrap_or_default()];
            parts.iter().for_each(|part| bytes.extend_from_slice(part));
            std::mem::replace(&mut self.bytes, bytes).fill(0);
        } else {
            self.bytes.splice(start..end, body.iter().copied());
        }
        for head in self.heads.iter_mut().skip(at) {
            head.end = (head.end as usize + body.len() - before) as u32;
        }
        // The bytes moved down; overwrite those that remain after the new end.
        let now = self.bytes.len();
        if now < full {
            self.bytes.resize(full, 0);
            self.bytes.truncate(now);
        }
        before
    }

    /// Frees unused capacity, if there is much.
    pub(super) fn shrink(&mut self) {
        if self.bytes.len() < self.bytes.capacity() / 4 * 3 {
            self.bytes.shrink_to_fit();
        }
    }

    /// Overwrites a removed body whose run stays.
    pub(super) fn erase(&mut self, at: usize) {
        let Some(end) = self.heads.get(at).map(|head| head.end as usize) else { return };
        let start = self.start(at);
        self.bytes.get_mut(start..end).unwrap_or_default().fill(0);
    }
}
