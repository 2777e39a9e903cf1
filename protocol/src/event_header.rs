//! The beginning of every event: the members that place it, in a fixed order.
//!
//! An event is one JSON object on one line. The module writes its bytes once; they go unchanged to
//! the channel, to `CHAT.SYNC`, to `CHAT.HISTORY` and to the WebSocket.
//!
//! ```text
//! durable:    {"id":"<ms>-<n>","prev":"<ms>-<n>","room":"…","type":"…","ts":<ms>,…}
//! ephemeral:  {"last":"<ms>-<n>","room":"…","type":"…","ts":<ms>,…}
//! ```
//!
//! The module writes a header with the pieces below, its values between them. The relay reads it
//! with [`EventHeader::parse`]: just enough to route the event. The reader trusts nothing, builds
//! no tree, allocates nothing and skips members it does not know, so that a newer module can add
//! one.

use crate::id::{Id, parse_integer, split_integer};

/// The names of the header's members. `id` and `prev` are in durable events only, `last` in
/// ephemeral ones only.
pub mod member {
    /// The event's own id.
    pub const ID: &str = "id";
    /// The id of the durable event before it.
    pub const PREV: &str = "prev";
    /// The room's newest durable id when the event was published.
    pub const LAST: &str = "last";
    /// The room's name.
    pub const ROOM: &str = "room";
    /// The event's type.
    pub const TYPE: &str = "type";
    /// Milliseconds since the Unix epoch, by the clock of the server. The id of a durable event may
    /// be of a later millisecond.
    pub const TS: &str = "ts";
}

/// Every member that an event can have, in the order in which events have them; absent members are
/// left out. The first six are the header.
pub const MEMBERS: [&str; 31] = [
    member::ID,
    member::PREV,
    member::LAST,
    member::ROOM,
    member::TYPE,
    member::TS,
    "user",
    "by",
    "kind",
    "ref",
    "as",
    "text",
    "meta",
    "reply",
    "mentions",
    "emoji",
    "removed",
    "name",
    "data",
    "status",
    "users",
    "role",
    "reason",
    "until",
    "since",
    "edited",
    "reactions",
    "deleted",
    "nonce",
    "imported",
    "m",
];

/// Every `type` of an event that the module publishes. `tests/fixtures/events/` shows each of them.
pub const TYPES: [&str; 14] = [
    "message",
    "edit",
    "delete",
    "react",
    "erase",
    "room",
    "member",
    "presence",
    "occupancy",
    "signal",
    "notice",
    "read",
    "drop",
    MOVED,
];

/// The type of the event that a room's key moves to another node of the cluster. Relays follow it
/// and never hand it to clients.
pub const MOVED: &str = "moved";

/// The bytes before a durable event's id.
pub const BEFORE_ID: &[u8; 7] = b"{\"id\":\"";
/// The bytes between a durable event's id and its predecessor's.
pub const BEFORE_PREV: &[u8; 10] = b"\",\"prev\":\"";
/// The bytes before an ephemeral event's `last`.
pub const BEFORE_LAST: &[u8; 9] = b"{\"last\":\"";
/// The bytes between an id and the room's name.
pub const BEFORE_ROOM: &[u8; 10] = b"\",\"room\":\"";
/// The bytes between the room's name and the event's type.
pub const BEFORE_TYPE: &[u8; 10] = b"\",\"type\":\"";
/// The bytes between the event's type and its time.
pub const BEFORE_TS: &[u8; 7] = b"\",\"ts\":";

/// Bytes of the longest header without the room's name and the event's type: the pieces and five
/// integers.
pub const HEADER_BYTES_MAX: usize = BEFORE_ID.len()
    + BEFORE_PREV.len()
    + BEFORE_ROOM.len()
    + BEFORE_TYPE.len()
    + BEFORE_TS.len()
    + 2 * crate::id::ID_BYTES_MAX
    + crate::id::INTEGER_BYTES_MAX;

/// The place of an event in its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The room stores the event.
    Durable {
        /// The event's own id.
        id: Id,
        /// The id of the durable event before it.
        prev: Id,
    },
    /// The event is only published.
    Ephemeral {
        /// The room's newest durable id at that moment, if the event has it.
        last: Option<Id>,
    },
}

/// The header of an event, with the event's bytes.
#[derive(Clone, Copy, Debug)]
pub struct EventHeader<'a> {
    /// The event's place in its room.
    pub place: Place,
    /// The event's `type`.
    pub kind: &'a str,
    /// When it happened, milliseconds since the Unix epoch, if the event says so.
    pub ts: Option<u64>,
    bytes: &'a [u8],
}

