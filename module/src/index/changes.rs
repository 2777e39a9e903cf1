//! The rooms of a database in the order in which they changed.
//!
//! A reader holds a cursor: the place of the last change it knows, and the epoch of the database.
//! A database gets a new epoch when numbers no longer tell all changes: its data was loaded, replaced
//! or swapped, this server was promoted, or too many rooms were gone to remember.

use std::fmt;

/// What a reader knows of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(super) epoch: u64,
    /// All changes up to this place: the numbers of a change and of a room, because rooms that were
    /// loaded may have the same number of a change.
    pub(super) place: (u64, u64),
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (change, room) = self.place;
        write!(f, "{:016x}-{change}-{room}", self.epoch)
    }
}

/// Where a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// Before all rooms.
    Beginning,
    /// After all changes so far.
    Now,
    /// After what this cursor covers.
    Cursor(Cursor),
}

impl Since {
    /// Reads `0`, `$`, or a cursor as [`Cursor`] is written. `None`: it is neither.
    pub(crate) fn parse(text: &[u8]) -> Option<Since> {
        match text {
            b"0" => return Some(Since::Beginning),
            b"$" => return Some(Since::Now),
            _ => {}
        }
        let (epoch, place) = std::str::from_utf8(text).ok()?.split_once('-')?;
        let (change, room) = place.split_once('-')?;
        let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if epoch.len() != 16 || !hex(epoch) {
            return None;
        }
        let epoch = u64::from_str_radix(epoch, 16).ok()?;
        Some(Since::Cursor(Cursor { epoch, place: (number(change)?, number(room)?) }))
    }
}

/// A number without a sign.
fn number(digits: &str) -> Option<u64> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| digits.parse().ok()).flatten()
}

/// A room that has changed.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) name: Box<[u8]>,
    /// The number of the room; `None`: it is gone.
    pub(crate) number: Option<u64>,
}

/// A page of changed rooms.
#[derive(Debug)]
pub(crate) struct ChangePage {
    /// Covers what is in the page and before.
    pub(crate) next: Cursor,
    /// Whether the cursor was of an earlier epoch, so that the page begins with the first room.
    pub(crate) anew: bool,
    pub(crate) rooms: Vec<Changed>,
    /// Whether there are more.
    pub(crate) more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_answered_is_a_cursor() {
        let cursor = Cursor { epoch: 0xfe, place: (120, 7) };
        assert_eq!(cursor.to_string(), "00000000000000fe-120-7");
        assert_eq!(Since::parse(cursor.to_string().as_bytes()), Some(Since::Cursor(cursor)));
        assert_eq!(Since::parse(b"0"), Some(Since::Beginning));
        assert_eq!(Since::parse(b"$"), Some(Since::Now));
        let wrong: &[&[u8]] = &[
            b"",
            b"1",
            b"-",
            b"00",
            b"fe-120-7",
            b"00000000000000fe--",
            b"00000000000000fe-1",
            b"00000000000000FE-1-1",
            b"00000000000000fe-+1-1",
            b"00000000000000fe-1-1 ",
            b"00000000000000fe-1-1-1",
            b"+0000000000000fe-1-1",
            b"00000000000000fe-18446744073709551616-1",
            b"00000000000000fe-1-1\0",
            b"\xff",
        ];
        for text in wrong {
            assert_eq!(Since::parse(text), None, "{}", text.escape_ascii());
        }
    }
}
