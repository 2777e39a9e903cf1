//! A cursor over the arguments of a command: bytes in, typed values out.
//!
//! The names of options are read in any case. An unknown or repeated option, or one without its
//! value, is a syntax error. One argument is called a word here.

use std::marker::PhantomData;

use chat_protocol::id::{self, Id};
use chat_protocol::limits::WORDS_MAX;
use chat_protocol::names::{self, Actor};

use crate::arguments::keyword::Keyword;
use crate::command_error::CommandError;

/// The arguments of a command. The bytes live longer than this value.
pub trait Words<'c>: Copy {
    /// The bytes of word `at`.
    fn get(self, at: usize) -> Option<&'c [u8]>;
    /// How many words there are.
    fn count(self) -> usize;
}

impl<'c> Words<'c> for &[&'c [u8]] {
    fn get(self, at: usize) -> Option<&'c [u8]> {
        <[&[u8]]>::get(self, at).copied()
    }

    fn count(self) -> usize {
        self.len()
    }
}

/// The arguments that are not read yet.
#[derive(Clone, Debug)]
pub struct Args<'c, W> {
    words: W,
    at: usize,
    lifetime: PhantomData<&'c [u8]>,
}

impl<'c, W: Words<'c>> Args<'c, W> {
    /// The arguments from word `from` on; the command's name is word 0.
    pub fn after(words: impl Into<W>, from: usize) -> Self {
        Args { words: words.into(), at: from, lifetime: PhantomData }
    }

    /// The next word. Errors: syntax.
    pub fn word(&mut self) -> Result<&'c [u8], CommandError> {
        let word = self.words.get(self.at).ok_or(CommandError::SYNTAX)?;
        self.at += 1;
        Ok(word)
    }

    /// The next word in upper case, to be compared; `None` at the end.
    pub fn option(&mut self) -> Option<Keyword> {
        let word = self.words.get(self.at)?;
        self.at += 1;
        Some(Keyword::of(word))
    }

    /// Whether the next word is one of these options, which are in upper case.
    pub fn next_is(&self, options: &[&[u8]]) -> bool {
        let next = self.words.get(self.at);
        next.is_some_and(|word| options.iter().any(|option| word.eq_ignore_ascii_case(option)))
    }

    /// How many words are left.
    pub fn left(&self) -> usize {
        self.words.count().saturating_sub(self.at)
    }

    /// All remaining words of a command that takes a list. Errors: `INVALID count`.
    pub fn many(self) -> Result<impl ExactSizeIterator<Item = &'c [u8]>, CommandError> {
        let (words, from, count) = (self.words, self.at, self.left());
        if count > WORDS_MAX {
            return Err(CommandError::invalid("count", "at most 1000 in one call"));
        }
        Ok((from..from + count).map(move |at| words.get(at).unwrap_or_default()))
    }

    /// The next word as an unsigned integer. Errors: `INVALID <what>`.
    pub fn number(&mut self, what: &'static str) -> Result<u64, CommandError> {
        let number = id::parse_integer(self.word()?);
        number.ok_or(CommandError::invalid(what, "an unsigned integer"))
    }

    /// The next word as an id. Errors: `INVALID id`.
    pub fn id(&mut self) -> Result<Id, CommandError> {
        Id::parse(self.word()?).ok_or(CommandError::invalid("id", "<ms>-<n>"))
    }

    /// The next word as a user. Errors: `INVALID user`.
    pub fn user(&mut self) -> Result<&'c str, CommandError> {
        Ok(names::user(self.word()?)?)
    }

    /// The next word as the name of a known user, which may break the rules for new names. Errors:
    /// `INVALID user`.
    pub fn stored_user(&mut self) -> Result<&'c str, CommandError> {
        Ok(names::stored_user(self.word()?)?)
    }

    /// The next word as a user or the backend. Errors: `INVALID user`.
    pub fn actor(&mut self) -> Result<Actor<'c>, CommandError> {
        Ok(Actor::parse(self.word()?)?)
    }
}

/// Stores the value of an option that may occur once. Errors: syntax.
pub fn once<T>(place: &mut Option<T>, value: T) -> Result<(), CommandError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(CommandError::SYNTAX),
    }
}

/// `[CURSOR c] [COUNT n] [AS user]`, which every paged command takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paging<'c> {
    /// CURSOR.
    pub cursor: Option<&'c [u8]>,
    /// COUNT.
    pub count: Option<u64>,
    /// AS.
    pub reader: Option<&'c str>,
}

impl<'c> Paging<'c> {
    /// Reads one option. False: it is not a paging option.
    pub fn take(
        &mut self,
        option: &[u8],
        args: &mut Args<'c, impl Words<'c>>,
    ) -> Result<bool, CommandError> {
        match option {
            b"CURSOR" => once(&mut self.cursor, args.word()?)?,
            b"COUNT" => once(&mut self.count, args.number("count")?)?,
            b"AS" => once(&mut self.reader, args.user()?)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Reads all remaining arguments, which must be paging options. Errors: syntax.
    pub fn read(mut args: Args<'c, impl Words<'c>>) -> Result<Self, CommandError> {
        let mut paging = Paging::default();
        while let Some(option) = args.option() {
            if !paging.take(option.as_slice(), &mut args)? {
                return Err(CommandError::SYNTAX);
            }
        }
        Ok(paging)
    }
}
