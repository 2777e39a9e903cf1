//! Event ids: `<ms>-<n>`, a place in time and a place in the room.
//!
//! An id is two integers: compared as integers, written in one canonical way. Text that only looks
//! like an id (`+1-2`, `01-2`, `1-`) is refused, so equal ids are equal bytes.

use std::fmt;

/// Bytes of the longest unsigned 64-bit integer in decimal.
pub const INTEGER_BYTES_MAX: usize = 20;

/// Bytes of the longest id: two integers and a dash.
pub const ID_BYTES_MAX: usize = 2 * INTEGER_BYTES_MAX + 1;

/// The id of a durable event: a millisecond and the room's event number.
///
/// [`Id::ZERO`] is the position before the first event of a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Milliseconds since the Unix epoch by the server's clock or later, never decreasing within a
    /// room.
    pub ms: u64,
    /// The room's event number: 1, 2, 3, … without holes; 0 only in [`Id::ZERO`].
    pub n: u64,
}

impl Id {
    /// The position before the first event.
    pub const ZERO: Id = Id { ms: 0, n: 0 };

    /// The canonical form.
    pub fn text(self) -> IdText {
        let mut text = IdText { bytes: [b'-'; ID_BYTES_MAX], start: ID_BYTES_MAX };
        text.prepend(self.n);
        text.start = text.start.saturating_sub(1);
        text.prepend(self.ms);
        text
    }

    /// Reads the canonical form; `None` for everything else.
    pub fn parse(bytes: &[u8]) -> Option<Id> {
        let (id, rest) = Id::split_first(bytes)?;
        rest.is_empty().then_some(id)
    }

    /// Reads the canonical form at the beginning, and returns the rest.
    pub fn split_first(bytes: &[u8]) -> Option<(Id, &[u8])> {
        let (ms, rest) = split_integer(bytes)?;
        let (n, rest) = split_integer(rest.strip_prefix(b"-")?)?;
        Some((Id { ms, n }, rest))
    }
}

/// The canonical form of an id, on the stack.
#[derive(Clone, Copy, Debug)]
pub struct IdText {
    /// The text is at the end.
    bytes: [u8; ID_BYTES_MAX],
    start: usize,
}

impl IdText {
    /// The text.
    pub fn as_str(&self) -> &str {
        // Digits and a dash: never empty.
        std::str::from_utf8(self.bytes.get(self.start..).unwrap_or_default()).unwrap_or_default()
    }

    fn prepend(&mut self, mut number: u64) {
        loop {
            // It has place for the longest id.
            self.start = self.start.saturating_sub(1);
            if let Some(byte) = self.bytes.get_mut(self.start) {
                *byte = b'0' + (number % 10) as u8;
            }
            number /= 10;
            if number == 0 {
                return;
            }
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

/// Reads an unsigned decimal integer without sign, blanks or leading zeros; `None` for everything
/// else, also for integers over 64 bits.
pub fn parse_integer(digits: &[u8]) -> Option<u64> {
    let (integer, rest) = split_integer(digits)?;
    rest.is_empty().then_some(integer)
}

/// As [`parse_integer`], of the digits at the beginning; also returns what follows them.
pub fn split_integer(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let digit = |at: usize| {
        let digit = bytes.get(at)?.wrapping_sub(b'0');
        (digit <= 9).then_some(u64::from(digit))
    };
    let (mut integer, mut length) = (digit(0)?, 1);
    while let Some(next) = digit(length) {
        integer = match length {
            _ if integer == 0 => return None,
            // Nineteen digits are always a 64-bit integer.
            ..19 => 10 * integer + next,
            _ => integer.checked_mul(10)?.checked_add(next)?,
        };
        length += 1;
    }
    Some((integer, bytes.get(length..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_an_id() {
        let table: &[(&str, Option<(u64, u64)>, &str)] = &[
            ("0-0", Some((0, 0)), "the position before the first event"),
            ("1795225205879-58", Some((1795225205879, 58)), "an ordinary id"),
            ("18446744073709551615-1", Some((u64::MAX, 1)), "the largest integer"),
            ("18446744073709551616-1", None, "one more than the largest"),
            ("", None, "nothing"),
            ("-", None, "no digits"),
            ("1-", None, "no event number"),
            ("-1", None, "no milliseconds"),
            ("1", None, "no dash"),
            ("1-2-3", None, "two dashes"),
            ("0000000000000000000000000000000000000000000-1", None, "longer than an id"),
            ("01-2", None, "leading zero"),
            ("01-1", None, "leading zero in ms"),
            ("1-02", None, "leading zero in n"),
            ("+1-2", None, "a sign"),
            (" 1-2", None, "a blank before"),
            ("1-2 ", None, "a blank behind"),
            ("1-2\n", None, "a line break"),
            ("1\u{661}-2", None, "a digit of another script"),
        ];
        for (text, expected, why) in table {
            let found = Id::parse(text.as_bytes());
            assert_eq!(found, expected.map(|(ms, n)| Id { ms, n }), "{why}: {text:?}");
            if let Some(id) = found {
                assert_eq!(id.to_string(), *text, "{why}");
                assert!(text.len() <= ID_BYTES_MAX, "{why}");
            }
        }
    }

    #[test]
    fn ids_compare_as_two_integers() {
        assert!(Id { ms: 9, n: 1 } < Id { ms: 10, n: 0 });
        assert!(Id { ms: 9, n: 100 } < Id { ms: 10, n: 1 }, "not compared as text");
        assert!(Id { ms: 10, n: 9 } < Id { ms: 10, n: 10 });
    }
}
