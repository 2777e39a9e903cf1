//! Why a command was refused: one enum, one table.
//!
//! The text is what Redis sends: first word the code, second its argument, ASCII, and never a
//! byte that came from the user.

use std::fmt;

use chat_protocol::error_code::{ErrorCode, Invalid};

/// A refusal. The command has changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// Syntax: the caller has to read the command's documentation.
    Syntax(&'static str),
    /// A value is not what it must be: `INVALID <what>`.
    Invalid {
        /// Which value.
        what: &'static str,
        /// What it must be.
        hint: &'static str,
    },
    /// There is no such room; join, send or set to make it.
    NoRoom,
    /// There is no such message, or no longer.
    NoMessage,
    /// Members only; ask to be added.
    NotMember,
    /// Somebody else may do this: `DENIED <what is needed>`.
    Denied(&'static str),
    /// Kept out: `BANNED <until_ms>`, 0 for ever.
    Banned(u64),
    /// May read but not write: `MUTED <until_ms>`, 0 for ever.
    Muted(u64),
    /// Too much for now: `RATELIMIT <retry_ms>`.
    RateLimit(u64),
    /// Too long: `TOOBIG <max_bytes>`.
    TooBig(u64),
    /// The room takes no messages for now.
    Frozen,
}

impl CommandError {
    /// Words that are too few, too many or none of the command's.
    pub const SYNTAX: CommandError = CommandError::Syntax("syntax error");

    /// An [`CommandError::Invalid`].
    pub const fn invalid(what: &'static str, hint: &'static str) -> CommandError {
        CommandError::Invalid { what, hint }
    }

    /// The first word of the error.
    pub fn code(&self) -> ErrorCode {
        match self {
            CommandError::Syntax(_) => ErrorCode::Err,
            CommandError::Invalid { .. } => ErrorCode::Invalid,
            CommandError::NoRoom => ErrorCode::NoRoom,
            CommandError::NoMessage => ErrorCode::NoMessage,
            CommandError::NotMember => ErrorCode::NotMember,
            CommandError::Denied(_) => ErrorCode::Denied,
            CommandError::RateLimit(_) => ErrorCode::RateLimit,
            CommandError::TooBig(_) => ErrorCode::TooBig,
            CommandError::Frozen => ErrorCode::Frozen,
            CommandError::Banned(_) => ErrorCode::Banned,
            CommandError::Muted(_) => ErrorCode::Muted,
        }
    }
}

/// The error as Redis sends it.
impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code();
        match self {
            CommandError::Syntax(text) | CommandError::Denied(text) => write!(f, "{code} {text}"),
            CommandError::Invalid { what, hint } => write!(f, "{code} {what} - {hint}"),
            CommandError::Banned(number)
            | CommandError::Muted(number)
            | CommandError::RateLimit(number)
            | CommandError::TooBig(number) => write!(f, "{code} {number}"),
            CommandError::NoRoom
            | CommandError::NoMessage
            | CommandError::NotMember
            | CommandError::Frozen => write!(f, "{code} {}", code.text().unwrap_or_default()),
        }
    }
}

impl std::error::Error for CommandError {}

impl From<Invalid> for CommandError {
    fn from(Invalid { what, hint }: Invalid) -> CommandError {
        CommandError::Invalid { what, hint }
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
        let codes: Vec<ErrorCode> = all.iter().map(CommandError::code).collect();
        assert_eq!(codes, ErrorCode::OF_MODULE, "every code, in the order of INFO chat");
        for error in all {
            let message = error.to_string();
            assert_eq!(message.split(' ').next(), Some(error.code().word()));
            assert!(message.is_ascii());
        }
        assert_eq!(CommandError::NoRoom.to_string(), "NOROOM no such room");
    }
}
