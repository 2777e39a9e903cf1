//! Written events, one after another in one buffer: the events of a command or of a page.

use chat_protocol::event_header::BEFORE_ID;

use crate::codec::event_fields::Numbers;

/// The bytes of events, one after another in one buffer.
#[derive(Clone, Debug, Default)]
pub struct EventBuffer {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    numbers: Numbers,
}

impl EventBuffer {
    /// An empty buffer with space for that many ordinary events.
    pub(crate) fn with_room(events: usize) -> EventBuffer {
        const ORDINARY: usize = 224;
        let most = events.min(256);
        EventBuffer {
            bytes: Vec::with_capacity(most * ORDINARY),
            ends: Vec::with_capacity(most),
            numbers: Numbers::default(),
        }
    }

    /// Every event's bytes, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let event = self.bytes.get(start..*end).unwrap_or_default();
            start = *end;
            event
        })
    }

    /// The id of the last event as the event has it; `None`: the last event is not durable.
    pub fn last_id(&self) -> Option<&[u8]> {
        let start = self.ends.len().checked_sub(2).and_then(|at| self.ends.get(at));
        let event = self.bytes.get(start.copied().unwrap_or(0)..)?;
        let id = event.strip_prefix(BEFORE_ID)?;
        id.get(..memchr::memchr(b'"', id)?)
    }

    /// The number of events.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Removes all events and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Removes the last event if the events take more than `most` bytes and it is not the only one.
    /// True: it was removed, the page is full.
    pub(crate) fn pop_beyond(&mut self, most: usize) -> bool {
        let is_too_much = self.bytes.len() > most && self.ends.len() > 1;
        if is_too_much {
            self.ends.pop();
            self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
            self.numbers = Numbers::default();
        }
        is_too_much
    }

    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// Like [`EventBuffer::push`] for a message, whose numbers usually follow those of the last
    /// one.
    pub(crate) fn push_message(&mut self, write: impl FnOnce(&mut Vec<u8>, &mut Numbers)) {
        write(&mut self.bytes, &mut self.numbers);
        self.ends.push(self.bytes.len());
    }

    /// The same for a writer that may write nothing.
    pub(crate) fn push_if(&mut self, write: impl FnOnce(&mut Vec<u8>, &mut Numbers) -> bool) {
        if write(&mut self.bytes, &mut self.numbers) {
            self.ends.push(self.bytes.len());
        }
    }

    /// Reverses a page that was collected newest first.
    pub(crate) fn reversed(self) -> EventBuffer {
        let mut turned = EventBuffer {
            bytes: Vec::with_capacity(self.bytes.len()),
            ends: Vec::with_capacity(self.ends.len()),
            numbers: Numbers::default(),
        };
        let spans: Vec<&[u8]> = self.iter().collect();
        spans.iter().rev().for_each(|event| turned.push(|out| out.extend_from_slice(event)));
        turned
    }
}
