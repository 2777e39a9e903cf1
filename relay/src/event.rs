//! Reading the head of an event: just enough to route it.
//!
//! An event's bytes go from the channel to every client unchanged. The relay looks at the few
//! members at the front that place it (`id`, `prev` or `last`, `type`) and, for the rare types it
//! acts on, at one or two more. It never builds a tree of an event and never writes one.

use std::borrow::Cow;
use std::fmt;

/// A position in a room: server clock in milliseconds and event number, compared as two integers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Milliseconds since the epoch by the server's clock.
    pub ms: u64,
    /// Number of the event in its room; 0 only in [`Id::ZERO`].
    pub n: u64,
}

impl Id {
    /// The position before the first event of a room.
    pub const ZERO: Id = Id { ms: 0, n: 0 };

    /// Parses `<ms>-<n>`: digits only, without leading zeros.
    pub fn parse(text: &[u8]) -> Option<Id> {
        let dash = text.iter().position(|&byte| byte == b'-')?;
        let (ms, n) = text.split_at(dash);
        Some(Id { ms: number(ms)?, n: number(n.get(1..)?)? })
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    let leading_zero = digits.len() > 1 && digits.first() == Some(&b'0');
    if digits.is_empty() || digits.len() > 20 || leading_zero {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, &digit| {
        if !digit.is_ascii_digit() {
            return None;
        }
        sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.n)
    }
}

/// Where an event stands in its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Stored: its id and that of its predecessor.
    Durable {
        /// The event's own id.
        id: Id,
        /// The id of the durable event before it.
        prev: Id,
    },
    /// Only published: the newest durable id when it was, if it says so.
    Ephemeral {
        /// The room's newest id at that moment.
        last: Option<Id>,
    },
}

/// The routed part of an event.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Where it stands.
    pub place: Place,
    /// Its `type`.
    pub kind: &'a str,
    bytes: &'a [u8],
}

impl<'a> Head<'a> {
    /// Reads the head; None: not an event of the module's making.
    pub fn parse(bytes: &'a [u8]) -> Option<Head<'a>> {
        let (mut id, mut prev, mut last, mut kind) = (None, None, None, None);
        for (name, value) in Members::new(bytes) {
            match name {
                b"id" => id = Some(Id::parse(plain(value)?)?),
                b"prev" => prev = Some(Id::parse(plain(value)?)?),
                b"last" => last = Some(Id::parse(plain(value)?)?),
                b"type" => {
                    kind = Some(std::str::from_utf8(plain(value)?).ok()?);
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
        Some(Head { place, kind: kind?, bytes })
    }

    /// The whole event, as it came.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// A member of type string, unescaped.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        let value = self.raw(name)?;
        match plain(value) {
            Some(text) => std::str::from_utf8(text).ok().map(Cow::Borrowed),
            None => serde_json::from_slice(value).ok().map(Cow::Owned),
        }
    }

    /// A member's bytes as they stand in the event.
    pub fn raw(&self, name: &str) -> Option<&'a [u8]> {
        Members::new(self.bytes).find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value)
    }
}

/// The inside of a JSON string that needs no unescaping.
fn plain(value: &[u8]) -> Option<&[u8]> {
    let inside = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    (!inside.contains(&b'\\')).then_some(inside)
}

/// The members of a compact JSON object in the order they stand, values unparsed. It ends at the
/// first byte that does not fit; it trusts nothing and allocates nothing.
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
        let name_end = string_end(rest)?;
        let (name, rest) = rest.split_at(name_end);
        let rest = rest.strip_prefix(b":")?;
        let value_end = value_end(rest)?;
        let (value, rest) = rest.split_at(value_end);
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

    #[test]
    fn ids_are_two_integers() {
        let id = |ms, n| Some(Id { ms, n });
        let rows: &[(&str, Option<Id>, &str)] = &[
            ("1795225205879-58", id(1_795_225_205_879, 58), "an id"),
            ("0-0", id(0, 0), "before the first event"),
            ("18446744073709551615-1", id(u64::MAX, 1), "the largest clock"),
            ("18446744073709551616-1", None, "too large"),
            ("1-", None, "no number"),
            ("-1", None, "no clock"),
            ("1", None, "no dash"),
            ("01-1", None, "a leading zero"),
            ("1-2-3", None, "two dashes"),
            ("1-2 ", None, "a space"),
        ];
        for (text, expected, why) in rows {
            assert_eq!(Id::parse(text.as_bytes()), *expected, "{why}: {text:?}");
        }
        assert!(Id { ms: 9, n: 100 } < Id { ms: 10, n: 1 }, "not compared as text");
    }

    #[test]
    fn heads_are_read_from_the_front() {
        let message = br#"{"id":"20-2","prev":"10-1","room":"a","type":"message","ts":20,"user":"al\"ice","kind":"text","text":"x","meta":{"id":"9-9","a":[1,{"b":"}"}]},"m":1}"#;
        let head = Head::parse(message).expect("an event");
        let durable = Place::Durable { id: Id { ms: 20, n: 2 }, prev: Id { ms: 10, n: 1 } };
        assert_eq!(head.place, durable);
        assert_eq!(head.kind, "message");
        assert_eq!(head.text("user").as_deref(), Some("al\"ice"));
        assert_eq!(head.raw("meta"), Some(&br#"{"id":"9-9","a":[1,{"b":"}"}]}"#[..]));
        assert_eq!(head.raw("m"), Some(&b"1"[..]));
        assert_eq!(head.raw("none"), None);

        let signal =
            br#"{"last":"20-2","room":"a","type":"signal","ts":21,"user":"bob","name":"t"}"#;
        let head = Head::parse(signal).expect("an event");
        assert_eq!(head.place, Place::Ephemeral { last: Some(Id { ms: 20, n: 2 }) });
        assert_eq!(head.text("user").as_deref(), Some("bob"));
    }

    #[test]
    fn what_is_no_event_is_refused() {
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
            assert!(Head::parse(row.as_bytes()).is_none(), "{row}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_stop_the_reader(bytes in proptest::collection::vec(
            proptest::sample::select(b"{}[]\",:\\id1-typelas".to_vec()), 0..64)) {
            if let Some(head) = Head::parse(&bytes) {
                let _ = head.text("user");
            }
        }
    }
}
