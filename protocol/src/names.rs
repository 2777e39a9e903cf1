//! Names from outside, parsed once: rooms, users, connections, nonces, kinds and emoji.
//!
//! A parsed name is proof that the rules hold. Nothing is normalised; names are compared by bytes.
//! A name holds visible characters only (see [`visibility`](crate::visibility)). Earlier versions
//! allowed blank ones too, so stored names may hold them: the functions named `stored_…` read
//! those.
//!
//! This file says which names can exist. Whether such a room or user does exist, and what a user
//! may do there, is for the module to decide.

use crate::error_code::Invalid;
use crate::every_byte::every_byte;
use crate::limits::*;
use crate::visibility::Alphabet;

/// The actor that stands for the backend, wherever a command names an actor.
pub const BACKEND: &str = "*";

/// The name of a room, and the kind of room that the name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomName<'a> {
    text: &'a str,
    /// The kind of room with this name.
    pub kind: RoomKind<'a>,
}

/// The three kinds of room. The name alone decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomKind<'a> {
    /// Every name without a special meaning.
    Ordinary,
    /// `@alice`: the personal room of this user.
    Personal(&'a str),
    /// `dm:alice,bob`: the direct room of these two users, in byte order.
    Direct(&'a str, &'a str),
}

impl<'a> RoomKind<'a> {
    /// The kind of a room whose name begins with `@` or `dm:`.
    fn of_users(alphabet: Alphabet, text: &'a str) -> Option<Self> {
        let user_name = |name: &'a str| user_name(alphabet, name.as_bytes());
        if let Some(user) = text.strip_prefix('@') {
            return Some(RoomKind::Personal(user_name(user)?));
        }
        let (first, second) = text.strip_prefix("dm:")?.split_once(',')?;
        let (first, second) = (user_name(first)?, user_name(second)?);
        (first.as_bytes() < second.as_bytes()).then_some(RoomKind::Direct(first, second))
    }

    /// `room`, `personal` or `direct`.
    pub fn word(self) -> &'static str {
        match self {
            RoomKind::Ordinary => "room",
            RoomKind::Personal(_) => "personal",
            RoomKind::Direct(..) => "direct",
        }
    }
}

impl<'a> RoomName<'a> {
    /// Stands for a key name that no room can have. Keys can be renamed to anything; the module
    /// keeps such a room and publishes nothing about it.
    pub const INVALID: RoomName<'static> = RoomName { text: "", kind: RoomKind::Ordinary };

    /// Parses a key name: 1 to 200 bytes. Errors: `INVALID room`.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let hint = "1 to 200 visible bytes, @user, or dm:a,b";
        RoomName::of(Alphabet::Visible, bytes).ok_or(Invalid { what: "room", hint })
    }

    /// Parses a name that an earlier version may have allowed. Errors: `INVALID room`.
    pub fn stored(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let hint = "no room was ever called so";
        RoomName::of(Alphabet::Stored, bytes).ok_or(Invalid { what: "room", hint })
    }

    #[inline]
    fn of(alphabet: Alphabet, bytes: &'a [u8]) -> Option<Self> {
        let text = visible(alphabet, bytes, ROOM_NAME_MAX)?;
        let kind = if text.starts_with('@') || text.starts_with("dm:") {
            RoomKind::of_users(alphabet, text)?
        } else {
            RoomKind::Ordinary
        };
        Some(RoomName { text, kind })
    }

    /// The name as it is written.
    pub fn as_str(&self) -> &'a str {
        self.text
    }
}

/// Who acts: a user, or the backend itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor<'a> {
    /// The backend, written `*`.
    Backend,
    /// A user.
    User(&'a str),
}

impl<'a> Actor<'a> {
    /// Parses `*` or a user's name. Errors: `INVALID user`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Invalid> {
        if bytes == BACKEND.as_bytes() { Ok(Actor::Backend) } else { user(bytes).map(Actor::User) }
    }

    /// Parses an actor that an earlier version may have allowed. Errors: `INVALID user`.
    pub fn stored(bytes: &'a [u8]) -> Result<Self, Invalid> {
        match bytes == BACKEND.as_bytes() {
            true => Ok(Actor::Backend),
            false => stored_user(bytes).map(Actor::User),
        }
    }

    /// The actor as events name it.
    pub fn as_str(&self) -> &'a str {
        match self {
            Actor::Backend => BACKEND,
            Actor::User(name) => name,
        }
    }
}

