//! The outcome of a command. Each command of a pipeline has its own.

use chat_protocol::error_code::ErrorCode;
use redis::Value;

use crate::client::error::Error;

/// The outcome of one command.
pub(crate) type Reply = Result<Value, CommandError>;

/// Why a command has no reply.
#[derive(Clone, Debug)]
pub(crate) enum CommandError {
    /// The server refused the command itself: it has changed nothing.
    Refused(Error),
    /// The command was not answered, or the server serves nothing of this kind now. This says
    /// nothing about the command itself.
    Unavailable(Unavailable),
}

/// Why a command was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unavailable {
    /// Redis could not be reached, or did not answer: it is unknown whether the command ran.
    #[error("Redis is away")]
    Unreachable,
    /// The server serves nothing now (loading, busy, moving, demoted). The command did not run.
    #[error("Redis cannot serve this now")]
    NotServing,
    /// The server refuses writes now; reading works. The command did not run.
    #[error("Redis refuses writes now")]
    WritesRefused,
    /// The server refuses commands that need memory. The command did not run.
    #[error("Redis is out of memory")]
    OutOfMemory,
}

impl Unavailable {
    /// What an error code says about the server. None: it is about the command.
    pub(crate) fn from_code(code: &str) -> Option<Unavailable> {
        match code {
            "LOADING" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN" | "BUSY" | "READONLY"
            | "MOVED" | "ASK" => Some(Unavailable::NotServing),
            "NOREPLICAS" | "MISCONF" => Some(Unavailable::WritesRefused),
            "OOM" => Some(Unavailable::OutOfMemory),
            _ => None,
        }
    }

    /// Whether only writing is refused.
    pub(crate) fn can_read(self) -> bool {
        matches!(self, Unavailable::WritesRefused | Unavailable::OutOfMemory)
    }
}

impl CommandError {
    /// Whether only writing is refused, and only for now.
    pub(crate) fn can_read(&self) -> bool {
        matches!(self, CommandError::Unavailable(away) if away.can_read())
    }
}

/// Why none of these commands was answered. None: at least one was.
pub(crate) fn all_unavailable(replies: &[Reply]) -> Option<Unavailable> {
    let mut away = None;
    for reply in replies {
        match reply {
            Err(CommandError::Unavailable(why)) => away = Some(*why),
            _ => return None,
        }
    }
    away
}

impl From<Unavailable> for CommandError {
    fn from(away: Unavailable) -> CommandError {
        CommandError::Unavailable(away)
    }
}

impl From<Unavailable> for Error {
    fn from(away: Unavailable) -> Error {
        match away {
            Unavailable::Unreachable => Error::unavailable(),
            Unavailable::NotServing => {
                Error::new(ErrorCode::Unavailable, "Redis cannot serve this now; try again")
            }
            Unavailable::WritesRefused => {
                Error::new(ErrorCode::Unavailable, "Redis refuses writes now; try again")
            }
            Unavailable::OutOfMemory => Error::new("OOM", "Redis is out of memory"),
        }
    }
}

impl From<CommandError> for Error {
    fn from(failed: CommandError) -> Error {
        match failed {
            CommandError::Refused(error) => error,
            CommandError::Unavailable(away) => away.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_what_still_works() {
        let rows: &[(&str, Option<Unavailable>, bool)] = &[
            ("LOADING", Some(Unavailable::NotServing), false),
            ("BUSY", Some(Unavailable::NotServing), false),
            ("READONLY", Some(Unavailable::NotServing), false),
            ("MOVED", Some(Unavailable::NotServing), false),
            ("NOREPLICAS", Some(Unavailable::WritesRefused), true),
            ("MISCONF", Some(Unavailable::WritesRefused), true),
            ("OOM", Some(Unavailable::OutOfMemory), true),
            ("NOTMEMBER", None, false),
        ];
        for (code, away, can_read) in rows {
            assert_eq!(Unavailable::from_code(code), *away, "{code}");
            assert_eq!(away.is_some_and(Unavailable::can_read), *can_read, "{code}");
        }
    }

    #[test]
    fn one_answer_is_enough_not_to_be_away() {
        let away = || Err(CommandError::Unavailable(Unavailable::Unreachable));
        assert_eq!(all_unavailable(&[away(), away()]), Some(Unavailable::Unreachable));
        assert_eq!(all_unavailable(&[away(), Ok(Value::Nil)]), None);
        assert_eq!(all_unavailable(&[]), None, "nothing was asked");
    }
}
