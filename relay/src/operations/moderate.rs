//! `mod`, `sanctions`: moderation. The module decides who may do what to whom.

use std::sync::Arc;

use chat_protocol::limits::USER_NAME_MAX;
use chat_protocol::names;
use redis::Value;
use serde::Serialize;

use crate::client::error::Error;
use crate::client::reply::PAGE_BYTES;
use crate::client::request::Request;
use crate::operations::answer::{Answer, Changed, Outcome};
use crate::operations::context::Context;
use crate::operations::messages::blocking;
use crate::operations::messages::notices::notify_of_role;
use crate::operations::rooms::follows::Following;
use crate::operations::table::{Cell, Row, count, table};
use crate::upstream::CommandError;
use crate::upstream::commands::{self, Moderation, Reader, Rows};
use crate::upstream::replies::{Elements, Json, RoomView, integer};

const ACTIONS: [&str; 6] = ["kick", "ban", "unban", "mute", "unmute", "role"];

pub(super) async fn moderate(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let fields = &request.fields;
    let (room, action, user) = (fields.room()?, fields.text("action")?, fields.text("user")?);
    if !ACTIONS.contains(&&*action) {
        return Err(Error::invalid("action", "one of kick, ban, unban, mute, unmute, role"));
    }
    if !names::is_user(&user) {
        return Err(Error::invalid("user", "no user can have this name"));
    }
    let gains = action == "role";
    let role = if gains { Some(fields.text("role")?) } else { None };
    let for_ms = fields.number("for_ms")?;
    let reason = fields.optional_text("reason")?;
    let action_word = action.to_ascii_uppercase();
    let moderation = Moderation {
        room: &room,
        actor: context.user(),
        action: &action_word,
        user: &user,
        role: role.as_deref(),
        for_ms,
        reason: reason.as_deref(),
    };
    let command = commands::moderate(&moderation);
    if let Some(writing) = blocking::write(context, &command, &moderation) {
        return Ok(Answer::of(&Changed { changed: writing.await? }));
    }
    // Only a user who may give roles may add a room to another user's list.
    let following = match gains && may_moderate(context, &room).await? {
        true => Some(Following::of(&user, &room)),
        false => None,
    };
    if let Some(following) = &following {
        following.send(context).await?;
    }
    let outcome = context.ask(command).await;
    if let Some(following) = following {
        match &outcome {
            Ok(_) => following.send(context).await?,
            Err(_) => following.withdraw(context).await?,
        }
    }
    let changed = integer(&outcome?)? != 0;
    if let Some(role) = role.as_deref().filter(|_| changed) {
        notify_of_role(context, &user, &room, role);
    }
    Ok(Answer::of(&Changed { changed }))
}

/// The most rows of a reply, if every row is the longest possible.
const SANCTIONS_MOST: u64 = (PAGE_BYTES / (2 * USER_NAME_MAX + 112)) as u64;

#[derive(Serialize)]
struct SanctionsReply<'a> {
    cursor: Json<'a>,
    sanctions: Vec<Row<'a, Cell>>,
}

pub(super) async fn sanctions(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let room = request.fields.room()?;
    let cursor = request.fields.optional_text("cursor")?;
    let count = count(&request.fields, SANCTIONS_MOST)?;
    let page = Rows { cursor: cursor.as_deref(), count };
    let command = commands::sanctions(&room, page, context.reader());
    let mut reply = Elements::of(context.ask(command).await?)?;
    let cursor = reply.any()?;
    let sanctions = table(reply.list()?, &["user", "banned_until", "muted_until"])?;
    Ok(Answer::of(&SanctionsReply { cursor: Json(&cursor), sanctions }))
}

async fn may_moderate(context: &Context, room: &str) -> Result<bool, Error> {
    if context.caller.is_backend() {
        return Ok(true);
    }
    let asked = commands::room(room, Reader::User(context.user()));
    let seen: Value = match context.hub.upstream.call_one(asked).await {
        Ok(seen) => seen,
        // The command itself will be refused.
        Err(CommandError::Refused(_)) => return Ok(false),
        Err(CommandError::Unavailable(away)) => return Err(away.into()),
    };
    Ok(matches!(RoomView::read(&seen).role.as_deref(), Some("owner" | "moderator")))
}
