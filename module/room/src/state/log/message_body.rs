//! The body of a message: kind, text and all optional fields, in one sequence of bytes.
//!
//! `decide` makes the body, records carry its bytes, `apply` stores them and events are written
//! from them. So a message has one form and is never converted.

use chat_protocol::id::Id;
use chat_protocol::limits::*;
use chat_protocol::names;

use crate::arguments::texts;
use crate::bytes::json;
use crate::bytes::varint::{self, Malformed, Reader};
use crate::state::limits::*;
use crate::state::numbers::END;

const KIND: u8 = 0b0000_0011;
const KIND_TEXT: u8 = 0;
const KIND_ACTION: u8 = 1;
const KIND_SYSTEM: u8 = 2;
const KIND_WORD: u8 = 3;
const META: u8 = 0b0000_0100;
const REPLY: u8 = 0b0000_1000;
const MENTIONS: u8 = 0b0001_0000;
const NONCE: u8 = 0b0010_0000;
const EDITED: u8 = 0b0100_0000;
const DELETED: u8 = 0b1000_0000;
/// Before the flags of an imported message, followed by its time. No flags are so: a tombstone has
/// no other part. Versions that do not know it refuse such a body.
const IMPORTED: u8 = 0b1111_1111;

/// The kind of a user's message when the command names none.
pub(crate) const TEXT: &str = "text";
/// The kind of a `/me` line.
pub(crate) const ACTION: &str = "action";
/// The kind of the backend's messages.
pub(crate) const SYSTEM: &str = "system";

/// The parts of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body<'a> {
    /// Milliseconds between the previous event of the room and this one.
    pub(crate) since_previous: u64,
    pub(crate) kind: &'a str,
    pub(crate) text: &'a str,
    pub(crate) meta: Option<&'a str>,
    pub(crate) reply: Option<Id>,
    pub(crate) mentions: Mentions<'a>,
    pub(crate) nonce: Option<&'a str>,
    /// When the text was last changed, milliseconds since the epoch.
    pub(crate) edited: Option<u64>,
    /// Set in a tombstone: the message is deleted and no other part is left.
    pub(crate) deleted: Option<Deleted<'a>>,
    /// When an imported message was sent, milliseconds since the epoch. A tombstone keeps it.
    pub(crate) imported: Option<u64>,
}

/// The parts of a body that has only a text and perhaps a nonce.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bare<'a> {
    pub(crate) since_previous: u64,
    pub(crate) nonce: Option<&'a [u8]>,
    pub(crate) text: &'a [u8],
}

/// What is left of a deleted message besides its id and its author.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deleted<'a> {
    /// Milliseconds since the epoch.
    pub(crate) ms: u64,
    /// Who did it, if not the author.
    pub(crate) by: Option<&'a str>,
    pub(crate) reason: Option<&'a str>,
}

/// A list of user names in its written form: a count, then the names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mentions<'a>(&'a [u8]);

impl<'a> Mentions<'a> {
    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn names(self) -> impl Iterator<Item = &'a str> {
        let mut reader = Reader::new(self.0);
        let count = if self.0.is_empty() { 0 } else { reader.count().unwrap_or(0) };
        (0..count).map_while(move |_| reader.text(USER_NAME_MAX).ok())
    }

    /// Writes the list to `buffer`.
    pub(crate) fn write(names: &[&str], buffer: &'a mut Vec<u8>) -> Mentions<'a> {
        if !names.is_empty() {
            varint::put(buffer, names.len() as u64);
            names.iter().for_each(|name| varint::put_bytes(buffer, name.as_bytes()));
        }
        Mentions(buffer)
    }
}

