//! Names from outside, parsed once: rooms, users, connections, nonces, kinds and short texts.
//!
//! A parsed name is proof that the rules hold; nothing is normalised and names are compared by
//! bytes. Characters one cannot see (Unicode categories C and Z) are refused in names.

use unicode_general_category::{GeneralCategory as Category, get_general_category};

use crate::limits::*;
use crate::refusal::Refusal;
use crate::swar;

/// The word that stands for the backend wherever a command names an actor.
pub const BACKEND: &str = "*";

/// The name of a room and what the name itself means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomName<'a> {
    text: &'a str,
    /// What kind of room bears this name.
    pub kind: RoomKind<'a>,
}

/// The three kinds of room, told apart by their name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomKind<'a> {
    /// Any name without a meaning of its own.
    Ordinary,
    /// `@alice`: alice's own room.
    Personal(&'a str),
    /// `dm:alice,bob`: exactly those two.
    Direct(&'a str, &'a str),
}

impl<'a> RoomKind<'a> {
    /// The kind of a room whose name begins with `@` or `dm:`.
    fn of_users(text: &'a str) -> Option<Self> {
        if let Some(user) = text.strip_prefix('@') {
            return Some(RoomKind::Personal(user_name(user.as_bytes())?));
        }
        let (first, second) = text.strip_prefix("dm:")?.split_once(',')?;
        let (first, second) = (user_name(first.as_bytes())?, user_name(second.as_bytes())?);
        (first.as_bytes() < second.as_bytes()).then_some(RoomKind::Direct(first, second))
    }
}

impl<'a> RoomName<'a> {
    /// Stands for the name of a room whose key bears a name that no room can be made under: keys can
    /// be renamed to anything. Such a room is kept and kept up, and nothing is published of it.
    pub const INVALID: RoomName<'static> = RoomName { text: "", kind: RoomKind::Ordinary };

    /// Parses a key name. Errors: `INVALID room`.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let invalid = Refusal::invalid("room", "see the rules of room names in docs/reference.md");
        let text = visible(bytes, ROOM_NAME_MAX).ok_or(invalid)?;
        let kind = if text.starts_with('@') || text.starts_with("dm:") {
            RoomKind::of_users(text).ok_or(invalid)?
        } else {
            RoomKind::Ordinary
        };
        Ok(RoomName { text, kind })
    }

    /// The name as it is written.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// `room`, `personal` or `direct`.
    pub fn kind_word(&self) -> &'static str {
        match self.kind {
            RoomKind::Ordinary => "room",
            RoomKind::Personal(_) => "personal",
            RoomKind::Direct(..) => "direct",
        }
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
    /// Parses `*` or a user name. Errors: `INVALID user`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        if bytes == BACKEND.as_bytes() { Ok(Actor::Backend) } else { user(bytes).map(Actor::User) }
    }

    /// The actor as events name it.
    pub fn as_str(&self) -> &'a str {
        match self {
            Actor::Backend => BACKEND,
            Actor::User(name) => name,
        }
    }
}

/// A user's name. Errors: `INVALID user`.
pub fn user(bytes: &[u8]) -> Result<&str, Refusal> {
    let hint = "1 to 96 visible bytes, no comma, not starting with @ or *";
    user_name(bytes).ok_or(Refusal::invalid("user", hint))
}

/// The beginning of a user's name: any bytes, at most as many as a name has. Errors: `INVALID prefix`.
pub fn prefix(bytes: &[u8]) -> Result<&[u8], Refusal> {
    let short = (1..=USER_NAME_MAX).contains(&bytes.len()).then_some(bytes);
    short.ok_or(Refusal::invalid("prefix", "1 to 96 bytes"))
}

/// A connection's name. Errors: `INVALID connection`.
pub fn connection(bytes: &[u8]) -> Result<&str, Refusal> {
    visible(bytes, CONNECTION_NAME_MAX)
        .ok_or(Refusal::invalid("connection", "1 to 64 visible bytes"))
}

