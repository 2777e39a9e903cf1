//! What becomes of a command: each command of a pipeline has an outcome of its own.

use redis::Value;

use crate::client::error::Failure;

/// The outcome of one command.
pub(crate) type Reply = Result<Value, Failed>;

/// Why a command has no value.
#[derive(Clone, Debug)]
pub enum Failed {
    /// The server refused it for what it says: it has changed nothing.
    Refused(Failure),
    /// It was not answered, or not now. This says nothing about what it asked for.
    Away(Away),
}

/// Why a command was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Away {
    /// Redis could not be asked, or did not answer: whether the command ran is unknown.
    #[error("Redis is away")]
    Unreachable,
    /// The server serves nothing now (loading, busy, moving, demoted): the command did not run.
    #[error("Redis cannot serve this now")]
    NotNow,
    /// The server refuses writes now; reading goes on. The command did not run.
    #[error("Redis refuses writes now")]
    Writes,
    /// The server refuses what needs memory; the command did not run.
    #[error("Redis is out of memory")]
    Memory,
}

impl Away {
    /// What an error code says about the server, if it says nothing about the command.
    pub fn from_code(code: &str) -> Option<Away> {
        match code {
            "LOADING" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN" | "BUSY" | "READONLY" => {
                Some(Away::NotNow)
            }
            "NOREPLICAS" | "MISCONF" => Some(Away::Writes),
            "OOM" => Some(Away::Memory),
            _ => None,
        }
    }

    /// Whether only writing is refused.
    pub fn can_read(self) -> bool {
        matches!(self, Away::Writes | Away::Memory)
    }
}

impl Failed {
    /// Whether only writing is refused, and only for now.
    pub fn can_read(&self) -> bool {
        matches!(self, Failed::Away(away) if away.can_read())
    }
}

/// Why none of these commands was answered, if none was.
pub(crate) fn all_away(replies: &[Reply]) -> Option<Away> {
    let mut away = None;
    for reply in replies {
        match reply {
            Err(Failed::Away(why)) => away = Some(*why),
            _ => return None,
        }
    }
    away
}

impl From<Away> for Failed {
    fn from(away: Away) -> Failed {
        Failed::Away(away)
    }
}

impl From<Away> for Failure {
    fn from(away: Away) -> Failure {
        match away {
            Away::Unreachable => Failure::unavailable(),
            Away::NotNow => Failure::new("UNAVAILABLE", "Redis cannot serve this now; try again"),
            Away::Writes => Failure::new("UNAVAILABLE", "Redis refuses writes now; try again"),
            Away::Memory => Failure::new("OOM", "Redis is out of memory"),
        }
    }
}

impl From<Failed> for Failure {
    fn from(failed: Failed) -> Failure {
        match failed {
            Failed::Refused(failure) => failure,
            Failed::Away(away) => away.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_what_still_works() {
        let rows: &[(&str, Option<Away>, bool)] = &[
            ("LOADING", Some(Away::NotNow), false),
            ("BUSY", Some(Away::NotNow), false),
            ("READONLY", Some(Away::NotNow), false),
            ("NOREPLICAS", Some(Away::Writes), true),
            ("MISCONF", Some(Away::Writes), true),
            ("OOM", Some(Away::Memory), true),
            ("NOTMEMBER", None, false),
        ];
        for (code, away, can_read) in rows {
            assert_eq!(Away::from_code(code), *away, "{code}");
            assert_eq!(away.is_some_and(Away::can_read), *can_read, "{code}");
        }
    }

    #[test]
    fn one_answer_is_enough_not_to_be_away() {
        let away = || Err(Failed::Away(Away::Unreachable));
        assert_eq!(all_away(&[away(), away()]), Some(Away::Unreachable));
        assert_eq!(all_away(&[away(), Ok(Value::Nil)]), None);
        assert_eq!(all_away(&[]), None, "nothing was asked");
    }
}
