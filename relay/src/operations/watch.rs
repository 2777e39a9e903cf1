//! `watch`, `unwatch`: the events of all rooms whose names match a pattern.
//!
//! A watcher reads as the backend does: membership, bans and the rooms of the token do not count, only
//! the patterns of the token. The answer of `watch` comes when the relay knows where each of the rooms
//! is, so that nothing that is stored after it is missed.

use std::borrow::Cow;
use std::sync::Arc;

use chat_protocol::error_code::ErrorCode;
use chat_protocol::glob::Pattern;

use crate::client::error::Error;
use crate::client::json;
use crate::client::reply;
use crate::client::request::{Fields, Request};
use crate::operations::answer::{Answer, Done, Outcome};
use crate::operations::context::Context;
use crate::operations::measure::Measure;
use crate::operations::scopes;
use crate::watch::{self, Refused};

/// After how many milliseconds to ask again, if the answers to many requests are still to come.
const IMPATIENT_MS: u64 = 1_000;

pub(super) async fn watch(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let (hub, connection) = (&context.hub, &context.connection);
    let (name, pattern) = pattern(&request.fields)?;
    if !may_watch(context, &name) {
        return Err(scopes::denied());
    }
    let (receiver, reference) = (connection.clone(), request.reference.to_owned());
    let measure = Measure::of("watch", request.begun);
    let answer = move |outcome: Result<(), Error>| {
        measure.end(&receiver, outcome.as_ref().err());
        let text = match outcome {
            Ok(()) => reply::ok(&reference, &json::write(&Done {})),
            Err(error) => reply::error(&reference, &error),
        };
        receiver.answer_waiting(&reference, &text);
    };
    let name: Arc<str> = name.into();
    // From then on both ways may bring an event of a room that the connection receives.
    let noted = || {
        for room in connection.rooms().iter().filter_map(|room| hub.room(room)) {
            room.note_watching(connection);
        }
    };
    connection.wait_for_answer(request.reference);
    let (wanted, answer) = ((name.clone(), pattern), Box::new(answer));
    watch::begin(&hub.watches, &hub.upstream, connection, wanted, noted, answer).map_err(
        |refused| {
            connection.forget_waiting(request.reference);
            refusal(refused)
        },
    )?;
    // A newer credential may have come meanwhile, from the application.
    if !may_watch(context, &name) {
        hub.watches.refuse(connection, &name, &scopes::denied());
    }
    Ok(Answer::Later)
}

fn refusal(refused: Refused) -> Error {
    let message = match refused {
        Refused::OfConnection => "the connection watches as many patterns as it may",
        Refused::OfRelay => "the connections of this relay watch too many different patterns",
        Refused::Impatient => return Error::ratelimit(IMPATIENT_MS),
    };
    Error::new(ErrorCode::Denied, message)
}

pub(super) async fn unwatch(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let (name, _) = pattern(&request.fields)?;
    context.hub.watches.end(&context.connection, &name);
    Ok(Answer::of(&Done {}))
}

/// Ends watching what a new credential does not allow, with a frame `watch` for each pattern.
pub(super) fn end_forbidden(context: &Context) {
    let connection = &context.connection;
    for pattern in connection.patterns() {
        if !may_watch(context, &pattern) {
            context.hub.watches.refuse(connection, &pattern, &scopes::denied());
        }
    }
}

fn pattern<'a>(fields: &Fields<'a>) -> Result<(Cow<'a, str>, Pattern), Error> {
    let name = fields.text("match")?;
    if name.is_empty() {
        return Err(Error::invalid("match", "a pattern is not empty"));
    }
    let pattern = Pattern::parse(name.as_bytes());
    let pattern = pattern.map_err(|invalid| Error::invalid(invalid.what, invalid.hint))?;
    Ok((name, pattern))
}

fn may_watch(context: &Context, pattern: &str) -> bool {
    context.connection.identity().is_none_or(|identity| identity.may_watch(pattern))
}
