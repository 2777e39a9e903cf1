//! On whose behalf operations run: what differs between a user's connection, a user's request over
//! HTTP, and the backend. Operations ask here instead of asking how they were called.

use crate::client::error::Error;
use crate::upstream::commands::Reader;

/// Who has sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A user with a connection, which receives rooms.
    Connection,
    /// A user who gets the reply and nothing else.
    Request,
    /// The backend, which gets the reply and nothing else.
    Backend,
}

/// What an operation needs of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing.
    Anyone,
    /// A user.
    User,
    /// A connection that receives rooms.
    Connection,
}

impl Caller {
    /// Refuses operations that this caller cannot have.
    pub(super) fn check(self, needs: Needs) -> Result<(), Error> {
        match (needs, self) {
            (Needs::Connection, Caller::Request | Caller::Backend) => {
                Err(Error::invalid("op", "only on a connection that receives events"))
            }
            (Needs::User, Caller::Backend) => {
                Err(Error::invalid("as", "the backend names the user for this"))
            }
            _ => Ok(()),
        }
    }

    /// Who may see what this caller reads as `user`.
    pub(super) fn reader(self, user: &str) -> Reader<'_> {
        match self {
            Caller::Backend => Reader::Backend,
            Caller::Connection | Caller::Request => Reader::User(user),
        }
    }

    /// Whether the backend itself acts, for whom the rules for users do not hold.
    pub(super) fn is_backend(self) -> bool {
        self == Caller::Backend
    }

    /// Whether events can be sent to the caller, and replies later than now.
    pub(super) fn receives(self) -> bool {
        self == Caller::Connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_has_the_caller_that_it_needs() {
        let all = [Caller::Connection, Caller::Request, Caller::Backend];
        let rows = [
            (Needs::Anyone, [true, true, true]),
            (Needs::User, [true, true, false]),
            (Needs::Connection, [true, false, false]),
        ];
        for (needs, expected) in rows {
            assert_eq!(all.map(|caller| caller.check(needs).is_ok()), expected, "{needs:?}");
        }
    }
}
