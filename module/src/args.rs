//! A cursor over the words of a command: bytes in, typed values out.
//!
//! Option names are read in any case; an unknown or repeated one, or one without its value, is a
//! syntax error.

use chat_room::keyword::Keyword;
use chat_room::limits::WORDS_MAX;
use chat_room::names::{self, Actor};
use chat_room::{Id, Refusal, id};

use crate::error::Error;
use crate::redis::{Call, Words};

/// The words not yet read.
pub(crate) struct Args<'c> {
    words: Words<'c>,
    at: usize,
}

impl<'c> Args<'c> {
    /// The words from number `from` on; the command's name is word 0.
    pub(crate) fn after(call: &Call<'c>, from: usize) -> Self {
        Args { words: call.words(), at: from }
    }

    /// The next word. Errors: syntax.
    pub(crate) fn word(&mut self) -> Result<&'c [u8], Error> {
        let word = self.words.get(self.at).ok_or(Error::SYNTAX)?;
        self.at += 1;
        Ok(word)
    }

    /// The next word in upper case, for comparing; `None` at the end.
    pub(crate) fn option(&mut self) -> Option<Keyword> {
        let word = self.words.get(self.at)?;
        self.at += 1;
        Some(Keyword::of(word))
    }

    /// Whether the next word is one of these options, given in upper case.
    pub(crate) fn next_is(&self, options: &[&[u8]]) -> bool {
        let next = self.words.get(self.at);
        next.is_some_and(|word| options.iter().any(|option| word.eq_ignore_ascii_case(option)))
    }

    /// How many words are left.
    pub(crate) fn left(&self) -> usize {
        self.words.len().saturating_sub(self.at)
    }

    /// All words that are left, which are names of many things. Errors: `INVALID count`.
    pub(crate) fn many(self) -> Result<impl ExactSizeIterator<Item = &'c [u8]>, Error> {
        let (words, from, count) = (self.words, self.at, self.left());
        if count > WORDS_MAX {
            return Err(Refusal::invalid("count", "at most 1000 in one call").into());
        }
        Ok((from..from + count).map(move |at| words.get(at).unwrap_or_default()))
    }

    /// The next word as an unsigned integer. Errors: `INVALID <what>`.
    pub(crate) fn number(&mut self, what: &'static str) -> Result<u64, Error> {
        let number = id::number(self.word()?);
        number.ok_or(Refusal::invalid(what, "an unsigned integer").into())
    }

    /// The next word as an id. Errors: `INVALID id`.
    pub(crate) fn id(&mut self) -> Result<Id, Error> {
        Id::parse(self.word()?).ok_or(Refusal::invalid("id", "<ms>-<n>").into())
    }

    /// The next word as a user. Errors: `INVALID user`.
    pub(crate) fn user(&mut self) -> Result<&'c str, Error> {
        Ok(names::user(self.word()?)?)
    }

    /// The next word as a user or the backend. Errors: `INVALID user`.
    pub(crate) fn actor(&mut self) -> Result<Actor<'c>, Error> {
        Ok(Actor::parse(self.word()?)?)
    }
}

/// Keeps the value of an option that may be given once. Errors: syntax.
pub(crate) fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Error> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::SYNTAX),
    }
}

/// `[CURSOR c] [COUNT n] [AS user]`, which every paged command takes.
#[derive(Default)]
pub(crate) struct Paging<'c> {
    pub(crate) cursor: Option<&'c [u8]>,
    pub(crate) count: Option<u64>,
    pub(crate) reader: Option<&'c str>,
}

impl<'c> Paging<'c> {
    /// Reads one option. False: it is none of these.
    pub(crate) fn take(&mut self, option: &[u8], args: &mut Args<'c>) -> Result<bool, Error> {
        match option {
            b"CURSOR" => once(&mut self.cursor, args.word()?)?,
            b"COUNT" => once(&mut self.count, args.number("count")?)?,
            b"AS" => once(&mut self.reader, args.user()?)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Reads nothing but these. Errors: syntax.
    pub(crate) fn read(mut args: Args<'c>) -> Result<Self, Error> {
        let mut paging = Paging::default();
        while let Some(option) = args.option() {
            if !paging.take(option.as_slice(), &mut args)? {
                return Err(Error::SYNTAX);
            }
        }
        Ok(paging)
    }
}
