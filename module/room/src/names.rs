//! Names from outside, parsed once: rooms, users, connections, nonces, kinds and short texts.
//!
//! A parsed name is proof that the rules hold; nothing is normalised and names are compared by
//! bytes. Characters one cannot see are refused in names: those of the Unicode categories C and Z, and
//! those that are ignored or blank by themselves. Names with the latter were once allowed, so what is
//! stored may hold them: it is read by the functions called `stored_…`.
//!
//! Texts for people may hold anything, as long as there is something to see. relay/src/names.rs has the
//! same rules.

mod visibility;

use crate::bytes::swar;
use crate::command_error::CommandError;
use crate::limits::*;
pub use visibility::shows;
use visibility::{Alphabet, is_bidi_control};

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
    fn of_users(alphabet: Alphabet, text: &'a str) -> Option<Self> {
        let user_name = |name: &'a str| user_name(alphabet, name.as_bytes());
        if let Some(user) = text.strip_prefix('@') {
            return Some(RoomKind::Personal(user_name(user)?));
        }
        let (first, second) = text.strip_prefix("dm:")?.split_once(',')?;
        let (first, second) = (user_name(first)?, user_name(second)?);
        (first.as_bytes() < second.as_bytes()).then_some(RoomKind::Direct(first, second))
    }
}

impl<'a> RoomName<'a> {
    /// Stands for the name of a room whose key bears a name that no room can be made under: keys can
    /// be renamed to anything. Such a room is kept and kept up, and nothing is published of it.
    pub const INVALID: RoomName<'static> = RoomName { text: "", kind: RoomKind::Ordinary };

    /// Parses a key name. Errors: `INVALID room`.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CommandError> {
        let invalid =
            CommandError::invalid("room", "see the rules of room names in docs/reference.md");
        RoomName::of(Alphabet::Visible, bytes).ok_or(invalid)
    }

    /// The name of a room that may be from before. Errors: `INVALID room`.
    pub fn stored(bytes: &'a [u8]) -> Result<Self, CommandError> {
        let invalid = CommandError::invalid("room", "no room was ever called so");
        RoomName::of(Alphabet::Stored, bytes).ok_or(invalid)
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
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CommandError> {
        if bytes == BACKEND.as_bytes() { Ok(Actor::Backend) } else { user(bytes).map(Actor::User) }
    }

    /// The same of a name that may be from before. Errors: `INVALID user`.
    pub fn stored(bytes: &'a [u8]) -> Result<Self, CommandError> {
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

/// A user's name. Errors: `INVALID user`.
pub fn user(bytes: &[u8]) -> Result<&str, CommandError> {
    let hint = "1 to 96 visible bytes, no comma, not starting with @ or *";
    user_name(Alphabet::Visible, bytes).ok_or(CommandError::invalid("user", hint))
}

/// A user's name that may be from before. Errors: `INVALID user`.
pub fn stored_user(bytes: &[u8]) -> Result<&str, CommandError> {
    let invalid = CommandError::invalid("user", "no user was ever called so");
    user_name(Alphabet::Stored, bytes).ok_or(invalid)
}

/// The beginning of a user's name: any bytes, at most as many as a name has. Errors: `INVALID prefix`.
pub fn prefix(bytes: &[u8]) -> Result<&[u8], CommandError> {
    let short = (1..=USER_NAME_MAX).contains(&bytes.len()).then_some(bytes);
    short.ok_or(CommandError::invalid("prefix", "1 to 96 bytes"))
}

/// A connection's name. Errors: `INVALID connection`.
pub fn connection(bytes: &[u8]) -> Result<&str, CommandError> {
    visible(Alphabet::Visible, bytes, CONNECTION_NAME_MAX)
        .ok_or(CommandError::invalid("connection", "1 to 64 visible bytes"))
}

/// A connection's name that may be from before. Errors: `INVALID connection`.
pub fn stored_connection(bytes: &[u8]) -> Result<&str, CommandError> {
    visible(Alphabet::Stored, bytes, CONNECTION_NAME_MAX)
        .ok_or(CommandError::invalid("connection", "no connection was ever called so"))
}

/// A nonce, which nobody looks at: only categories C and Z are refused. Errors: `INVALID nonce`.
pub fn nonce(bytes: &[u8]) -> Result<&str, CommandError> {
    visible(Alphabet::Stored, bytes, NONCE_MAX)
        .ok_or(CommandError::invalid("nonce", "1 to 64 visible bytes"))
}

/// A word of 1 to 32 of `a-z A-Z 0-9 _ . -`: the kind of a message, the name of a signal.
pub fn word<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a str, CommandError> {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let ok = (1..=WORD_MAX).contains(&bytes.len()) && bytes.iter().all(fits);
    ok.then(|| std::str::from_utf8(bytes).ok())
        .flatten()
        .ok_or(CommandError::invalid(what, "1 to 32 of a-z A-Z 0-9 _ . -"))
}

/// An emoji, or any other short mark: 1 to 32 bytes of UTF-8 with something to see, without controls,
/// separators and invisible characters but those that join emoji or select how they look (U+200D, tags,
/// variation selectors). Errors: `INVALID emoji`.
pub fn emoji(bytes: &[u8]) -> Result<&str, CommandError> {
    let seen = |text: &&str| text.chars().any(|c| Alphabet::Visible.has(c));
    stored_emoji(bytes)
        .ok()
        .filter(seen)
        .ok_or(CommandError::invalid("emoji", "1 to 32 bytes, something to see"))
}

/// An emoji that may be from before. Errors: `INVALID emoji`.
pub fn stored_emoji(bytes: &[u8]) -> Result<&str, CommandError> {
    let joins = |c: char| c == '\u{200d}' || ('\u{e0020}'..='\u{e007f}').contains(&c);
    let fits = |text: &&str| {
        text.chars().all(|c| Alphabet::Stored.has(c) || joins(c)) && !text.chars().all(joins)
    };
    (1..=EMOJI_MAX)
        .contains(&bytes.len())
        .then(|| std::str::from_utf8(bytes).ok().filter(fits))
        .flatten()
        .ok_or(CommandError::invalid("emoji", "1 to 32 visible bytes"))
}

/// A short text for people: at most `max` bytes of UTF-8 without control characters.
pub fn line<'a>(bytes: &'a [u8], max: usize, what: &'static str) -> Result<&'a str, CommandError> {
    if bytes.len() > max {
        return Err(CommandError::TooBig(max as u64));
    }
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control));
    text.ok_or(CommandError::invalid(what, "UTF-8 without control characters"))
}

