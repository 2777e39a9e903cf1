//! Why an export or an import ended early.

use std::io;

use crate::client::error::Error;
use crate::upstream::replies::UnexpectedReply;
use crate::upstream::{CommandError, Unavailable};

/// Why it ended early, in words.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Redis refused a command.
    #[error("{} {}", .0.code, .0.message)]
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

impl Failure {
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
