//! The words of commands: the cursor over them, and every form a word can have.

use chat_protocol::glob::Pattern;
use chat_protocol::id::Id;
use chat_protocol::limits::{EMOJI_MAX, PATTERN_MAX, WORDS_MAX};
use chat_protocol::names::{self, Actor, RoomName};
use chat_room::CommandError;
use chat_room::Keyword;
use chat_room::Role;
use chat_room::args::{Args, Paging, once};
use chat_room::decide::moderate::Action;
use chat_room::limits::Rate;
use chat_room::texts;

/// Lines, each a word of a command. Reads them in every way; errors are ASCII and hold nothing of
/// the words.
pub fn arguments(bytes: &[u8]) {
    let words: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let words = words.as_slice();
    let args = || Args::<&[&[u8]]>::after(words, 1);
    check(Paging::read(args()));
    check(options(args()));
    let many = args().many();
    assert_eq!(many.is_ok(), words.len().saturating_sub(1) <= WORDS_MAX);
    check(many.map(|words| words.map(names::connection).filter(Result::is_ok).count()));
    for word in words {
        forms(word);
    }
    if let [pattern, names @ ..] = words {
        let pattern = match Pattern::parse(pattern) {
            Ok(pattern) => pattern,
            Err(_) => return assert!(pattern.len() > PATTERN_MAX),
        };
        for name in names {
            let _ = pattern.matches(name);
        }
    }
}

/// What SEND, EDIT, JOIN and others read.
fn options<'c>(mut args: Args<'c, &[&'c [u8]]>) -> Result<(), CommandError> {
    args.actor()?;
    let (mut nonce, mut reply, mut mentions, mut flag) = (None, None, None, None);
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"NONCE" => once(&mut nonce, names::nonce(args.word()?)?)?,
            b"REPLY" => once(&mut reply, args.id()?)?,
            b"MENTION" => {
                let count = chat_room::decide::send::mention_count(args.number("mention")?)?;
                let users = (0..count).map(|_| args.user()).collect::<Result<Vec<_>, _>>()?;
                once(&mut mentions, users.len())?;
            }
            b"EPHEMERAL" => once(&mut flag, ())?,
            _ if args.next_is(&[b"BY", b"AS"]) => drop(args.word()?),
            _ => return Err(CommandError::SYNTAX),
        }
    }
    assert_eq!(args.left(), 0);
    Ok(())
}

/// Each form that one word may have.
fn forms(word: &[u8]) {
    if let Some(id) = Id::parse(word) {
        assert_eq!(id.to_string().as_bytes(), word, "an id has one form");
    }
    if let Some(number) = chat_protocol::id::parse_integer(word) {
        assert_eq!(number.to_string().as_bytes(), word, "a number has one form");
    }
    assert!(Keyword::of(word).as_slice().len() <= word.len());
    check(Role::parse(word));
    let _ = Action::parse(word);
    text(word, RoomName::parse(word).map(|name| name.as_str()), 200);
    text(word, Actor::parse(word).map(|actor| actor.as_str()), 96);
    text(word, names::connection(word), 64);
    text(word, names::nonce(word), 64);
    text(word, names::word(word, "kind"), 32);
    text(word, names::emoji(word), EMOJI_MAX);
    text(word, texts::line(word, 256, "reason"), 256);
    if let Ok(text) = std::str::from_utf8(word) {
        let _ = Rate::parse(text);
    }
}

/// A text that is accepted is the word itself, within its bound.
fn text<E: Into<CommandError>>(word: &[u8], text: Result<&str, E>, most: usize) {
    if let Ok(text) = text {
        assert!(text.as_bytes() == word && text.len() <= most);
    }
    check(text);
}

fn check<T, E: Into<CommandError>>(outcome: Result<T, E>) {
    if let Err(error) = outcome {
        let message = error.into().to_string();
        assert!(message.is_ascii() && !message.contains('\n'), "{message}");
    }
}
