//! Why an export or an import ended early.

use std::io;

use chat_protocol::error_code::ErrorCode;

use crate::client::error::{Argument, Error};
use crate::upstream::replies::UnexpectedReply;
use crate::upstream::{CommandError, Unavailable};

/// Why it ended early, in words.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Redis refused a command.
    #[error("{}", words(.0))]
    Refused(Error),
    /// Redis was away for too long.
    #[error(transparent)]
    Away(Unavailable),
    /// A reply of a shape that the documents do not describe.
    #[error("Redis gave an unknown reply")]
    Reply,
    /// Whatever else.
    #[error("{0}")]
    Other(String),
}

fn words(error: &Error) -> String {
    let Error { code, message, argument } = error;
    match argument {
        Some((_, Argument::Number(number))) => format!("{code} {number}: {message}"),
        Some((_, Argument::Word(word))) => format!("{code} {word}: {message}"),
        None => format!("{code} {message}"),
    }
}

impl Failure {
    /// Whether Redis refuses this value.
    pub(super) fn is_invalid(&self, what: &str) -> bool {
        let Failure::Refused(Error { code, argument: Some((_, argument)), .. }) = self else {
            return false;
        };
        code == ErrorCode::Invalid.word() && *argument == Argument::Word(what.to_owned().into())
    }

    /// Whether the room does not exist.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Failure::Refused(error) if error.code == "NOROOM")
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Failure {
        match error {
            CommandError::Refused(error) => Failure::Refused(error),
            CommandError::Unavailable(away) => Failure::Away(away),
        }
    }
}

impl From<UnexpectedReply> for Failure {
    fn from(_: UnexpectedReply) -> Failure {
        Failure::Reply
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Failure {
        Failure::Other(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Other(error.to_string())
    }
}

impl From<String> for Failure {
    fn from(why: String) -> Failure {
        Failure::Other(why)
    }
}