/// A line that is empty or shows something. Errors: as of [`line`].
pub fn visible_line<'a>(
    bytes: &'a [u8],
    max: usize,
    what: &'static str,
) -> Result<&'a str, CommandError> {
    let text = line(bytes, max, what)?;
    let fits = text.is_empty() || shows(text);
    if fits { Ok(text) } else { Err(CommandError::invalid(what, "empty, or something to see")) }
}

/// A name by which a user is shown: empty, or a line that shows something and turns nothing around.
/// Errors: `TOOBIG`, `INVALID name`.
pub fn display_name(bytes: &[u8]) -> Result<&str, CommandError> {
    let text = visible_line(bytes, PROFILE_NAME_MAX, "name")?;
    let fits = text.is_ascii() || !text.chars().any(is_bidi_control);
    if fits { Ok(text) } else { Err(CommandError::invalid("name", "no bidi controls")) }
}

fn user_name(alphabet: Alphabet, bytes: &[u8]) -> Option<&str> {
    let refused = matches!(bytes.first(), Some(b'@' | b'*'));
    visible_but(alphabet, Some(b','), bytes, USER_NAME_MAX).filter(|_| !refused)
}

/// 1 to `max` bytes of UTF-8, every character of this alphabet.
fn visible(alphabet: Alphabet, bytes: &[u8], max: usize) -> Option<&str> {
    visible_but(alphabet, None, bytes, max)
}

/// The same, without one more ASCII character.
#[inline]
fn visible_but(alphabet: Alphabet, except: Option<u8>, bytes: &[u8], max: usize) -> Option<&str> {
    if !(1..=max).contains(&bytes.len()) {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let excepted = |word| except.map_or(0, |byte| swar::equal(word, byte));
    let refused = |word| swar::below(word, 0x21) | swar::above(word, 0x7e) | excepted(word);
    let fits = |c: char| alphabet.has(c) && except.is_none_or(|byte| c != char::from(byte));
    (swar::none(bytes, refused) || text.chars().all(fits)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::visibility::is_blank;
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
    fn names_from_before_are_known_again_and_no_others() {
        let all = || (0..=0x0010_ffff_u32).filter_map(char::from_u32);
        let blank = all().filter(|c| is_blank(*c));
        assert_eq!(blank.count(), 267 + 1, "default-ignorable ones, and the empty braille pattern");
        for character in all() {
            let name = format!("a{character}");
            let (now, before) = (user(name.as_bytes()), stored_user(name.as_bytes()));
            assert_eq!(now.is_ok(), before.is_ok() && !is_blank(character), "{name:?}");
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
    fn words_and_lines_follow_the_rules() {
        assert!(word(b"typing", "name").is_ok());
        assert!(word(b"my-app.poll_1", "name").is_ok());
        assert!(word(b"", "name").is_err());
        assert!(word(b"a b", "name").is_err());
        assert!(word(&[b'x'; 33], "name").is_err());
        assert!(line("what we talk about ☕".as_bytes(), 256, "topic").is_ok());
        assert!(line(b"a\nb", 256, "topic").is_err());
        assert_eq!(line(b"abc", 2, "topic"), Err(CommandError::TooBig(2)));
    }
}