impl<'a> Body<'a> {
    /// The body of a deleted message.
    pub(crate) fn tombstone(since_previous: u64, deleted: Deleted<'a>) -> Body<'a> {
        Body { deleted: Some(deleted), ..Body::empty(since_previous) }
    }

    /// What is left of this body once it is deleted.
    pub(crate) fn without_content(self, deleted: Deleted<'a>) -> Body<'a> {
        Body { imported: self.imported, ..Body::tombstone(self.since_previous, deleted) }
    }

    /// A body with an empty text.
    fn empty(since_previous: u64) -> Body<'a> {
        Body {
            since_previous,
            kind: TEXT,
            text: "",
            meta: None,
            reply: None,
            mentions: Mentions::default(),
            nonce: None,
            edited: None,
            deleted: None,
            imported: None,
        }
    }

    /// The parts, if the body has only a text and perhaps a nonce. Most bodies are so.
    pub(crate) fn bare(&self) -> Option<Bare<'a>> {
        let Body {
            since_previous,
            kind,
            text,
            meta,
            reply,
            mentions,
            nonce,
            edited,
            deleted,
            imported,
        } = self;
        let bare = *kind == TEXT
            && meta.is_none()
            && reply.is_none()
            && mentions.is_empty()
            && edited.is_none()
            && deleted.is_none()
            && imported.is_none();
        let (nonce, text) = (nonce.map(str::as_bytes), text.as_bytes());
        bare.then_some(Bare { since_previous: *since_previous, nonce, text })
    }

