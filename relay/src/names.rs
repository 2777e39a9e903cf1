//! The rules for names, checked before a name reaches Redis or the hub.
//!
//! The module checks them again; here they keep hostile names out of the subscription list and
//! the logs. Nothing is normalised: names are compared by bytes. This file does not know who may
//! enter a room, only whether such a room can exist.

use unicode_general_category::{GeneralCategory as Category, get_general_category};

/// Longest room name, bytes.
pub(crate) const ROOM_NAME_MAX: usize = 200;
/// Longest user name, bytes.
pub(crate) const USER_NAME_MAX: usize = 96;
/// Longest relay name, bytes: a connection's name (64) holds it, a boot nonce and a counter.
pub(crate) const RELAY_NAME_MAX: usize = 32;

/// What a room's name says about the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomKind<'a> {
    /// Any name without a meaning of its own.
    Ordinary,
    /// `@alice`.
    Personal(&'a str),
    /// `dm:alice,bob`.
    Direct(&'a str, &'a str),
}

/// The kind of the room of this name; None: no room can have it.
pub fn room_kind(name: &str) -> Option<RoomKind<'_>> {
    if !visible(name, ROOM_NAME_MAX) {
        return None;
    }
    if let Some(user) = name.strip_prefix('@') {
        return is_user(user).then_some(RoomKind::Personal(user));
    }
    if let Some(pair) = name.strip_prefix("dm:") {
        let (first, second) = pair.split_once(',')?;
        let ordered = is_user(first) && is_user(second) && first.as_bytes() < second.as_bytes();
        return ordered.then_some(RoomKind::Direct(first, second));
    }
    Some(RoomKind::Ordinary)
}

/// The other user whose personal room this is: for `user` a contact.
pub(crate) fn contact<'a>(room: &'a str, user: &str) -> Option<&'a str> {
    match room_kind(room) {
        Some(RoomKind::Personal(owner)) if owner != user => Some(owner),
        _ => None,
    }
}

/// Whether a user can have this name.
pub fn is_user(name: &str) -> bool {
    visible(name, USER_NAME_MAX) && !name.contains(',') && !name.starts_with(['@', '*'])
}

/// Whether a relay can have this name: 1 to 32 of `a-z A-Z 0-9 _ . -`.
pub(crate) fn is_relay(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=RELAY_NAME_MAX).contains(&name.len()) && name.bytes().all(fits)
}

fn visible(name: &str, max: usize) -> bool {
    (1..=max).contains(&name.len()) && name.chars().all(is_visible)
}

/// As in the module (names.rs): neither of the categories C and Z, nor blank by itself.
fn is_visible(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_graphic();
    }
    !is_blank(character)
        && !matches!(
            get_general_category(character),
            Category::Control
                | Category::Format
                | Category::Surrogate
                | Category::PrivateUse
                | Category::Unassigned
                | Category::SpaceSeparator
                | Category::LineSeparator
                | Category::ParagraphSeparator
        )
}

/// What shows nothing by itself and is in neither of the categories C and Z: the other code points of
/// Unicode's property Default_Ignorable_Code_Point, and the braille pattern without a dot.
fn is_blank(character: char) -> bool {
    matches!(
        character,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180d}'
            | '\u{180f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_names_tell_their_kind() {
        let rows: &[(&str, Option<RoomKind<'_>>, &str)] = &[
            ("lobby", Some(RoomKind::Ordinary), "any visible name"),
            ("größe:日本", Some(RoomKind::Ordinary), "letters of all scripts"),
            ("@alice", Some(RoomKind::Personal("alice")), "a personal room"),
            ("dm:alice,bob", Some(RoomKind::Direct("alice", "bob")), "a direct room"),
            ("", None, "empty"),
            ("a b", None, "a separator"),
            ("a\u{200b}b", None, "an invisible character"),
            ("@", None, "nobody's room"),
            ("@*", None, "the backend has no room"),
            ("dm:bob,alice", None, "not in byte order"),
            ("dm:bob,bob", None, "the same user twice"),
            ("dm:a,b,c", None, "three users"),
            ("dm:alice", None, "one user"),
        ];
        for (name, kind, why) in rows {
            assert_eq!(room_kind(name), *kind, "{why}: {name:?}");
        }
        assert_eq!(room_kind(&"x".repeat(201)), None, "too long");
    }

    #[test]
    fn only_personal_rooms_of_others_are_contacts() {
        let rows = [("@bob", Some("bob")), ("@alice", None), ("lobby", None), ("@", None)];
        for (room, expected) in rows {
            assert_eq!(contact(room, "alice"), expected, "{room}");
        }
    }

    #[test]
    fn users_and_rooms_have_the_names_that_the_module_gives_them() {
        use chat_room::names::{RoomName, user};
        // Every character alone, within a name and at its ends; a name of each kind around it.
        for character in (0..=0x0010_ffff_u32).filter_map(char::from_u32) {
            let name = format!("{character}a");
            assert_eq!(is_user(&name), user(name.as_bytes()).is_ok(), "{name:?}");
        }
        let some =
            ['a', ',', '*', '@', ' ', '\u{fe0f}', '\u{3164}', '\u{34f}', '\u{2800}', '\u{e000}'];
        for character in
            some.into_iter().chain(['\u{378}', '\u{200d}', '\u{e0101}', '\u{301}', '\u{1f600}'])
        {
            for frame in ["$", "a$", "$$a", "@$", "@a$", "dm:a$,b", "dm:a,b$", "dm:$,b", "dm:"] {
                let name = frame.replace('$', &character.to_string());
                let of_module = RoomName::parse(name.as_bytes()).is_ok();
                assert_eq!(room_kind(&name).is_some(), of_module, "{name:?}");
                assert_eq!(is_user(&name), user(name.as_bytes()).is_ok(), "{name:?}");
            }
        }
        for bytes in [ROOM_NAME_MAX, USER_NAME_MAX] {
            for name in ["x".repeat(bytes), "x".repeat(bytes + 1), "\u{e4}".repeat(bytes / 2)] {
                assert_eq!(room_kind(&name).is_some(), RoomName::parse(name.as_bytes()).is_ok());
                assert_eq!(is_user(&name), user(name.as_bytes()).is_ok());
            }
        }
    }

    #[test]
    fn user_names_are_bounded_and_visible() {
        for name in ["alice", "é", "a@b", "a*"] {
            assert!(is_user(name), "{name:?}");
        }
        for name in ["", "a,b", "@a", "*", "a b", "a\n", "\u{feff}a", &"x".repeat(97)] {
            assert!(!is_user(name), "{name:?}");
        }
    }
}
