//! The answer of the store about a user, and what it means for one token.

use chat_protocol::close_code;
use chat_protocol::error_code::ErrorCode;
use chat_protocol::id::Id;

use crate::auth::{Identity, LoginError};
use crate::client::connection::Connection;
use crate::client::error::{Argument, Error};
use crate::upstream::replies::{field, id, integer};
use crate::upstream::{CommandError, Reply};

/// What `CHAT.ROOM_RO @user AS user` says of the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The end of the suspension, milliseconds since the epoch, 0: it has none. `None`: not
    /// suspended.
    pub suspended_until: Option<u64>,
    /// Tokens that were issued before this are void, milliseconds since the epoch; 0: none is.
    pub tokens_after: u64,
    /// The newest id of the personal room. Later events are not in this answer.
    pub at: Id,
}

/// Why a user may do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The token was issued before `tokens_after`.
    Revoked,
    /// The user is suspended.
    Suspended {
        /// Milliseconds since the epoch; 0: for ever.
        until_ms: u64,
    },
    /// The store cannot be asked now. This says nothing about the user.
    Away,
}

impl Refusal {
    /// As the outcome of a login. `None`: it has no outcome yet.
    pub(crate) fn login_error(self) -> Option<LoginError> {
        match self {
            Refusal::Revoked => Some(LoginError::Revoked),
            Refusal::Suspended { .. } => Some(LoginError::Suspended),
            Refusal::Away => None,
        }
    }

    /// The error of a request without a connection that could be closed.
    pub(crate) fn error(self) -> Error {
        match self {
            Refusal::Revoked => Error::unauthorised("revoked", "the token is revoked"),
            Refusal::Suspended { until_ms } => {
                let argument = Some(("until_ms", Argument::Number(until_ms)));
                Error { argument, ..Error::new(ErrorCode::Banned, "the user is suspended") }
            }
            Refusal::Away => Error::unavailable(),
        }
    }

    /// Closes a connection of this user, unless nothing is known of the user.
    pub(crate) fn close(self, connection: &Connection) {
        match self {
            Refusal::Revoked => {
                connection.refuse(close_code::EXPIRED, LoginError::Revoked.what());
            }
            Refusal::Suspended { until_ms } => connection.suspend(until_ms),
            Refusal::Away => {}
        }
    }
}

impl Standing {
    /// Reads the reply. Error: it is no answer.
    pub(crate) fn read(reply: &Reply) -> Result<Standing, Refusal> {
        match reply {
            Ok(room) => {
                let tokens_after = field(room, "tokens_after").map(integer);
                let last = field(room, "last").cloned().map(id);
                let (Some(Ok(tokens_after)), Some(Ok(at))) = (tokens_after, last) else {
                    return Err(Refusal::Away);
                };
                // OK because the module stores no negative time.
                let tokens_after = u64::try_from(tokens_after).unwrap_or(u64::MAX);
                Ok(Standing { suspended_until: None, tokens_after, at })
            }
            // Nothing is said of a user whose room is not there, or is something else.
            Err(CommandError::Refused(error))
                if error.is(ErrorCode::NoRoom) || error.code == "WRONGTYPE" =>
            {
                Ok(Standing::default())
            }
            Err(CommandError::Refused(error)) if error.is(ErrorCode::Banned) => {
                Ok(Standing { suspended_until: Some(until(error)), ..Standing::default() })
            }
            Err(_) => Err(Refusal::Away),
        }
    }

    /// Whether the user may act with this token; `None`: the user has none, so none can be void.
    pub(crate) fn admits(&self, identity: Option<&Identity>) -> Result<(), Refusal> {
        if let Some(until_ms) = self.suspended_until {
            return Err(Refusal::Suspended { until_ms });
        }
        match identity {
            Some(identity) if is_void(identity.issued_at, self.tokens_after) => {
                Err(Refusal::Revoked)
            }
            _ => Ok(()),
        }
    }
}

/// Whether a token of this second was issued before `tokens_after`, or may have been: of the second
/// in which `tokens_after` lies all tokens are void. A token that does not say when it was issued is
/// older than any time.
fn is_void(issued_at: Option<u64>, tokens_after: u64) -> bool {
    tokens_after != 0 && issued_at.is_none_or(|second| second <= tokens_after / 1000)
}

fn until(error: &Error) -> u64 {
    match error.argument {
        Some((_, Argument::Number(until_ms))) => until_ms,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::*;
    use crate::upstream::Unavailable;

    fn map(fields: &[(&str, Value)]) -> Reply {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        Ok(Value::Map(fields.iter().map(|(name, value)| (text(name), value.clone())).collect()))
    }

    fn refused(code: &str, details: &str) -> Reply {
        Err(CommandError::Refused(Error::from_reply(code, details)))
    }

    #[test]
    fn a_reply_is_an_answer_or_none() {
        let (n, last) = (Value::Int(5), Value::BulkString(b"7-3".to_vec()));
        let suspended = |until| Standing { suspended_until: Some(until), ..Standing::default() };
        let plain = Standing { tokens_after: 5, at: Id { ms: 7, n: 3 }, ..Standing::default() };
        let rows = [
            (map(&[("tokens_after", n.clone()), ("last", last)]), Ok(plain), "a room"),
            (map(&[("tokens_after", n)]), Err(Refusal::Away), "without a place"),
            (map(&[]), Err(Refusal::Away), "a server that does not know of it"),
            (Ok(Value::Nil), Err(Refusal::Away), "another shape"),
            (refused("NOROOM", ""), Ok(Standing::default()), "no room"),
            (refused("WRONGTYPE", "x"), Ok(Standing::default()), "no room of ours"),
            (refused("BANNED", "17"), Ok(suspended(17)), "suspended for a time"),
            (refused("BANNED", "0"), Ok(suspended(0)), "for ever"),
            (refused("NOPERM", "x"), Err(Refusal::Away), "the relay may not ask"),
            (Err(Unavailable::Unreachable.into()), Err(Refusal::Away), "no answer"),
        ];
        for (reply, expected, why) in rows {
            assert_eq!(Standing::read(&reply), expected, "{why}");
        }
    }

    #[test]
    fn a_token_of_the_second_of_tokens_after_is_void() {
        let rows = [
            (Some(99), 100_000, true, "before"),
            (Some(100), 100_000, true, "perhaps before"),
            (Some(100), 100_999, true, "the same second"),
            (Some(101), 100_999, false, "after"),
            (None, 1, true, "it does not say when"),
            (None, 0, false, "nothing is revoked"),
            (Some(0), 0, false, "nothing is revoked"),
            (Some(u64::MAX), u64::MAX, false, "the last second"),
        ];
        for (issued_at, tokens_after, void, why) in rows {
            assert_eq!(is_void(issued_at, tokens_after), void, "{why}");
        }
    }
}