/// Parses a user's name: 1 to 96 bytes without a comma, not starting with `@` or `*`. Errors:
/// `INVALID user`.
pub fn user(bytes: &[u8]) -> Result<&str, Invalid> {
    let hint = "1 to 96 visible bytes, no comma, not starting with @ or *";
    user_name(Alphabet::Visible, bytes).ok_or(Invalid { what: "user", hint })
}

/// Parses a user's name that an earlier version may have allowed. Errors: `INVALID user`.
pub fn stored_user(bytes: &[u8]) -> Result<&str, Invalid> {
    let hint = "no user was ever called so";
    user_name(Alphabet::Stored, bytes).ok_or(Invalid { what: "user", hint })
}

/// The kind of the room with this name; `None`: no room can have it.
pub fn room_kind(name: &str) -> Option<RoomKind<'_>> {
    RoomName::of(Alphabet::Visible, name.as_bytes()).map(|name| name.kind)
}

/// Whether a user can have this name.
pub fn is_user(name: &str) -> bool {
    user_name(Alphabet::Visible, name.as_bytes()).is_some()
}

/// Parses the beginning of a user's name: 1 to 96 bytes of any kind. Errors: `INVALID prefix`.
pub fn prefix(bytes: &[u8]) -> Result<&[u8], Invalid> {
    let short = (1..=USER_NAME_MAX).contains(&bytes.len()).then_some(bytes);
    short.ok_or(Invalid { what: "prefix", hint: "1 to 96 bytes" })
}

/// Parses a connection's name: 1 to 64 bytes. Errors: `INVALID connection`.
pub fn connection(bytes: &[u8]) -> Result<&str, Invalid> {
    visible(Alphabet::Visible, bytes, CONNECTION_NAME_MAX)
        .ok_or(Invalid { what: "connection", hint: "1 to 64 visible bytes" })
}

/// Parses a connection's name that an earlier version may have allowed. Errors: `INVALID
/// connection`.
pub fn stored_connection(bytes: &[u8]) -> Result<&str, Invalid> {
    visible(Alphabet::Stored, bytes, CONNECTION_NAME_MAX)
        .ok_or(Invalid { what: "connection", hint: "no connection was ever called so" })
}

/// Parses a nonce: 1 to 64 bytes. People do not see it, so blank characters are allowed. Errors:
/// `INVALID nonce`.
pub fn nonce(bytes: &[u8]) -> Result<&str, Invalid> {
    visible(Alphabet::Stored, bytes, NONCE_MAX)
        .ok_or(Invalid { what: "nonce", hint: "1 to 64 visible bytes" })
}

/// Whether this is a word of at most `max` of `a-z A-Z 0-9 _ . -`, and not empty.
fn is_word(bytes: &[u8], max: usize) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=max).contains(&bytes.len()) && bytes.iter().all(fits)
}

/// Parses a word of 1 to 32 of `a-z A-Z 0-9 _ . -`: the kind of a message, the name of a signal.
/// Errors: `INVALID <what>`.
pub fn word<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a str, Invalid> {
    is_word(bytes, WORD_MAX)
        .then(|| std::str::from_utf8(bytes).ok())
        .flatten()
        .ok_or(Invalid { what, hint: "1 to 32 of a-z A-Z 0-9 _ . -" })
}

/// Whether a relay can have this name: 1 to 32 of `a-z A-Z 0-9 _ . -`.
pub fn is_relay(name: &str) -> bool {
    is_word(name.as_bytes(), RELAY_NAME_MAX)
}

/// Parses an emoji or any other short mark: 1 to 64 bytes of UTF-8 that show something. Of
/// invisible characters it may hold those that join emoji or select how they look (U+200D, tags,
/// variation selectors). Errors: `INVALID emoji`.
pub fn emoji(bytes: &[u8]) -> Result<&str, Invalid> {
    let seen = |text: &&str| text.chars().any(|c| Alphabet::Visible.has(c) || is_pictograph(c));
    stored_emoji(bytes)
        .ok()
        .filter(seen)
        .ok_or(Invalid { what: "emoji", hint: "1 to 64 bytes, something to see" })
}

/// Parses an emoji that an earlier version may have allowed. Errors: `INVALID emoji`.
pub fn stored_emoji(bytes: &[u8]) -> Result<&str, Invalid> {
    let joins = |c: char| c == '\u{200d}' || ('\u{e0020}'..='\u{e007f}').contains(&c);
    let fits = |text: &&str| {
        let is_allowed = |c| Alphabet::Stored.has(c) || is_pictograph(c) || joins(c);
        text.chars().all(is_allowed) && !text.chars().all(joins)
    };
    (1..=EMOJI_MAX)
        .contains(&bytes.len())
        .then(|| std::str::from_utf8(bytes).ok().filter(fits))
        .flatten()
        .ok_or(Invalid { what: "emoji", hint: "1 to 64 visible bytes" })
}