impl<'a> EventHeader<'a> {
    /// Reads the header; `None`: the module does not write such an event.
    pub fn parse(bytes: &'a [u8]) -> Option<EventHeader<'a>> {
        EventHeader::parse_as_written(bytes).or_else(|| EventHeader::parse_any(bytes))
    }

    /// Reads the header that the pieces make. `None`: it may be another one.
    fn parse_as_written(bytes: &'a [u8]) -> Option<EventHeader<'a>> {
        let (place, rest) = if let Some(rest) = bytes.strip_prefix(BEFORE_ID) {
            let (id, rest) = Id::split_first(rest)?;
            let (prev, rest) = Id::split_first(rest.strip_prefix(BEFORE_PREV)?)?;
            (Place::Durable { id, prev }, rest)
        } else {
            let (last, rest) = Id::split_first(bytes.strip_prefix(BEFORE_LAST)?)?;
            (Place::Ephemeral { last: Some(last) }, rest)
        };
        let (_, rest) = split_plain(rest.strip_prefix(BEFORE_ROOM)?)?;
        let (kind, rest) = split_plain(rest.strip_prefix(BEFORE_TYPE)?)?;
        let (ts, rest) = split_integer(rest.strip_prefix(BEFORE_TS)?)?;
        let is_whole = matches!(rest.first(), Some(b',' | b'}'));
        let kind = std::str::from_utf8(kind).ok()?;
        is_whole.then_some(EventHeader { place, kind, ts: Some(ts), bytes })
    }

    /// Reads a header with members that this version does not know.
    fn parse_any(bytes: &'a [u8]) -> Option<EventHeader<'a>> {
        let (mut id, mut prev, mut last, mut kind) = (None, None, None, None);
        let mut members = Members::new(bytes);
        for (name, value) in members.by_ref() {
            match std::str::from_utf8(name) {
                Ok(member::ID) => id = Some(Id::parse(unescaped(value)?)?),
                Ok(member::PREV) => prev = Some(Id::parse(unescaped(value)?)?),
                Ok(member::LAST) => last = Some(Id::parse(unescaped(value)?)?),
                Ok(member::TYPE) => {
                    kind = Some(std::str::from_utf8(unescaped(value)?).ok()?);
                    break;
                }
                _ => {}
            }
        }
        let place = match (id, prev) {
            (Some(id), Some(prev)) => Place::Durable { id, prev },
            (None, None) => Place::Ephemeral { last },
            _ => return None,
        };
        let ts = members.next().filter(|(name, _)| *name == member::TS.as_bytes());
        let ts = ts.and_then(|(_, value)| parse_integer(value));
        Some(EventHeader { place, kind: kind?, ts, bytes })
    }

    /// The whole event, unchanged.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes of a member's value as the event has them; `None`: the event has no such member.
    pub fn raw(&self, name: &str) -> Option<&'a [u8]> {
        Members::new(self.bytes).find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value)
    }
}

/// The content of a JSON string without escapes; `None`: it has escapes, or is no string.
pub fn unescaped(value: &[u8]) -> Option<&[u8]> {
    let inside = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    (!inside.contains(&b'\\')).then_some(inside)
}

/// The content of a string up to its quote, and the rest from there. `None`: it has escapes or no
/// end.
fn split_plain(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    let (plain, rest) = bytes.split_at_checked(end)?;
    rest.starts_with(b"\"").then_some((plain, rest))
}

/// The members of a compact JSON object in their order, values unparsed. It ends at the first byte
/// that does not fit.
struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Members<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Members { rest: bytes.strip_prefix(b"{").unwrap_or_default() }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.strip_prefix(b",").unwrap_or(self.rest);
        let (name, rest) = rest.split_at_checked(string_end(rest)?)?;
        let rest = rest.strip_prefix(b":")?;
        let (value, rest) = rest.split_at_checked(value_end(rest)?)?;
        self.rest = rest;
        Some((name.get(1..name.len() - 1)?, value))
    }
}

