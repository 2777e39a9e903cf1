//! `leave`, `unsubscribe`: ending a membership, or only the subscription to a room.

use std::sync::Arc;

use chat_protocol::names::{RoomKind, room_kind};

use crate::client::error::Error;
use crate::client::request::Request;
use crate::hub::presence;
use crate::operations::answer::{Answer, Done, Outcome};
use crate::operations::context::Context;
use crate::upstream::commands;

pub(in crate::operations) async fn leave(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let (hub, connection) = (&context.hub, &context.connection);
    let room = request.fields.room()?;
    let leave = commands::leave(&room, context.user());
    if room_kind(&room) != Some(RoomKind::Ordinary) {
        // Mostly refused. A refused `leave` must not have changed anything else.
        context.ask(leave.clone()).await?;
    }
    let present = context.caller.receives().then(|| presence::offline_command(&room, connection));
    let mut replies = hub.upstream.call(present.into_iter().chain([leave]).collect()).await;
    if let Some(left) = replies.pop() {
        left?;
    }
    forget(context, &room);
    hub.follow_cache.forget(context.user(), &room);
    let unfollow = commands::unfollow(context.user(), &room);
    // If this is lost, the list has one room too many, which the next `inbox` repairs.
    let _ = hub.upstream.call_one(unfollow).await;
    Ok(Answer::of(&Done {}))
}

pub(in crate::operations) async fn unsubscribe(
    context: &Arc<Context>,
    request: Request<'_>,
) -> Outcome {
    let room = request.fields.room()?;
    if room_kind(&room) == Some(RoomKind::Personal(context.user())) {
        return Err(Error::invalid("room", "one's own personal room stays"));
    }
    if context.connection.is_in(&room) {
        if presence::is_present(&context.connection, &room) {
            let absent = presence::offline_command(&room, &context.connection);
            match context.hub.upstream.call_one(absent).await {
                Err(error) if !error.can_read() => return Err(error.into()),
                // Presence that cannot be ended now is not renewed any more and ends by its TTL.
                _ => {}
            }
        }
        forget(context, &room);
    }
    Ok(Answer::of(&Done {}))
}

fn forget(context: &Context, room: &str) {
    if let Some(room) = context.hub.room_of(&context.connection, room) {
        room.remove(&context.connection);
    }
    context.connection.remove_room(room);
}
