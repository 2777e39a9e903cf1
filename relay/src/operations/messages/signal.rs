//! `signal`, `status`, `ping`: what is published and not stored.

use std::sync::Arc;
use std::time::Instant;

use chat_protocol::error_code::ErrorCode;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::client::error::Error;
use crate::client::json;
use crate::client::request::Request;
use crate::hub::now_ms;
use crate::hub::presence;
use crate::metrics::METRICS;
use crate::operations::answer::{Answer, Done, Outcome};
use crate::operations::context::Context;
use crate::operations::messages::{blocking, judged};
use crate::send_hook::{Question, Words};
use crate::upstream::{CommandError, all_unavailable, commands};

/// The signal of a user who is writing.
const TYPING: &str = "typing";

pub(in crate::operations) async fn signal(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let room = request.fields.room()?;
    let name = request.fields.text("name")?;
    let data = request.fields.object("data")?;
    let (signals, user) = (&context.hub.signals, &context.connection.user);
    if !context.caller.is_backend() && !signals.admits(user, &room, &name, Instant::now()) {
        METRICS.signals_throttled.increment(1);
        return Ok(Answer::of(&Done {}));
    }
    let make = |data: Option<&str>| commands::signal(&room, context.user(), &name, data);
    let command = make(data.map(RawValue::get));
    let outcome = async {
        blocking::check(context, &room).await?;
        // Without data, and as `typing`, a signal says nothing that could be judged.
        let Some(data) = data.filter(|_| name != TYPING) else { return context.ask(command).await };
        let question = || {
            let words = Words { text: None, meta: Some(data.to_owned()) };
            let kind = Some(name.to_string());
            Question { kind, ..judged::question(context, "signal", &room, words) }
        };
        let judged = |words: &Words| Ok(make(words.meta.as_deref().map(RawValue::get)));
        judged::ask(context, question, false, command, judged).await
    };
    if let Err(error) = outcome.await {
        signals.forget(user, &room, &name);
        return Err(blocking::as_block(&room, error));
    }
    Ok(Answer::of(&Done {}))
}

pub(in crate::operations) async fn status(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let status = request.fields.text("status")?;
    let before = context.connection.status();
    context.connection.set_status(&status);
    let refused = match publish_status(context).await {
        Ok(()) => return Ok(Answer::of(&Done {})),
        Err(error) => error,
    };
    context.connection.set_status(before.as_deref().unwrap_or(""));
    if !refused.is(ErrorCode::Unavailable) {
        // Some rooms may have accepted the status: restore the old one in all of them.
        let _ = publish_status(context).await;
    }
    Err(refused)
}

/// Publishes the connection's status in every room in which it is present.
async fn publish_status(context: &Context) -> Result<(), Error> {
    let (hub, connection) = (&context.hub, &context.connection);
    let ttl = hub.config.presence_ttl;
    let mut rooms = connection.rooms();
    rooms.retain(|room| presence::is_present(connection, room));
    let commands: Vec<_> =
        rooms.iter().map(|room| presence::online_command(room, connection, ttl)).collect();
    if commands.is_empty() {
        return Ok(());
    }
    let mut outcome = Ok(());
    let replies = hub.upstream.call(commands).await;
    if let Some(away) = all_unavailable(&replies) {
        return Err(away.into());
    }
    let mut missed = Vec::new();
    for (room, reply) in rooms.iter().zip(replies) {
        match reply {
            Ok(_) => {}
            // The node of this room is away.
            Err(CommandError::Unavailable(away)) if !away.can_read() => missed.push(room.clone()),
            Err(error) => {
                let error = Error::from(error);
                if !error.is(ErrorCode::NoRoom) {
                    outcome = Err(error);
                }
            }
        }
    }
    if outcome.is_ok() {
        presence::set_in_background(hub, connection, missed);
    }
    outcome
}

#[derive(Serialize)]
struct Pong<'a> {
    ts: &'a RawValue,
}

pub(in crate::operations) async fn ping(_: &Arc<Context>, request: Request<'_>) -> Outcome {
    request.fields.number("ts")?;
    let now = json::raw(&now_ms());
    // A number comes back as it is written.
    let ts = request.fields.value("ts").unwrap_or(&now);
    Ok(Answer::of(&Pong { ts }))
}
