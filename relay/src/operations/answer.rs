//! How an operation is answered, and the objects that several operations answer with.

use chat_protocol::id::Id;
use serde::Serialize;

use crate::client::error::Error;
use crate::client::json;

/// What an operation returns.
pub(super) type Outcome = Result<Answer, Error>;

/// How an operation was answered.
pub(super) enum Answer {
    /// With this JSON object.
    Ok(String),
    /// It has been sent.
    Sent,
    /// It waits for Redis and will be answered later.
    Later,
}

impl Answer {
    /// The answer of this object.
    pub(super) fn of(object: &impl Serialize) -> Answer {
        Answer::Ok(json::write(object))
    }
}

/// Nothing but that it is done.
#[derive(Serialize)]
pub(super) struct Done {}

/// The id of what was stored; null: nothing was.
#[derive(Serialize)]
pub(super) struct Stored {
    #[serde(serialize_with = "json::some_id")]
    pub(super) id: Option<Id>,
}

/// Whether anything has changed.
#[derive(Serialize)]
pub(super) struct Changed {
    pub(super) changed: bool,
}

/// One entry of many was refused.
#[derive(Serialize)]
pub(super) struct Refused<'a> {
    pub(super) error: &'a Error,
}
