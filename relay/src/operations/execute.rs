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
use crate::operations::context::Context;
use crate::operations::measure::Measure;
use crate::operations::scopes::{MODERATE, NOTHING, Need, READ, ROOM, SEND};
use crate::operations::{
    auth, contacts, edit, inbox, leave, measure, moderate, queries, resume, scopes, send, signal,
    subscribe,
};
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
    run: for<'a> fn(&'a Arc<Context>, Request<'a>) -> Running<'a>,
}

macro_rules! operations {
    ($($name:literal $cost:ident $need:ident => $run:path;)*) => {
        const OPERATIONS: &[Operation] = &[$(Operation {
            name: $name,
            cost: $cost,
            need: $need,
            run: |context, request| Box::pin($run(context, request)),
        }),*];
    };
}

const ONE: fn(&Fields<'_>) -> usize = |_| 1;
const LIST: fn(&Fields<'_>) -> usize = |_| inbox::INBOX_COST;
const PER_ROOM: fn(&Fields<'_>) -> usize = |fields| fields.entries("rooms").max(1);
const PER_USER: fn(&Fields<'_>) -> usize = |fields| fields.entries("users").max(1);

operations! {
    "auth" ONE NOTHING => auth::auth;
    "join" ONE SEND => subscribe::join;
    "subscribe" ONE READ => subscribe::subscribe;
    "resume" PER_ROOM READ => resume::resume;
    "leave" ONE SEND => leave::leave;
    "unsubscribe" ONE READ => leave::unsubscribe;
    "send" ONE SEND => send::send;
    "edit" ONE SEND => edit::edit;
    "delete" ONE SEND => edit::delete;
    "react" ONE SEND => edit::react;
    "read" ONE READ => inbox::read;
    "unread" PER_ROOM READ => inbox::unread;
    "inbox" LIST READ => inbox::inbox;
    "mod" ONE MODERATE => moderate::moderate;
    "signal" ONE SEND => signal::signal;
    "status" ONE READ => signal::status;
    "ping" ONE READ => signal::ping;
    "history" ONE READ => queries::history;
    "members" ONE READ => queries::members;
    "who" ONE READ => queries::who;
    "online" PER_ROOM READ => queries::online;
    "rooms" ONE READ => queries::rooms;
    "room" ONE ROOM => queries::room;
    "profiles" PER_USER READ => contacts::profiles;
}

/// Registers the metrics of all operations.
pub(crate) fn register_metrics() {
    measure::register(OPERATIONS.iter().map(|operation| operation.name));
}

/// Executes one text message and answers it. If the future is dropped, commands that it has sent
/// run, but their replies are lost.
pub(crate) async fn execute(context: Arc<Context>, text: impl AsRef<str>) {
    #[cfg(test)]
    assert_ne!(text.as_ref(), "panic", "as a test wants it");
    let request = match Request::parse(text.as_ref()) {
        Ok(request) => request,
        Err((reference, error)) => {
            let measure = Measure::begin("", Instant::now());
            return answer(&context, measure, reference, take(&context, 1).and(Err(error)));
        }
    };
    let measure = Measure::begin(&request.op, request.begun);
    let reference = request.reference;
    let run = async |request| answer(&context, measure, reference, run(&context, request).await);
    match trace(&request.fields) {
        Ok(None) => run(request).await,
        // Boxed: few requests have a trace, and each would be that much larger.
        Ok(Some(trace)) => Box::pin(run(request).instrument(trace.span())).await,
        Err(error) => answer(&context, measure, reference, take(&context, 1).and(Err(error))),
    }
}

/// The trace that the request belongs to, by its field `trace`.
fn trace(fields: &Fields<'_>) -> Result<Option<TraceId>, Error> {
    let Some(traceparent) = fields.optional_text("trace")? else { return Ok(None) };
    let trace = Some(&*traceparent).filter(|text| text.len() <= TRACE_MAX).and_then(TraceId::parse);
    trace.map(Some).ok_or_else(|| Error::invalid("trace", "not a traceparent of W3C Trace Context"))
}

fn answer(context: &Context, measure: Measure, reference: &RawValue, outcome: Outcome) {
    match outcome {
        Ok(Answer::Later) => {}
        Ok(Answer::Sent) => measure.end(&context.connection, None),
        Ok(Answer::Ok(object)) => {
            context.connection.send_text(&reply::ok(reference, &object));
            measure.end(&context.connection, None);
        }
        Err(error) => {
            context.connection.send_text(&reply::error(reference, &error));
            measure.end(&context.connection, Some(&error));
        }
    }
}

async fn run(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let operation = OPERATIONS.iter().find(|operation| operation.name == request.op);
    // Refused requests count too.
    take(context, operation.map_or(1, |operation| (operation.cost)(&request.fields)))?;
    let operation = operation.ok_or_else(|| Error::invalid("op", "no such operation"))?;
    scopes::check(context, operation.need, &request.fields)?;
    // A send waits for the answer, and `auth` asks by itself.
    if !context.connection.is_admitted() && !matches!(operation.name, "auth" | "ping" | "send") {
        context.may_act().await.map_err(|_| Error::unavailable())?;
    }
    (operation.run)(context, request).await
}

fn take(context: &Context, cost: usize) -> Result<(), Error> {
    context.allowance.take(cost, Instant::now()).map_err(Error::ratelimit)
}
