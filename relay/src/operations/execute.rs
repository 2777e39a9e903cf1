//! The table of operations, and executing one request.
//!
//! Each operation maps to the command of its name. What the relay does beside it for other users
//! has a file of its own: lists of rooms (`follows`), notices (`notices`), presence of contacts
//! (`contacts`).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use serde_json::value::RawValue;
use tracing::Instrument;

use crate::client::error::Error;
use crate::client::reply;
use crate::client::request::{Fields, Request};
use crate::operations::answer::{Answer, Outcome};
use crate::operations::caller::Needs;
use crate::operations::context::Context;
use crate::operations::login::auth;
use crate::operations::measure::Measure;
use crate::operations::messages::{edit, send, signal};
use crate::operations::rooms::{inbox, leave, resume, subscribe};
use crate::operations::scopes::{MODERATE, NOTHING, Need, READ, ROOM, SANCTIONS, SEND, VIEW};
use crate::operations::{contacts, measure, moderate, queries, scopes, watch};
use crate::trace::TraceId;

/// The longest field `trace`. Later versions of `traceparent` may be longer than this one's.
const TRACE_MAX: usize = 256;

type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

struct Operation {
    name: &'static str,
    /// How many operations it counts as for the rate limit.
    cost: fn(&Fields<'_>) -> usize,
    /// What a token must allow.
    need: Need,
    /// What it needs of its caller.
    caller: Needs,
    run: for<'a> fn(&'a Arc<Context>, Request<'a>) -> Running<'a>,
}

macro_rules! operations {
    ($($name:literal $cost:ident $need:ident $caller:ident => $run:path;)*) => {
        const OPERATIONS: &[Operation] = &[$(Operation {
            name: $name,
            cost: $cost,
            need: $need,
            caller: Needs::$caller,
            run: |context, request| Box::pin($run(context, request)),
        }),*];
    };
}

const ONE: fn(&Fields<'_>) -> usize = |_| 1;
const LIST: fn(&Fields<'_>) -> usize = |_| inbox::INBOX_COST;
const PER_ROOM: fn(&Fields<'_>) -> usize = |fields| fields.entries("rooms").max(1);
const PER_USER: fn(&Fields<'_>) -> usize = |fields| fields.entries("users").max(1);

operations! {
    "auth" ONE NOTHING Connection => auth::auth;
    "join" ONE SEND User => subscribe::join;
    "subscribe" ONE VIEW Connection => subscribe::subscribe;
    "resume" PER_ROOM VIEW Connection => resume::resume;
    "leave" ONE SEND User => leave::leave;
    "unsubscribe" ONE VIEW Connection => leave::unsubscribe;
    "send" ONE SEND Anyone => send::send;
    "edit" ONE SEND Anyone => edit::edit;
    "delete" ONE SEND Anyone => edit::delete;
    "react" ONE SEND Anyone => edit::react;
    "read" ONE READ User => inbox::read;
    "unread" PER_ROOM READ User => inbox::unread;
    "inbox" LIST READ User => inbox::inbox;
    "mod" ONE MODERATE Anyone => moderate::moderate;
    "sanctions" ONE SANCTIONS Anyone => moderate::sanctions;
    "signal" ONE SEND Anyone => signal::signal;
    "status" ONE READ Connection => signal::status;
    "ping" ONE VIEW Anyone => signal::ping;
    "history" ONE VIEW Anyone => queries::history;
    "members" ONE READ Anyone => queries::members;
    "who" ONE READ Anyone => queries::who;
    "online" PER_ROOM READ Anyone => queries::online;
    "rooms" ONE VIEW Anyone => queries::rooms;
    "room" ONE ROOM Anyone => queries::room;
    "profiles" PER_USER READ Anyone => contacts::profiles;
    "watch" ONE NOTHING Connection => watch::watch;
    "unwatch" ONE NOTHING Connection => watch::unwatch;
}

/// Registers the metrics of all operations.
pub(crate) fn register_metrics() {
    measure::register(OPERATIONS.iter().map(|operation| operation.name));
}

/// Executes one text message, which arrived then, and answers it on the connection. If the future is dropped, commands
/// that it has sent run, but their replies are lost.
pub(crate) async fn execute(context: Arc<Context>, text: impl AsRef<str>, arrived: Instant) {
    let (reference, outcome) = run(&context, text.as_ref(), arrived).await;
    match outcome {
        Ok(Answer::Ok(object)) => context.connection.send(reply::ok_frame(reference, &object)),
        Ok(Answer::Sent | Answer::Later) => {}
        Err(error) => context.connection.send_text(&reply::error(reference, &error)),
    }
}

/// Executes one text message and returns the reply. `None`: the connection gets it.
pub(crate) async fn reply(context: &Arc<Context>, text: &str) -> Option<String> {
    let (reference, outcome) = run(context, text, Instant::now()).await;
    Some(match outcome {
        Ok(Answer::Ok(object)) => reply::ok(reference, &object),
        Ok(Answer::Sent | Answer::Later) => return None,
        Err(error) => reply::error(reference, &error),
    })
}

/// As [`reply()`]: the object of `ok` or the error, for a caller who receives nothing.
pub(crate) async fn outcome(context: &Arc<Context>, text: &str) -> Result<String, Error> {
    match run(context, text, Instant::now()).await.1? {
        Answer::Ok(object) => Ok(object),
        // No operation of such a caller does this.
        Answer::Sent | Answer::Later => Err(Error::unavailable()),
    }
}

/// Executes one text message. Returns its `ref` too.
async fn run<'a>(
    context: &Arc<Context>,
    text: &'a str,
    arrived: Instant,
) -> (&'a RawValue, Outcome) {
    #[cfg(test)]
    assert_ne!(text, "panic", "as a test wants it");
    let request = match Request::arrived(text, arrived) {
        Ok(request) => request,
        Err((reference, error)) => {
            let outcome = take(context, 1, arrived).and(Err(error));
            return (reference, noted(context, Measure::begin(None, arrived), outcome));
        }
    };
    let place = OPERATIONS.iter().position(|operation| operation.name == request.op);
    let measure = Measure::begin(place, arrived);
    let reference = request.reference;
    let run = async |request| {
        let operation = place.map(|place| &OPERATIONS[place]);
        noted(context, measure, run_request(context, operation, request).await)
    };
    let outcome = match trace_of(&request.fields) {
        Ok(None) => run(request).await,
        // Boxed: few requests have a trace, and each would be that much larger.
        Ok(Some(trace)) => Box::pin(run(request).instrument(trace.span())).await,
        Err(error) => noted(context, measure, take(context, 1, arrived).and(Err(error))),
    };
    (reference, outcome)
}

/// The trace that the request belongs to, by its field `trace`.
pub(crate) fn trace_of(fields: &Fields<'_>) -> Result<Option<TraceId>, Error> {
    let Some(traceparent) = fields.optional_text("trace")? else { return Ok(None) };
    let trace = Some(&*traceparent).filter(|text| text.len() <= TRACE_MAX).and_then(TraceId::parse);
    trace.map(Some).ok_or_else(|| Error::invalid("trace", "not a traceparent of W3C Trace Context"))
}

/// Records how an operation was answered, unless that comes later.
fn noted(context: &Context, measure: Measure, outcome: Outcome) -> Outcome {
    if !matches!(outcome, Ok(Answer::Later)) {
        measure.end(&context.connection, outcome.as_ref().err());
    }
    outcome
}

async fn run_request(
    context: &Arc<Context>,
    operation: Option<&Operation>,
    request: Request<'_>,
) -> Outcome {
    // Refused requests count too.
    let cost = operation.map_or(1, |operation| (operation.cost)(&request.fields));
    take(context, cost, request.begun)?;
    let operation = operation.ok_or_else(|| Error::invalid("op", "no such operation"))?;
    context.caller.check(operation.caller)?;
    // The frames before this one may have waited for long.
    if !context.caller.receives() && context.is_expelled() {
        return Err(Error::unauthorised("expired", "the token has expired"));
    }
    scopes::check(context, operation.need, &request.fields)?;
    // A send waits for the answer, and `auth` asks by itself.
    if !context.connection.is_admitted() && !matches!(operation.name, "auth" | "ping" | "send") {
        // Boxed: it is rare, and each request would be that much larger.
        Box::pin(context.may_act()).await.map_err(|refusal| context.turned_away(refusal))?;
    }
    (operation.run)(context, request).await
}

fn take(context: &Context, cost: usize, now: Instant) -> Result<(), Error> {
    context.allowance.take(cost, now).map_err(Error::ratelimit)
}