/// Whether this is among the characters that Unicode keeps for emoji, also those that it has not
/// assigned yet: readers may be newer than the table of this program.
fn is_pictograph(c: char) -> bool {
    ('\u{1f000}'..='\u{1faff}').contains(&c)
}

fn user_name(alphabet: Alphabet, bytes: &[u8]) -> Option<&str> {
    let refused = matches!(bytes.first(), Some(b'@' | b'*'));
    visible_except(alphabet, Some(b','), bytes, USER_NAME_MAX).filter(|_| !refused)
}

/// 1 to `max` bytes of UTF-8, every character of this alphabet.
fn visible(alphabet: Alphabet, bytes: &[u8], max: usize) -> Option<&str> {
    visible_except(alphabet, None, bytes, max)
}

/// The same, without one more ASCII character.
#[inline]
fn visible_except(
    alphabet: Alphabet,
    except: Option<u8>,
    bytes: &[u8],
    max: usize,
) -> Option<&str> {
    if !(1..=max).contains(&bytes.len()) {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    // NUL is refused anyway.
    let refused = except.unwrap_or(0);
    let plain = every_byte(bytes, |byte| (byte > 0x20) & (byte < 0x7f) & (byte != refused));
    let fits = |c: char| alphabet.has(c) && except.is_none_or(|byte| c != char::from(byte));
    (plain || text.chars().all(fits)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visibility::is_blank;

    #[test]
    fn the_longest_emoji_and_those_of_later_versions_are_emoji() {
        let kiss = "👩🏻\u{200d}❤\u{fe0f}\u{200d}💋\u{200d}👨🏿";
        let wales = "🏴\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}";
        assert_eq!(kiss.len(), 35);
        for text in [kiss, wales, "\u{1faea}", "\u{1faff}", "\u{1f6d9}", "1\u{fe0f}\u{20e3}"] {
            assert_eq!(emoji(text.as_bytes()), Ok(text));
        }
        let long = "👍".repeat(17);
        // The last one is half of an emoji.
        for bytes in [long.as_bytes(), b"\xf0\x9f\x91", b"", "\u{200d}".as_bytes()] {
            assert!(emoji(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn room_names_follow_the_rules() {
        let long = "x".repeat(200);
        let too_long = "x".repeat(201);
        let table: &[(&[u8], Option<RoomKind<'_>>, &str)] = &[
            (b"lobby", Some(RoomKind::Ordinary), "a plain name"),
            ("größe".as_bytes(), Some(RoomKind::Ordinary), "letters beyond ASCII"),
            ("部屋".as_bytes(), Some(RoomKind::Ordinary), "another script"),
            (b"a,b", Some(RoomKind::Ordinary), "a comma is fine in a room"),
            (b"*", Some(RoomKind::Ordinary), "a star is fine in a room"),
            (b"@alice", Some(RoomKind::Personal("alice")), "a personal room"),
            (b"dm:alice,bob", Some(RoomKind::Direct("alice", "bob")), "a direct room"),
            (b"dm", Some(RoomKind::Ordinary), "dm alone means nothing"),
            (long.as_bytes(), Some(RoomKind::Ordinary), "200 bytes"),
            (too_long.as_bytes(), None, "201 bytes"),
            (b"", None, "empty"),
            (b"a b", None, "a space"),
            (b"a\0b", None, "NUL"),
            (b"a\r\nb", None, "CR LF"),
            (b"a\x7f", None, "DEL"),
            ("a\u{200d}b".as_bytes(), None, "zero width joiner"),
            ("a\u{202e}b".as_bytes(), None, "right-to-left override"),
            ("a\u{2028}b".as_bytes(), None, "line separator"),
            ("a\u{a0}b".as_bytes(), None, "no-break space"),
            ("a\u{e000}".as_bytes(), None, "private use"),
            ("a\u{378}".as_bytes(), None, "unassigned"),
            ("a\u{fe0f}".as_bytes(), None, "a variation selector"),
            ("a\u{e0101}".as_bytes(), None, "another"),
            ("\u{3164}".as_bytes(), None, "a Hangul filler"),
            ("a\u{115f}".as_bytes(), None, "another"),
            ("\u{ffa0}a".as_bytes(), None, "another"),
            ("a\u{34f}b".as_bytes(), None, "the combining grapheme joiner"),
            ("a\u{2800}b".as_bytes(), None, "braille without dots"),
            ("@a\u{17b4}".as_bytes(), None, "in a personal room"),
            ("dm:a,b\u{180b}".as_bytes(), None, "in a direct room"),
            ("a\u{301}".as_bytes(), Some(RoomKind::Ordinary), "an accent is seen"),
            ("\u{2764}".as_bytes(), Some(RoomKind::Ordinary), "a heart"),
            (b"\xff\xfe", None, "not UTF-8"),
            (b"@", None, "a personal room of nobody"),
            (b"@@alice", None, "a user may not start with @"),
            (b"@*", None, "the backend has no room"),
            (b"@a,b", None, "a user may not hold a comma"),
            (b"dm:", None, "a direct room of nobody"),
            (b"dm:alice", None, "a direct room of one"),
            (b"dm:alice,alice", None, "a direct room with oneself"),
            (b"dm:bob,alice", None, "wrong order"),
            (b"dm:a,b,c", None, "three"),
            (b"dm:,b", None, "an empty name"),
        ];
        for (bytes, expected, why) in table {
            let found = RoomName::parse(bytes).ok().map(|name| name.kind);
            assert_eq!(found, *expected, "{why}");
            let name = std::str::from_utf8(bytes).unwrap_or_default();
            assert_eq!(room_kind(name), *expected, "{why}");
        }
    }

    #[test]
    fn user_names_follow_the_rules() {
        let table: &[(&[u8], bool, &str)] = &[
            (b"alice", true, "plain"),
            (b"a@b.example", true, "an @ inside"),
            (&[b'x'; 96], true, "96 bytes"),
            (&[b'x'; 97], false, "97 bytes"),
            (b"", false, "empty"),
            (b"*", false, "the backend"),
            (b"*bot", false, "starts with a star"),
            (b"@alice", false, "starts with an @"),
            (b"a,b", false, "a comma"),
            (b"a b", false, "a space"),
        ];
        for (bytes, expected, why) in table {
            assert_eq!(user(bytes).is_ok(), *expected, "{why}");
            let name = std::str::from_utf8(bytes).unwrap_or_default();
            assert_eq!(is_user(name), *expected, "{why}");
        }
    }

    #[test]
    fn stored_names_may_hold_blank_characters_and_no_others() {
        let all = || (0..=0x0010_ffff_u32).filter_map(char::from_u32);
        let blank = all().filter(|c| is_blank(*c));
        assert_eq!(blank.count(), 267 + 1, "default-ignorable ones, and the empty braille pattern");
        for character in all() {
            let name = format!("a{character}");
            let (new, stored) = (user(name.as_bytes()), stored_user(name.as_bytes()));
            assert_eq!(new.is_ok(), stored.is_ok() && !is_blank(character), "{name:?}");
        }
        let blank = "a\u{2800}\u{fe0f}";
        let (own, pair) = (format!("@{blank}"), format!("dm:a,{blank}"));
        for (name, kind) in [
            (blank, RoomKind::Ordinary),
            (&own, RoomKind::Personal(blank)),
            (&pair, RoomKind::Direct("a", blank)),
        ] {
            assert!(RoomName::parse(name.as_bytes()).is_err(), "{name:?}");
            assert_eq!(RoomName::stored(name.as_bytes()).map(|name| name.kind), Ok(kind));
        }
        assert_eq!(Actor::stored(blank.as_bytes()), Ok(Actor::User(blank)));
        assert_eq!(stored_connection(blank.as_bytes()), Ok(blank));
        assert!(connection(blank.as_bytes()).is_err() && nonce(blank.as_bytes()).is_ok());
        for wrong in ["a b", "\u{200b}", "", "dm:b,a", "@"] {
            assert!(RoomName::stored(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn words_follow_the_rules() {
        assert!(word(b"typing", "name").is_ok());
        assert!(word(b"my-app.poll_1", "name").is_ok());
        assert!(word(b"", "name").is_err());
        assert!(word(b"a b", "name").is_err());
        assert!(word(&[b'x'; 33], "name").is_err());
        let invalid = Invalid { what: "kind", hint: "1 to 32 of a-z A-Z 0-9 _ . -" };
        assert_eq!(word("ä".as_bytes(), "kind"), Err(invalid));
        assert!(is_relay("r1.eu-west_2") && is_relay(&"x".repeat(32)));
        assert!(!is_relay("") && !is_relay("r 1") && !is_relay(&"x".repeat(33)));
    }
}
