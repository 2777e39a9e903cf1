//! `edit`, `delete`, `react`: what happens to a message afterwards.

use std::sync::Arc;

use redis::Cmd;

use super::{Answer, Context, Outcome, notices};
use crate::client::request::Request;
use crate::upstream::replies::{id, integer};

pub(super) async fn edit(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let mut command = about_message("CHAT.EDIT", context, &request)?;
    command.arg(&*request.fields.text("text")?);
    if let Some(meta) = request.fields.object("meta")? {
        command.arg("META").arg(meta);
    }
    notices::check_block(context, &request.fields.room()?).await?;
    Ok(Answer::Ok(format!("\"id\":\"{}\"", id(context.ask(command).await?)?)))
}

pub(super) async fn delete(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let mut command = about_message("CHAT.DELETE", context, &request)?;
    if let Some(reason) = request.fields.optional_text("reason")? {
        command.arg("REASON").arg(&*reason);
        notices::check_block(context, &request.fields.room()?).await?;
    }
    Ok(Answer::Ok(format!("\"id\":\"{}\"", id(context.ask(command).await?)?)))
}

pub(super) async fn react(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let mut command = about_message("CHAT.REACT", context, &request)?;
    command.arg(&*request.fields.text("emoji")?);
    if request.fields.flag("remove")? {
        command.arg("REMOVE");
    } else {
        notices::check_block(context, &request.fields.room()?).await?;
    }
    let changed = integer(&context.ask(command).await?)? != 0;
    Ok(Answer::Ok(format!("\"changed\":{changed}")))
}

/// `<command> room user id`.
fn about_message(
    name: &str,
    context: &Context,
    request: &Request<'_>,
) -> Result<Cmd, crate::client::error::Error> {
    let mut command = redis::cmd(name);
    command.arg(&*request.fields.room()?).arg(context.user());
    command.arg(request.fields.needed_id("id")?.to_string());
    Ok(command)
}