/// A nonce. Errors: `INVALID nonce`.
pub fn nonce(bytes: &[u8]) -> Result<&str, Refusal> {
    visible(bytes, NONCE_MAX).ok_or(Refusal::invalid("nonce", "1 to 64 visible bytes"))
}

/// A word of 1 to 32 of `a-z A-Z 0-9 _ . -`: the kind of a message, the name of a signal.
pub fn word<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a str, Refusal> {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let ok = (1..=WORD_MAX).contains(&bytes.len()) && bytes.iter().all(fits);
    ok.then(|| std::str::from_utf8(bytes).ok())
        .flatten()
        .ok_or(Refusal::invalid(what, "1 to 32 of a-z A-Z 0-9 _ . -"))
}

/// An emoji, or any other short mark: 1 to 32 bytes of UTF-8 without controls, separators and invisible
/// characters but those that join emoji (U+200D, tags). Errors: `INVALID emoji`.
pub fn emoji(bytes: &[u8]) -> Result<&str, Refusal> {
    let joins = |c: char| c == '\u{200d}' || ('\u{e0020}'..='\u{e007f}').contains(&c);
    let fits =
        |text: &&str| text.chars().all(|c| is_visible(c) || joins(c)) && !text.chars().all(joins);
    (1..=EMOJI_MAX)
        .contains(&bytes.len())
        .then(|| std::str::from_utf8(bytes).ok().filter(fits))
        .flatten()
        .ok_or(Refusal::invalid("emoji", "1 to 32 visible bytes"))
}

/// A short text for people: at most `max` bytes of UTF-8 without control characters.
pub fn line<'a>(bytes: &'a [u8], max: usize, what: &'static str) -> Result<&'a str, Refusal> {
    if bytes.len() > max {
        return Err(Refusal::TooBig(max as u64));
    }
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control));
    text.ok_or(Refusal::invalid(what, "UTF-8 without control characters"))
}

fn user_name(bytes: &[u8]) -> Option<&str> {
    let refused = matches!(bytes.first(), Some(b'@' | b'*'));
    visible_but(Some(b','), bytes, USER_NAME_MAX).filter(|_| !refused)
}

/// 1 to `max` bytes of UTF-8, every character visible.
fn visible(bytes: &[u8], max: usize) -> Option<&str> {
    visible_but(None, bytes, max)
}

/// The same, without one more ASCII character.
#[inline]
fn visible_but(except: Option<u8>, bytes: &[u8], max: usize) -> Option<&str> {
    if !(1..=max).contains(&bytes.len()) {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let excepted = |word| except.map_or(0, |byte| swar::equal(word, byte));
    let refused = |word| swar::below(word, 0x21) | swar::above(word, 0x7e) | excepted(word);
    let fits = |c: char| is_visible(c) && except.is_none_or(|byte| c != char::from(byte));
    (swar::none(bytes, refused) || text.chars().all(fits)).then_some(text)
}

fn is_visible(character: char) -> bool {
    use Category as C;
    !matches!(
        get_general_category(character),
        C::Control
            | C::Format
            | C::Unassigned
            | C::PrivateUse
            | C::Surrogate
            | C::SpaceSeparator
            | C::LineSeparator
            | C::ParagraphSeparator
    )
}

#[cfg(test)]
mod tests {
    use super::*;

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
        }
    }

    #[test]
    fn words_and_lines_follow_the_rules() {
        assert!(word(b"typing", "name").is_ok());
        assert!(word(b"my-app.poll_1", "name").is_ok());
        assert!(word(b"", "name").is_err());
        assert!(word(b"a b", "name").is_err());
        assert!(word(&[b'x'; 33], "name").is_err());
        assert!(line("what we talk about ☕".as_bytes(), 256, "topic").is_ok());
        assert!(line(b"a\nb", 256, "topic").is_err());
        assert_eq!(line(b"abc", 2, "topic"), Err(Refusal::TooBig(2)));
    }
}
