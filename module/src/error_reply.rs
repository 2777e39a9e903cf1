//! The error replies: those of the core's rules, and those that only the shell can find.

use std::borrow::Cow;

use chat_protocol::error_code::Invalid;
use chat_room::CommandError;

use crate::redis::OpenError;

/// An error reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorReply {
    /// A rule of the core: see [`CommandError`] for what the caller should do.
    Rule(CommandError),
    /// The key holds a value of another type. The caller must use another key.
    WrongType,
    /// `maxmemory` is reached, and the command would need more memory. The caller may try again.
    OutOfMemory,
    /// The command panicked. It may have changed the room or not; the caller must look.
    Defect,
}

impl From<CommandError> for ErrorReply {
    fn from(error: CommandError) -> Self {
        ErrorReply::Rule(error)
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
        ErrorReply::Rule(invalid.into())
    }
}

impl ErrorReply {
    /// `ERR syntax error`.
    pub(crate) const SYNTAX: ErrorReply = ErrorReply::Rule(CommandError::SYNTAX);

    /// The text of the reply.
    pub(crate) fn message(&self) -> Cow<'static, str> {
        match self {
            ErrorReply::Rule(error) => error.to_string().into(),
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
