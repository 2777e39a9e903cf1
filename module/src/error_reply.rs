//! Why a command fails: what the core refuses, and what only the shell can see.

use std::borrow::Cow;

use chat_protocol::error_code::Invalid;
use chat_room::CommandError;

use crate::redis::OpenError;

/// An error reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorReply {
    /// The core's rules say no.
    Refused(CommandError),
    /// The key holds something else.
    WrongType,
    /// `maxmemory` is reached, and this would take more.
    OutOfMemory,
    /// A panic was caught; nothing can be said of what was done.
    Defect,
}

impl From<CommandError> for ErrorReply {
    fn from(error: CommandError) -> Self {
        ErrorReply::Refused(error)
    }
}

impl From<OpenError> for ErrorReply {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::WrongType => ErrorReply::WrongType,
            OpenError::NoSuchWord => ErrorReply::Defect,
        }
    }
}

impl From<Invalid> for ErrorReply {
    fn from(invalid: Invalid) -> Self {
        ErrorReply::Refused(invalid.into())
    }
}

impl ErrorReply {
    /// `ERR syntax error`.
    pub(crate) const SYNTAX: ErrorReply = ErrorReply::Refused(CommandError::SYNTAX);

    /// The text of the reply.
    pub(crate) fn message(&self) -> Cow<'static, str> {
        match self {
            ErrorReply::Refused(error) => error.to_string().into(),
            ErrorReply::WrongType => {
                "WRONGTYPE Operation against a key holding the wrong kind of value".into()
            }
            ErrorReply::OutOfMemory => {
                "OOM command not allowed when used memory > 'maxmemory'.".into()
            }
            ErrorReply::Defect => "ERR internal error, see the server's log".into(),
        }
    }
}
