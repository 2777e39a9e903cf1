//! `edit`, `delete`, `react`: changing a message that is stored.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::client::request::Request;
use crate::operations::answer::{Answer, Changed, Outcome, Stored};
use crate::operations::context::Context;
use crate::operations::messages::{blocking, judged};
use crate::operations::scopes;
use crate::send_hook::{Question, Words};
use crate::upstream::commands;
use crate::upstream::replies::{id, integer};

pub(in crate::operations) async fn edit(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let fields = &request.fields;
    let (room, message) = (fields.room()?, fields.needed_id("id")?);
    let (text, meta) = (fields.text("text")?, fields.object("meta")?);
    let make = |text: &str, meta: Option<&str>| {
        scopes::changing(context, commands::edit(&room, context.user(), message, text, meta))
    };
    let command = make(&text, meta.map(RawValue::get));
    blocking::check(context, &room).await?;
    let question = || {
        let words = Words { text: Some(text.to_string()), meta: meta.map(RawValue::to_owned) };
        Question { id: Some(message), ..judged::question(context, "edit", &room, words) }
    };
    let judged = |words: &Words| {
        let (text, meta) = (words.text.as_deref(), words.meta.as_deref());
        Ok(make(text.unwrap_or_default(), meta.map(RawValue::get)))
    };
    let edited = judged::ask(context, question, false, command, judged).await;
    let edited = edited.map_err(|error| blocking::as_block(&room, error))?;
    Ok(Answer::of(&Stored { id: Some(id(edited)?) }))
}

pub(in crate::operations) async fn delete(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let fields = &request.fields;
    let (room, message) = (fields.room()?, fields.needed_id("id")?);
    let reason = fields.optional_text("reason")?;
    let command = commands::delete(&room, context.user(), message, reason.as_deref());
    let command = scopes::changing(context, command);
    if reason.is_some() {
        blocking::check(context, &room).await?;
    }
    let deleted = context.ask(command).await;
    let deleted = deleted.map_err(|error| blocking::as_block(&room, error))?;
    Ok(Answer::of(&Stored { id: Some(id(deleted)?) }))
}

pub(in crate::operations) async fn react(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let fields = &request.fields;
    let (room, message) = (fields.room()?, fields.needed_id("id")?);
    let (emoji, user) = (fields.text("emoji")?, context.user());
    let command = if fields.flag("remove")? {
        commands::unreact(&room, user, message, &emoji)
    } else {
        blocking::check(context, &room).await?;
        commands::react(&room, user, message, &emoji)
    };
    let reacted = context.ask(command).await;
    let reacted = reacted.map_err(|error| blocking::as_block(&room, error))?;
    let changed = integer(&reacted)? != 0;
    Ok(Answer::of(&Changed { changed }))
}
