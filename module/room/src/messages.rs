//! The messages of a room, by message number.
//!
//! A message is one small struct and one allocation, its *body*: everything that varies. Decide
//! writes the body, records carry it, apply stores it and events are written from it, so there is
//! one form of a message and nothing to convert.

use std::collections::VecDeque;

use crate::id::Id;
use crate::json;
use crate::limits::*;
use crate::names;
use crate::users::UserNumber;
use crate::varint::{self, Malformed, Reader};

const KIND: u8 = 0b0000_0011;
const KIND_TEXT: u8 = 0;
const KIND_ACTION: u8 = 1;
const KIND_SYSTEM: u8 = 2;
const KIND_WORD: u8 = 3;
const META: u8 = 0b0000_0100;
const REPLY: u8 = 0b0000_1000;
const MENTIONS: u8 = 0b0001_0000;
const NONCE: u8 = 0b0010_0000;

/// Kind of a user's message when none is given.
pub(crate) const TEXT: &str = "text";
/// Kind of a `/me` line.
pub(crate) const ACTION: &str = "action";
/// Kind of the backend's lines.
pub(crate) const SYSTEM: &str = "system";

/// What varies between messages, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Body<'a> {
    /// Milliseconds between the previous event of the room and this one.
    pub(crate) since_previous: u64,
    pub(crate) kind: &'a str,
    pub(crate) text: &'a str,
    pub(crate) meta: Option<&'a str>,
    pub(crate) reply: Option<Id>,
    pub(crate) mentions: Mentions<'a>,
    pub(crate) nonce: Option<&'a str>,
}

/// A list of user names in its written form: a count, then the names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mentions<'a>(&'a [u8]);

impl<'a> Mentions<'a> {
    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn names(self) -> impl Iterator<Item = &'a str> {
        let mut reader = Reader::new(self.0);
        let count = if self.0.is_empty() { 0 } else { reader.count().unwrap_or(0) };
        (0..count).map_while(move |_| reader.text(USER_NAME_MAX).ok())
    }

    /// Writes names so that [`Body::write`] can take them.
    pub(crate) fn write<'b>(names: &[&str], buffer: &'b mut Vec<u8>) -> Mentions<'b> {
        if !names.is_empty() {
            varint::put(buffer, names.len() as u64);
            names.iter().for_each(|name| varint::put_bytes(buffer, name.as_bytes()));
        }
        Mentions(buffer)
    }
}

impl<'a> Body<'a> {
    /// The body's bytes, in a vector without spare capacity.
    pub(crate) fn write(&self) -> Vec<u8> {
        let (kind, word) = match self.kind {
            TEXT => (KIND_TEXT, ""),
            ACTION => (KIND_ACTION, ""),
            SYSTEM => (KIND_SYSTEM, ""),
            other => (KIND_WORD, other),
        };
        let string = |text: &str| varint::size(text.len() as u64) + text.len();
        let mut flags = kind;
        let mut size = 1 + varint::size(self.since_previous) + self.text.len();
        if kind == KIND_WORD {
            size += string(word);
        }
        if let Some(meta) = self.meta {
            flags |= META;
            size += string(meta);
        }
        if let Some(reply) = self.reply {
            flags |= REPLY;
            size += varint::size(reply.ms) + varint::size(reply.n);
        }
        if !self.mentions.is_empty() {
            flags |= MENTIONS;
            size += varint::size(self.mentions.0.len() as u64) + self.mentions.0.len();
        }
        if let Some(nonce) = self.nonce {
            flags |= NONCE;
            size += string(nonce);
        }
        let mut out = Vec::with_capacity(size);
        out.push(flags);
        varint::put(&mut out, self.since_previous);
        if kind == KIND_WORD {
            varint::put_bytes(&mut out, word.as_bytes());
        }
        if let Some(meta) = self.meta {
            varint::put_bytes(&mut out, meta.as_bytes());
        }
        if let Some(reply) = self.reply {
            varint::put(&mut out, reply.ms);
            varint::put(&mut out, reply.n);
        }
        if !self.mentions.is_empty() {
            varint::put_bytes(&mut out, self.mentions.0);
        }
        if let Some(nonce) = self.nonce {
            varint::put_bytes(&mut out, nonce.as_bytes());
        }
        out.extend_from_slice(self.text.as_bytes());
        debug_assert_eq!(out.len(), size);
        out
    }

