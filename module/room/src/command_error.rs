//! Why a command fails.
//!
//! The text is what Redis sends: the first word is the code, the second its argument. It is ASCII
//! and never holds a byte that came from the user.

use std::fmt;

use chat_protocol::error_code::{ErrorCode, Invalid};

/// The error of a command, which has changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// The arguments do not match the command's syntax.
    Syntax(&'static str),
    /// A value is not valid: `INVALID <what>`.
    Invalid {
        /// Which value.
        what: &'static str,
        /// What is valid.
        hint: &'static str,
    },
    /// The room does not exist. Joining, sending or setting creates one.
    NoRoom,
    /// The message does not exist, or no longer.
    NoMessage,
    /// The command is for members.
    NotMember,
    /// The actor lacks a right: `DENIED <what is needed>`.
    Denied(&'static str),
    /// The user is banned: `BANNED <until_ms>`, 0 for ever.
    Banned(u64),
    /// The user may not write: `MUTED <until_ms>`, 0 for ever.
    Muted(u64),
    /// The rate limit is reached: `RATELIMIT <retry_ms>`.
    RateLimit(u64),
    /// The value is too long: `TOOBIG <max_bytes>`.
    TooBig(u64),
    /// The room is frozen: only moderators may write.
    Frozen,
}

impl CommandError {
    /// An argument is missing, unknown or one too many.
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
    fn every_error_begins_with_its_code() {
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
