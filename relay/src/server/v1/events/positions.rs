//! The positions of a stream: the last event of each room that the client has received.
//!
//! As text they are `room=id&room=id`, the rooms percent-encoded. A client sends them back as
//! `Last-Event-ID`, to any relay. They are as trusted as the cursors of any client: not at all, and
//! that suffices, because a room is read only by who may read it.

use std::collections::BTreeMap;

use chat_protocol::id::Id;
use chat_protocol::names::room_kind;

use crate::server::auth::percent_decoded_path;

/// The longest text. Longer ones are not sent, because no client could send them back.
pub(super) const POSITIONS_MAX: usize = 4 << 10;
/// Bytes that an id with its separators takes for most of a room's life.
const ID_USUAL: usize = 26;

/// Rooms with the id of the last event that the client has of each.
#[derive(Debug, Default)]
pub(super) struct Positions {
    rooms: BTreeMap<String, Id>,
    has_changed: bool,
}

impl Positions {
    /// The position in this room.
    pub(super) fn of(&self, room: &str) -> Option<Id> {
        self.rooms.get(room).copied()
    }

    /// The client has everything of this room up to `id`.
    pub(super) fn set(&mut self, room: &str, id: Id) {
        match self.rooms.get_mut(room) {
            Some(position) if *position == id => return,
            Some(position) => *position = id,
            None => drop(self.rooms.insert(room.to_owned(), id)),
        }
        self.has_changed = true;
    }

    /// Whether they have changed since they were last sent.
    pub(super) fn has_changed(&self) -> bool {
        self.has_changed
    }

    /// The text to send. `None`: it is too long.
    pub(super) fn send(&mut self) -> Option<String> {
        self.has_changed = false;
        let mut text = String::new();
        for (room, id) in &self.rooms {
            if !text.is_empty() {
                text.push('&');
            }
            encode(room, &mut text);
            text.push_str(&format!("={id}"));
            if text.len() > POSITIONS_MAX {
                return None;
            }
        }
        Some(text)
    }
}

/// Whether positions in these rooms can be sent back.
pub(super) fn fit<'a>(rooms: impl Iterator<Item = &'a str>) -> bool {
    let mut text = String::new();
    rooms
        .map(|room| {
            text.clear();
            encode(room, &mut text);
            text.len() + ID_USUAL
        })
        .sum::<usize>()
        <= POSITIONS_MAX
}

/// Reads a text that a client sends back. `None`: it was not made here.
pub(super) fn read(text: &str) -> Option<BTreeMap<String, Id>> {
    if text.len() > POSITIONS_MAX {
        return None;
    }
    let mut positions = BTreeMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (room, id) = pair.split_once('=')?;
        let room = percent_decoded_path(room)?;
        room_kind(&room)?;
        if positions.insert(room.into_owned(), Id::parse(id.as_bytes())?).is_some() {
            return None;
        }
    }
    Some(positions)
}

/// Appends a room's name: no line break, no separator, ASCII only (RFC 3986, section 2.1).
fn encode(room: &str, out: &mut String) {
    for byte in room.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'.' | b'_' | b'~' | b'@' | b':' | b',' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_back_as_they_were() {
        let mut positions = Positions::default();
        assert_eq!((positions.has_changed(), positions.send().as_deref()), (false, Some("")));
        for (n, room) in ["lobby", "@alice", "dm:alice,bob", "é=&%/ü"].iter().enumerate() {
            positions.set(room, Id { ms: 7, n: n as u64 });
        }
        positions.set("lobby", Id { ms: 8, n: 9 });
        assert!(positions.has_changed());
        let text = positions.send().expect("short");
        assert_eq!(text, "@alice=7-1&dm:alice,bob=7-2&lobby=8-9&%C3%A9%3D%26%25%2F%C3%BC=7-3");
        assert!(!positions.has_changed());
        positions.set("lobby", Id { ms: 8, n: 9 });
        assert!(!positions.has_changed(), "nothing new");
        assert_eq!(read(&text), Some(positions.rooms));
    }

    #[test]
    fn what_was_not_made_here_is_refused() {
        let long = format!("a=1-1&{}=1-1", "x".repeat(POSITIONS_MAX));
        let rows = [
            ("a", "no id"),
            ("a=", "an empty id"),
            ("a=x", "no id"),
            ("a=1-1,b=1-1", "another separator"),
            ("=1-1", "no room"),
            ("@=1-1", "a name that no room can have"),
            ("a=1-1&a=1-2", "twice"),
            ("%=1-1", "a broken escape"),
            ("%0=1-1", "a broken escape"),
            ("%zz=1-1", "a broken escape"),
            ("%ff=1-1", "not UTF-8"),
            ("%00=1-1", "NUL"),
            ("a%0Ab=1-1", "a line break"),
            ("a=18446744073709551616-1", "a number that is too large"),
            ("a=01-1", "another form of a number"),
            (&long, "too long"),
        ];
        for (text, why) in rows {
            assert_eq!(read(text), None, "{why}: {text}");
        }
        assert_eq!(read(""), Some(BTreeMap::new()));
        assert_eq!(read("a=18446744073709551615-0").map(|read| read.len()), Some(1));
    }

    #[test]
    fn too_many_rooms_have_no_text() {
        let rooms: Vec<String> = (0..200).map(|n| format!("room-{n:03}")).collect();
        assert!(fit(rooms.iter().take(100).map(String::as_str)));
        assert!(!fit(rooms.iter().map(String::as_str)));
        let mut positions = Positions::default();
        let id = Id { ms: 1_795_225_201_112, n: 123_456 };
        rooms.iter().take(100).for_each(|room| positions.set(room, id));
        assert!(positions.send().is_some_and(|text| text.len() <= POSITIONS_MAX));
        rooms.iter().for_each(|room| positions.set(room, id));
        assert_eq!(positions.send(), None);
    }
}
