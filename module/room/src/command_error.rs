//! Why a command was refused: one enum, one table.
//!
//! The text is what Redis sends: first word the code, second its argument, ASCII, and never a
//! byte that came from the user.

use std::borrow::Cow;

/// A refusal. The command has changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Syntax: the caller has to read the command's documentation.
    #[error("ERR {0}")]
    Syntax(&'static str),
    /// A value is not what it must be: `INVALID <what>`.
    #[error("INVALID {what} - {hint}")]
    Invalid {
        /// Which value.
        what: &'static str,
        /// What it must be.
        hint: &'static str,
    },
    /// There is no such room; join, send or set to make it.
    #[error("NOROOM no such room")]
    NoRoom,
    /// There is no such message, or no longer.
    #[error("NOMSG no such message")]
    NoMessage,
    /// Members only; ask to be added.
    #[error("NOTMEMBER only members may do this")]
    NotMember,
    /// Somebody else may do this: `DENIED <what is needed>`.
    #[error("DENIED {0}")]
    Denied(&'static str),
    /// Kept out: `BANNED <until_ms>`, 0 for ever.
    #[error("BANNED {0}")]
    Banned(u64),
    /// May read but not write: `MUTED <until_ms>`, 0 for ever.
    #[error("MUTED {0}")]
    Muted(u64),
    /// Too much for now: `RATELIMIT <retry_ms>`.
    #[error("RATELIMIT {0}")]
    RateLimit(u64),
    /// Too long: `TOOBIG <max_bytes>`.
    #[error("TOOBIG {0}")]
    TooBig(u64),
    /// The room takes no messages for now.
    #[error("FROZEN the room is frozen")]
    Frozen,
}

impl CommandError {
    /// The code words, in the order in which `INFO chat` counts them.
    pub const CODES: [&'static str; 11] = [
        "err",
        "invalid",
        "noroom",
        "nomsg",
        "notmember",
        "denied",
        "ratelimit",
        "toobig",
        "frozen",
        "banned",
        "muted",
    ];

    /// Words that are too few, too many or none of the command's.
    pub const SYNTAX: CommandError = CommandError::Syntax("syntax error");

    /// An [`CommandError::Invalid`].
    pub const fn invalid(what: &'static str, hint: &'static str) -> CommandError {
        CommandError::Invalid { what, hint }
    }

    /// The place of this refusal's code in [`CommandError::CODES`].
    pub fn code_index(&self) -> usize {
        match self {
            CommandError::Syntax(_) => 0,
            CommandError::Invalid { .. } => 1,
            CommandError::NoRoom => 2,
            CommandError::NoMessage => 3,
            CommandError::NotMember => 4,
            CommandError::Denied(_) => 5,
            CommandError::RateLimit(_) => 6,
            CommandError::TooBig(_) => 7,
            CommandError::Frozen => 8,
            CommandError::Banned(_) => 9,
            CommandError::Muted(_) => 10,
        }
    }

    /// The error as it goes out.
    pub fn message(&self) -> Cow<'static, str> {
        match self {
            CommandError::NoRoom => Cow::Borrowed("NOROOM no such room"),
            other => Cow::Owned(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_begins_with_its_code() {
        let all = [
            CommandError::Syntax("syntax error"),
            CommandError::invalid("text", "UTF-8"),
            CommandError::NoRoom,
            CommandError::NoMessage,
            CommandError::NotMember,
            CommandError::Denied("moderator"),
            CommandError::RateLimit(1200),
            CommandError::TooBig(4096),
            CommandError::Frozen,
            CommandError::Banned(0),
            CommandError::Muted(17),
        ];
        assert_eq!(all.len(), CommandError::CODES.len());
        for error in all {
            let message = error.message();
            let code = message.split(' ').next().unwrap_or_default().to_ascii_lowercase();
            assert_eq!(code, CommandError::CODES[error.code_index()]);
            assert!(message.is_ascii());
        }
    }
}
