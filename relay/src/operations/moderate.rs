//! `mod`: moderation. The module decides who may do what to whom.

use std::sync::Arc;

use chat_protocol::names;
use redis::Value;

use crate::client::error::Error;
use crate::client::request::Request;
use crate::operations::answer::{Answer, Changed, Outcome};
use crate::operations::context::Context;
use crate::operations::follows::Following;
use crate::upstream::CommandError;
use crate::upstream::commands::{self, Moderation, Reader};
use crate::upstream::replies::{RoomView, integer};

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
    let command = commands::moderate(&Moderation {
        room: &room,
        actor: context.user(),
        action: &action.to_ascii_uppercase(),
        user: &user,
        role: role.as_deref(),
        for_ms,
        reason: reason.as_deref(),
    });
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
    Ok(Answer::of(&Changed { changed }))
}

async fn may_moderate(context: &Context, room: &str) -> Result<bool, Error> {
    let asked = commands::room(room, Reader::User(context.user()));
    let seen: Value = match context.hub.upstream.call_one(asked).await {
        Ok(seen) => seen,
        // The command itself will be refused.
        Err(CommandError::Refused(_)) => return Ok(false),
        Err(CommandError::Unavailable(away)) => return Err(away.into()),
    };
    Ok(matches!(RoomView::read(&seen).role.as_deref(), Some("owner" | "moderator")))
}