    /// [`Body::bare`] of written bytes.
    pub(crate) fn read_bare(bytes: &'a [u8]) -> Option<Bare<'a>> {
        let mut reader = Reader::new(bytes);
        let flags = reader.byte().ok()?;
        if flags & !NONCE != KIND_TEXT {
            return None;
        }
        let since_previous = reader.number().ok()?;
        let nonce = if flags & NONCE != 0 { Some(reader.bytes().ok()?) } else { None };
        Some(Bare { since_previous, nonce, text: reader.rest() })
    }

    /// The users that a written body mentions.
    pub(crate) fn mentioned(bytes: &'a [u8]) -> Mentions<'a> {
        match bytes.first() {
            Some(flags) if flags & MENTIONS != 0 => {
                Body::read(bytes).map(|body| body.mentions).unwrap_or_default()
            }
            _ => Mentions::default(),
        }
    }

    /// Whether a written body is that of a deleted message.
    pub(crate) fn is_deleted(bytes: &[u8]) -> bool {
        match bytes.first() {
            Some(&IMPORTED) => Body::read(bytes).is_ok_and(|body| body.deleted.is_some()),
            flags => flags.is_some_and(|flags| flags & DELETED != 0),
        }
    }

    /// When a written body was sent, if it was imported.
    pub(crate) fn imported_at(bytes: &[u8]) -> Option<u64> {
        let mut reader = Reader::new(bytes.strip_prefix(&[IMPORTED])?);
        reader.number().ok()
    }

    /// The body's bytes.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_to(&mut out);
        out
    }

    /// Appends the body's bytes.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        let (kind, word) = match self.kind {
            TEXT => (KIND_TEXT, None),
            ACTION => (KIND_ACTION, None),
            SYSTEM => (KIND_SYSTEM, None),
            other => (KIND_WORD, Some(other)),
        };
        let flag = |there: bool, flag: u8| if there { flag } else { 0 };
        let flags = kind
            | flag(self.meta.is_some(), META)
            | flag(self.reply.is_some(), REPLY)
            | flag(!self.mentions.is_empty(), MENTIONS)
            | flag(self.nonce.is_some(), NONCE)
            | flag(self.edited.is_some(), EDITED)
            | flag(self.deleted.is_some(), DELETED);
        out.reserve(32 + self.text.len());
        if let Some(ms) = self.imported {
            out.push(IMPORTED);
            varint::put(out, ms);
        }
        out.push(flags);
        varint::put(out, self.since_previous);
        // Most bodies have only a text.
        if flags != KIND_TEXT {
            self.write_parts(out, word);
        }
        out.extend_from_slice(self.text.as_bytes());
    }

    /// Appends the parts between the flags and the text.
    fn write_parts(&self, out: &mut Vec<u8>, word: Option<&str>) {
        for text in [word, self.meta].into_iter().flatten() {
            varint::put_bytes(out, text.as_bytes());
        }
        if let Some(reply) = self.reply {
            varint::put(out, reply.ms);
            varint::put(out, reply.n);
        }
        if !self.mentions.is_empty() {
            varint::put_bytes(out, self.mentions.0);
        }
        if let Some(nonce) = self.nonce {
            varint::put_bytes(out, nonce.as_bytes());
        }
        if let Some(edited) = self.edited {
            varint::put(out, edited);
        }
        if let Some(Deleted { ms, by, reason }) = self.deleted {
            varint::put(out, ms);
            varint::put_option(out, by);
            varint::put_option(out, reason);
        }
    }

    /// Reads a body and checks its form. [`Body::check`] checks the values of its parts.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let mut flags = reader.byte()?;
        let imported = if flags == IMPORTED { Some(reader.number()?) } else { None };
        if imported.is_some() {
            flags = reader.byte()?;
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
        let edited = if flags & EDITED != 0 { Some(reader.number()?) } else { None };
        let deleted = if flags & DELETED != 0 {
            let ms = reader.number()?;
            let (by, reason) = (reader.option(USER_NAME_MAX)?, reader.option(REASON_MAX)?);
            Some(Deleted { ms, by, reason })
        } else {
            None
        };
        let text =
            simdutf8::basic::from_utf8(reader.rest()).map_err(|_| Malformed("text not UTF-8"))?;
        if text.len() as u64 > MAX_TEXT.max {
            return Err(Malformed("text too long"));
        }
        Ok(Body {
            since_previous,
            kind,
            text,
            meta,
            reply,
            mentions,
            nonce,
            edited,
            deleted,
            imported,
        })
    }

    /// Whether a command would have accepted the parts, so that clients can read the event.
    pub(crate) fn check(&self) -> Result<(), Malformed> {
        if self.imported.is_some_and(|ms| ms >= END) {
            return Err(Malformed("time beyond all clocks"));
        }
        if let Some(deleted) = self.deleted {
            let by = deleted.by.is_none_or(|by| names::Actor::stored(by.as_bytes()).is_ok());
            let bare = *self == self.without_content(deleted);
            let line = |text: &str| texts::line(text.as_bytes(), REASON_MAX, "reason").is_ok();
            let fine = by && bare && deleted.reason.is_none_or(line);
            return if fine { Ok(()) } else { Err(Malformed("a tombstone with a text")) };
        }
        let fine = names::word(self.kind.as_bytes(), "kind").is_ok()
            && self.meta.is_none_or(json::is_object)
            && self.mentions.names().all(|name| names::stored_user(name.as_bytes()).is_ok())
            && self.nonce.is_none_or(|nonce| names::nonce(nonce.as_bytes()).is_ok());
        if fine { Ok(()) } else { Err(Malformed("a message no command accepts")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that a living message may have.
    fn full(buffer: &mut Vec<u8>) -> Body<'_> {
        Body {
            since_previous: 1_795_225_205_879,
            kind: "poll",
            text: "hi ☕",
            meta: Some("{\"a\":1}"),
            reply: Some(Id { ms: 5, n: 3 }),
            mentions: Mentions::write(&["bob", "carol"], buffer),
            nonce: Some("c0ffee"),
            edited: Some(1_795_225_300_000),
            deleted: None,
            imported: None,
        }
    }

    #[test]
    fn a_body_comes_back() {
        let mut buffer = Vec::new();
        let full = full(&mut buffer);
        let plain = Body::empty(0);
        let deleted = Deleted { ms: 1, by: None, reason: Some("spam") };
        let tombstone = Body::tombstone(3, deleted);
        for body in
            [full, plain, tombstone, Body { kind: ACTION, ..plain }, Body { kind: SYSTEM, ..full }]
        {
            for imported in [None, Some(0), Some(1_595_225_205_879)] {
                let body = Body { imported, ..body };
                let bytes = body.write();
                assert_eq!(Body::read(&bytes), Ok(body));
                assert_eq!(Body::imported_at(&bytes), imported);
                assert_eq!(Body::is_deleted(&bytes), body.deleted.is_some());
                let bare = Body::read_bare(&bytes).is_some();
                assert_eq!(bare, body.bare().is_some(), "{body:?}");
            }
        }
        assert_eq!(full.mentions.names().collect::<Vec<_>>(), ["bob", "carol"]);
        assert_eq!(plain.mentions.names().count(), 0);
    }

    #[test]
    fn every_cut_and_every_flipped_bit_of_a_body_is_read_or_refused() {
        let mut buffer = Vec::new();
        let deleted = Some(Deleted { ms: 9, by: Some("mo"), reason: None });
        let imported = Some(1_595_225_205_879);
        let bytes = Body { deleted, imported, ..full(&mut buffer) }.write();
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
