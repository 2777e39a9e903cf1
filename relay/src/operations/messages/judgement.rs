//! What a send keeps of its judgement between its attempts.

use chat_protocol::error_code::ErrorCode;
use chat_protocol::id::Id;
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use crate::client::error::{Argument, Error};
use crate::send_hook::{Question, Words};
use crate::upstream::{Command, CommandError};

/// What the steps before a command have led to.
pub(in crate::operations) enum Decided {
    /// The message is stored already.
    Stored(Id),
    /// The service accepts these words.
    Accepted(Words),
    /// Nothing is to be judged: the room is not hooked, or the store refuses this anyway.
    NotHooked,
}

/// The steps, while they run in a task.
pub(super) type Deciding = JoinHandle<Result<Decided, CommandError>>;

/// How far a send is.
pub(super) enum State {
    /// It is not known whether the room is hooked.
    Unknown,
    /// The room is hooked, and nobody was asked yet.
    Hooked,
    /// The question is on its way.
    Asked(Deciding),
    /// The service accepts it so, or it is refused.
    Judged(Result<Command, Error>),
}

/// The judgement of one send.
pub(in crate::operations) struct Judgement {
    /// The question about it.
    pub(super) question: Question,
    /// How far it is.
    pub(super) state: Mutex<State>,
}

impl Judgement {
    /// A send that nobody has judged.
    pub(super) fn new(question: Question) -> Judgement {
        Judgement { question, state: Mutex::new(State::Unknown) }
    }
}

/// Whether the store refused this because nobody has judged it.
pub(super) fn is_unjudged(error: &Error) -> bool {
    error.is(ErrorCode::Denied) && is_about(error, "hook")
}

/// Whether the argument of the error is this word.
pub(super) fn is_about(error: &Error, what: &str) -> bool {
    matches!(&error.argument, Some((_, Argument::Word(word))) if word == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_refusal_of_nohook_begins_again() {
        let rows = [
            (Error::from_reply("DENIED", "hook"), true),
            (Error::from_reply("DENIED", "backend"), false),
            (Error::from_reply("INVALID", "hook - yes or no"), false),
            (Error::from_reply("NOROOM", "no such room"), false),
        ];
        for (error, expected) in rows {
            assert_eq!(is_unjudged(&error), expected, "{error:?}");
        }
    }
}
