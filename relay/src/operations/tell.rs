//! `signal`, `status`, `ping`: what is told and not stored.

use std::sync::Arc;

use super::{Answer, Context, Outcome};
use crate::figures::FIGURES;
use crate::hub::now_ms;
use crate::presence;
use crate::protocol::{Failure, Request};

pub(super) async fn signal(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let room = request.fields.room()?;
    let name = request.fields.text("name")?;
    let data = request.fields.object("data")?;
    // Typing is told on every key press; the others need it once in a while.
    if let Some(followed) = context.hub.room(&room)
        && !followed.may_signal(context.user(), &name)
    {
        FIGURES.signals_throttled.increment(1);
        return Ok(Answer::Ok(String::new()));
    }
    let mut command = redis::cmd("CHAT.SIGNAL");
    command.arg(&*room).arg(context.user()).arg(&*name);
    if let Some(data) = data {
        command.arg(data);
    }
    context.ask(command).await?;
    Ok(Answer::Ok(String::new()))
}

pub(super) async fn status(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let status = request.fields.text("status")?;
    let before = context.connection.status();
    context.connection.set_status(&status);
    let ttl = context.hub.config.presence_ttl.as_millis();
    let commands = context
        .connection
        .seats()
        .iter()
        .map(|seat| presence::present(&seat.room.name, &context.connection, ttl))
        .collect();
    let mut refused = None;
    for reply in context.hub.upstream.call(commands).await? {
        if let Err(error) = reply {
            let failure = Failure::from(error);
            if failure.code != "NOROOM" {
                refused = Some(failure);
            }
        }
    }
    match refused {
        None => Ok(Answer::Ok(String::new())),
        Some(failure) => {
            context.connection.set_status(before.as_deref().unwrap_or(""));
            Err(failure)
        }
    }
}

pub(super) async fn ping(_: &Arc<Context>, request: Request<'_>) -> Outcome {
    let ts = match request.fields.number("ts")? {
        Some(_) => request.fields.raw("ts").unwrap_or("null").to_owned(),
        None => now_ms().to_string(),
    };
    Ok(Answer::Ok(format!("\"ts\":{ts}")))
}