/// Length of the string at the front, quotes included.
fn string_end(bytes: &[u8]) -> Option<usize> {
    if bytes.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Length of the value at the front.
fn value_end(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'"' => at += string_end(bytes.get(at..)?)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' if depth == 0 => return Some(at),
            b'}' | b']' => {
                depth -= 1;
                at += 1;
            }
            b',' if depth == 0 => return Some(at),
            _ => at += 1,
        }
        if depth == 0 && matches!(bytes.get(at), Some(b',' | b'}')) {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header as the module writes it.
    fn written(pieces: &[&[u8]]) -> Vec<u8> {
        [&pieces.concat()[..], b"}"].concat()
    }

    #[test]
    fn the_pieces_make_the_header_that_the_reader_reads() {
        let durable = written(&[
            BEFORE_ID,
            b"20-2",
            BEFORE_PREV,
            b"10-1",
            BEFORE_ROOM,
            b"a",
            BEFORE_TYPE,
            b"edit",
            BEFORE_TS,
            b"20",
        ]);
        let expected = br#"{"id":"20-2","prev":"10-1","room":"a","type":"edit","ts":20}"#;
        assert_eq!(durable, expected);
        let header = EventHeader::parse(&durable).expect("an event");
        let place = Place::Durable { id: Id { ms: 20, n: 2 }, prev: Id { ms: 10, n: 1 } };
        assert_eq!((header.place, header.kind, header.ts), (place, "edit", Some(20)));
        assert_eq!(header.bytes(), expected);

        let ephemeral = written(&[
            BEFORE_LAST,
            b"20-2",
            BEFORE_ROOM,
            b"a",
            BEFORE_TYPE,
            b"read",
            BEFORE_TS,
            b"21",
        ]);
        assert_eq!(ephemeral, br#"{"last":"20-2","room":"a","type":"read","ts":21}"#);
        let header = EventHeader::parse(&ephemeral).expect("an event");
        assert_eq!(header.place, Place::Ephemeral { last: Some(Id { ms: 20, n: 2 }) });
        for (line, names) in [(&durable[..], &[0, 1, 3, 4, 5][..]), (&ephemeral, &[2, 3, 4, 5])] {
            let read: Vec<&[u8]> = Members::new(line).map(|(name, _)| name).collect();
            let expected: Vec<&[u8]> = names.iter().map(|at| MEMBERS[*at].as_bytes()).collect();
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn a_header_as_written_is_read_as_any_other() {
        let rows = [
            r#"{"id":"20-2","prev":"10-1","room":"a","type":"edit","ts":20}"#,
            r#"{"id":"20-2","prev":"0-0","room":"é, {","type":"message","ts":0,"text":"x"}"#,
            r#"{"last":"20-2","room":"a","type":"read","ts":21,"user":"b"}"#,
            // Only the general way reads these.
            r#"{"last":"20-2","room":"a\"b","type":"read","ts":21}"#,
            r#"{"id":"20-2","new":1,"prev":"10-1","room":"a","type":"edit","ts":20}"#,
            r#"{"id":"20-2","prev":"10-1","room":"a","type":"edit"}"#,
            r#"{"id":"20-2","prev":"10-1","room":"a","type":"edit","ts":1.5}"#,
            r#"{"id":"020-2","prev":"10-1","room":"a","type":"edit","ts":1}"#,
            r#"{"id":"20-18446744073709551616","prev":"10-1","room":"a","type":"edit","ts":1}"#,
            r#"{"id":"20-2","prev":"10-1","room":"a","type":"edit","ts":01}"#,
            r#"{"id":"20-2","prev":"10-1","room":"a","type":"ed"#,
        ];
        for (row, text) in rows.iter().enumerate() {
            let read = |header: Option<EventHeader<'_>>| {
                header.map(|header| (header.place, header.kind.to_owned(), header.ts))
            };
            let (quick, any) = (
                read(EventHeader::parse_as_written(text.as_bytes())),
                read(EventHeader::parse_any(text.as_bytes())),
            );
            assert_eq!(quick.is_some(), row < 3, "{text}");
            assert!(quick.is_none() || quick == any, "{text}");
            assert_eq!(read(EventHeader::parse(text.as_bytes())), any, "{text}");
        }
    }

    #[test]
    fn other_members_are_read_where_they_stand() {
        let message = br#"{"id":"20-2","prev":"10-1","room":"a","type":"message","ts":20,"user":"al\"ice","kind":"text","text":"x","meta":{"id":"9-9","a":[1,{"b":"}"}]},"m":1}"#;
        let header = EventHeader::parse(message).expect("an event");
        assert_eq!(header.kind, "message");
        assert_eq!(header.raw("user"), Some(&br#""al\"ice""#[..]));
        assert_eq!(unescaped(br#""al\"ice""#), None);
        assert_eq!(header.raw("meta"), Some(&br#"{"id":"9-9","a":[1,{"b":"}"}]}"#[..]));
        assert_eq!(header.raw("m"), Some(&b"1"[..]));
        assert_eq!(header.raw("none"), None);
    }

    #[test]
    fn bytes_that_are_no_event_are_refused() {
        let rows: &[&str] = &[
            "",
            "{}",
            "[]",
            "hello",
            r#"{"id":"1-1","type":"message"}"#,
            r#"{"id":"x","prev":"0-0","type":"message"}"#,
            r#"{"last":"1-1","room":"a"}"#,
            r#"{"id":"1-1","#,
            r#"{"id"#,
            r#"{"type":"mess\"#,
        ];
        for row in rows {
            assert!(EventHeader::parse(row.as_bytes()).is_none(), "{row}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_stop_the_reader(bytes in proptest::collection::vec(
            proptest::sample::select(b"{}[]\",:\\id1-typelas".to_vec()), 0..64)) {
            if let Some(header) = EventHeader::parse(&bytes) {
                let _ = header.raw("user");
            }
        }
    }
}
