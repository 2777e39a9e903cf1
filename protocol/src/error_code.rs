//! The words of errors: the first word of a refused command's error, and `code` in a relay's reply.
//!
//! One table: the word, the argument that follows it, and the explanation where it is always the
//! same. Errors of Redis itself (`WRONGTYPE`, `OOM`, `READONLY`, `MOVED`, …) pass through the relay
//! unchanged and are not in it.

use std::borrow::Cow;
use std::fmt;

/// What follows the word of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Which value is wrong, or which right is needed: a word.
    What,
    /// When a ban or a mute ends: milliseconds since the Unix epoch, 0 for never.
    UntilMs,
    /// After how many milliseconds to try again.
    RetryMs,
    /// How many bytes are allowed.
    MaxBytes,
}

impl Argument {
    /// The name that the relay's JSON gives this argument.
    pub const fn name(self) -> &'static str {
        match self {
            Argument::What => "what",
            Argument::UntilMs => "until_ms",
            Argument::RetryMs => "retry_ms",
            Argument::MaxBytes => "max_bytes",
        }
    }
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $code:ident $word:literal $argument:expr, $text:expr;)*) => {
        /// An error's word. The order is the order of the counters in `INFO chat`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $code,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$code),*];

            /// The word, in capital letters.
            pub const fn word(self) -> &'static str {
                match self {
                    $(ErrorCode::$code => $word,)*
                }
            }

            /// What follows the word; `None`: only text for people.
            pub const fn argument(self) -> Option<Argument> {
                match self {
                    $(ErrorCode::$code => $argument,)*
                }
            }

            /// The explanation for people; `None`: it differs from error to error.
            pub const fn text(self) -> Option<&'static str> {
                match self {
                    $(ErrorCode::$code => $text,)*
                }
            }
        }
    };
}

error_codes! {
    /// Wrong syntax: read the command's documentation.
    Err "ERR" None, None;
    /// A value is wrong: `INVALID <what>`. Correct it.
    Invalid "INVALID" Some(Argument::What), None;
    /// The room does not exist: join it, send to it or set it up to create it.
    NoRoom "NOROOM" None, Some("no such room");
    /// The message does not exist or exists no longer.
    NoMessage "NOMSG" None, Some("no such message");
    /// The user is no member: ask a moderator to be added.
    NotMember "NOTMEMBER" None, Some("only members may do this");
    /// The user lacks a right: `DENIED <what is needed>`.
    Denied "DENIED" Some(Argument::What), None;
    /// Too fast: try again after that many milliseconds.
    RateLimit "RATELIMIT" Some(Argument::RetryMs), Some("too fast; wait a little");
    /// A value is longer than that many bytes: shorten it.
    TooBig "TOOBIG" Some(Argument::MaxBytes), Some("too long");
    /// The room accepts no messages at present.
    Frozen "FROZEN" None, Some("the room is frozen");
    /// The user is banned from the room until that time.
    Banned "BANNED" Some(Argument::UntilMs), Some("kept out of this room");
    /// The user may read but not write in the room until that time.
    Muted "MUTED" Some(Argument::UntilMs), Some("may read here but not write");
    /// From a relay only: it cannot reach Redis. Try again later.
    Unavailable "UNAVAILABLE" None, Some("Redis cannot be reached now; try again");
}

impl ErrorCode {
    /// The codes that the module's commands answer with: all but the relay's own.
    pub const OF_MODULE: [ErrorCode; 11] = [
        ErrorCode::Err,
        ErrorCode::Invalid,
        ErrorCode::NoRoom,
        ErrorCode::NoMessage,
        ErrorCode::NotMember,
        ErrorCode::Denied,
        ErrorCode::RateLimit,
        ErrorCode::TooBig,
        ErrorCode::Frozen,
        ErrorCode::Banned,
        ErrorCode::Muted,
    ];

    /// The code with this word; `None`: an error of Redis itself.
    pub fn parse(word: &str) -> Option<ErrorCode> {
        ErrorCode::ALL.iter().copied().find(|code| code.word() == word)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl From<ErrorCode> for Cow<'static, str> {
    fn from(code: ErrorCode) -> Self {
        Cow::Borrowed(code.word())
    }
}

/// The explanation of `INVALID nonce` if the nonce stands for another message already.
pub const NONCE_USED: &str = "already used with another text";

/// A value is wrong: the content of an `INVALID` error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("INVALID {what} - {hint}")]
pub struct Invalid {
    /// Which value, in one word.
    pub what: &'static str,
    /// What a right value is.
    pub hint: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_ascii_capitals_and_each_is_one_code() {
        for (at, code) in ErrorCode::ALL.iter().enumerate() {
            assert!(code.word().bytes().all(|byte| byte.is_ascii_uppercase()), "{code}");
            assert_eq!(ErrorCode::parse(code.word()), Some(*code));
            assert!(code.text().is_none_or(|text| text.is_ascii() && !text.is_empty()), "{code}");
            assert_eq!(*code as usize, at);
        }
        assert_eq!(ErrorCode::parse("WRONGTYPE"), None);
        assert_eq!(ErrorCode::parse("invalid"), None);
    }

    #[test]
    fn the_codes_of_the_module_are_all_but_the_relays_own() {
        let (module, relay) = ErrorCode::ALL.split_at(ErrorCode::OF_MODULE.len());
        assert_eq!(module, ErrorCode::OF_MODULE);
        assert_eq!(relay, [ErrorCode::Unavailable]);
    }
}