    /// Takes a body apart, checking its form; what its parts may be is [`Body::check`]'s.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let flags = reader.byte()?;
        if flags & !(KIND | META | REPLY | MENTIONS | NONCE) != 0 {
            return Err(Malformed("unknown message flag"));
        }
        let since_previous = reader.number()?;
        let kind = match flags & KIND {
            KIND_TEXT => TEXT,
            KIND_ACTION => ACTION,
            KIND_SYSTEM => SYSTEM,
            _ => reader.name(WORD_MAX)?,
        };
        let meta = if flags & META != 0 { Some(reader.text(OBJECT_MAX)?) } else { None };
        let reply = if flags & REPLY != 0 {
            Some(Id { ms: reader.number()?, n: reader.number()? })
        } else {
            None
        };
        let mentions = if flags & MENTIONS != 0 {
            let list = reader.bytes()?;
            let mut names = Reader::new(list);
            for _ in 0..names.count()? {
                names.name(USER_NAME_MAX)?;
            }
            if !names.is_empty() {
                return Err(Malformed("more after the mentions"));
            }
            Mentions(list)
        } else {
            Mentions::default()
        };
        let nonce = if flags & NONCE != 0 { Some(reader.name(NONCE_MAX)?) } else { None };
        let text = std::str::from_utf8(reader.rest()).map_err(|_| Malformed("text not UTF-8"))?;
        if text.len() as u64 > MAX_TEXT_MAX {
            return Err(Malformed("text too long"));
        }
        Ok(Body { since_previous, kind, text, meta, reply, mentions, nonce })
    }

    /// Whether the parts are what a command would have accepted, so that the event can be read.
    pub(crate) fn check(&self) -> Result<(), Malformed> {
        let fine = names::word(self.kind.as_bytes(), "kind").is_ok()
            && self.meta.is_none_or(json::is_object)
            && self.mentions.names().all(|name| names::user(name.as_bytes()).is_ok())
            && self.nonce.is_none_or(|nonce| names::nonce(nonce.as_bytes()).is_ok());
        if fine { Ok(()) } else { Err(Malformed("a message no command accepts")) }
    }
}

/// A stored message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: Id,
    pub(crate) author: UserNumber,
    pub(crate) body: Box<[u8]>,
}

/// The messages a room still has: numbers `first` to `last`, none missing.
#[derive(Clone, Debug)]
pub(crate) struct Messages {
    list: VecDeque<Message>,
    first: u64,
    body_bytes: usize,
}

impl Default for Messages {
    fn default() -> Self {
        Messages::starting_at(1)
    }
}

impl Messages {
    /// No messages yet; the next one has number `first`.
    pub(crate) fn starting_at(first: u64) -> Self {
        Messages { list: VecDeque::new(), first, body_bytes: 0 }
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
        self.list.push_back(message);
    }

    pub(crate) fn pop_oldest(&mut self) -> Option<Message> {
        let message = self.list.pop_front()?;
        self.body_bytes -= message.body.len();
        self.first += 1;
        Some(message)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Message> {
        self.list.iter()
    }

    /// The number of the first message for which `before` no longer holds; ids only grow.
    pub(crate) fn partition(&self, before: impl Fn(Id) -> bool) -> u64 {
        self.first + self.list.partition_point(|message| before(message.id)) as u64
    }

    /// The message with exactly this id.
    pub(crate) fn find(&self, id: Id) -> Option<&Message> {
        self.get(self.partition(|other| other < id)).filter(|message| message.id == id)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_comes_back_and_has_no_spare_capacity() {
        let mut buffer = Vec::new();
        let full = Body {
            since_previous: 1_795_225_205_879,
            kind: "poll",
            text: "hi ☕",
            meta: Some("{\"a\":1}"),
            reply: Some(Id { ms: 5, n: 3 }),
            mentions: Mentions::write(&["bob", "carol"], &mut buffer),
            nonce: Some("c0ffee"),
        };
        let plain = Body {
            since_previous: 0,
            kind: TEXT,
            text: "",
            meta: None,
            reply: None,
            mentions: Mentions::default(),
            nonce: None,
        };
        for body in [full, plain, Body { kind: ACTION, ..plain }, Body { kind: SYSTEM, ..full }] {
            let bytes = body.write();
            assert_eq!(bytes.len(), bytes.capacity());
            assert_eq!(Body::read(&bytes), Ok(body));
        }
        assert_eq!(full.mentions.names().collect::<Vec<_>>(), ["bob", "carol"]);
        assert_eq!(plain.mentions.names().count(), 0);
    }

    #[test]
    fn every_cut_and_every_flipped_bit_of_a_body_is_read_or_refused() {
        let mut buffer = Vec::new();
        let bytes = Body {
            since_previous: 300,
            kind: "poll",
            text: "text",
            meta: Some("{}"),
            reply: Some(Id { ms: 5, n: 3 }),
            mentions: Mentions::write(&["bob"], &mut buffer),
            nonce: Some("n"),
        }
        .write();
        for cut in 0..bytes.len() {
            let _ = Body::read(&bytes[..cut]);
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(body) = Body::read(&flipped) {
                assert!(body.mentions.names().count() <= flipped.len());
            }
        }
    }
}
