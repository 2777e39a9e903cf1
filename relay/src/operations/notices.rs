//! Notices: what a user is told in the personal room about other rooms, and blocking.
//!
//! A notice is the backend's signal `notice` in `@user`, sent when something is stored already. It
//! may be lost without harm, `inbox` and `unread` tell the same; so nobody waits for it.

use std::sync::Arc;

use chat_protocol::error_code::ErrorCode;
use chat_protocol::id::Id;
use chat_protocol::names::{RoomKind, room_kind};
use redis::Value;
use serde::Serialize;

use crate::client::json;
use crate::hub::access::{Access, read_access};
use crate::operations::context::Context;
use crate::upstream::commands::{self, Bounds, Part, Reader};
use crate::upstream::replies::Page;
use crate::upstream::{Command, CommandError};

/// The other side of a direct room that this user is one of.
pub(super) fn other_side<'a>(user: &str, room: &'a str) -> Option<&'a str> {
    match room_kind(room)? {
        RoomKind::Direct(first, second) if first == user => Some(second),
        RoomKind::Direct(first, second) if second == user => Some(first),
        _ => None,
    }
}

/// Refuses with `BANNED` what would reach the other side of a direct room if that user blocks this
/// one.
pub(super) async fn check_block(context: &Context, room: &str) -> Result<(), CommandError> {
    let Some(other) = other_side(context.user(), room) else { return Ok(()) };
    let asked = commands::room(&format!("@{other}"), Reader::User(context.user()));
    match read_access(context.hub.upstream.call_one(asked).await) {
        Access::Denied(error) if error.is(ErrorCode::Banned) => Err(CommandError::Refused(error)),
        // A personal room is closed to others anyway; it may not even exist.
        Access::Denied(_) | Access::Granted => Ok(()),
        Access::Unknown(error) => Err(error),
    }
}

/// Tells the other side of a direct room, or else those mentioned, of a stored message.
pub(super) fn notify_of_message(context: &Arc<Context>, room: &str, id: Id, mentions: &[String]) {
    let other = other_side(context.user(), room);
    let mut told: Vec<(String, &'static str)> = Vec::new();
    told.extend(other.map(|other| (other.to_owned(), "direct")));
    for user in mentions {
        let known = told.iter().any(|(known, _)| known == user);
        if !known && **user != *context.user() {
            told.push((user.clone(), "mention"));
        }
    }
    if told.is_empty() {
        return;
    }
    let (context, room) = (context.clone(), room.to_owned());
    tokio::spawn(async move { tell(&context, &room, id, told).await });
}

async fn tell(context: &Context, room: &str, id: Id, mut told: Vec<(String, &'static str)>) {
    // The message as it is stored: a repeated nonce answers the id of another send, whoever this one
    // names. And whether its sender is still let in.
    let (sender, one) = (Reader::User(context.user()), Bounds { count: Some(1), bytes: None });
    let mut asked = vec![commands::history(room, Part::Around(id), one, sender)];
    asked.extend(told.iter().flat_map(|(user, _)| {
        // Whether they block this user, and whether they may know of the room at all.
        [commands::room(&format!("@{user}"), sender), commands::room(room, Reader::User(user))]
    }));
    let mut replies = context.hub.upstream.call(asked).await.into_iter();
    let Some(Ok(page)) = replies.next() else { return };
    let Some(mentioned) = mentioned(page, id) else { return };
    told.retain(|(user, kind)| {
        let lets_in = replies.next().map(read_access).is_some_and(|answer| match answer {
            Access::Granted => true,
            Access::Denied(error) => !error.is(ErrorCode::Banned),
            Access::Unknown(_) => false,
        });
        let may_read = replies.next().is_some_and(|reply| reply.is_ok());
        lets_in && may_read && (*kind == "direct" || mentioned.contains(user))
    });
    if told.is_empty() {
        return;
    }
    let notices = told.iter().map(|(user, kind)| {
        notice(user, &Notice { kind, room, id, unread: None, from: Some(context.user()) })
    });
    let _ = context.hub.upstream.call(notices.collect()).await;
}

/// Whom the stored message of this id mentions; None: it is not there any more.
fn mentioned(page: Value, id: Id) -> Option<Vec<String>> {
    let page = Page::read(page).ok()?;
    let event: serde_json::Value = serde_json::from_slice(page.events.first()?).ok()?;
    let mentions = event["mentions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = mentions.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    (event["id"] == id.to_string() && event["deleted"].is_null()).then_some(names)
}

/// Tells the user's other connections how far they have read.
pub(super) fn notify_of_reading(context: &Arc<Context>, room: &str, cursor: Id, unread: i64) {
    let data = Notice { kind: "read", room, id: cursor, unread: Some(unread), from: None };
    let notice = notice(context.user(), &data);
    let context = context.clone();
    tokio::spawn(async move { context.hub.upstream.call_one(notice).await });
}

/// What a notice says.
#[derive(Serialize)]
struct Notice<'a> {
    kind: &'a str,
    room: &'a str,
    #[serde(serialize_with = "json::display")]
    id: Id,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
}

fn notice(user: &str, data: &Notice<'_>) -> Command {
    commands::signal(&format!("@{user}"), "*", "notice", Some(&json::write(data)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_side_is_told_only_to_one_of_the_two() {
        let rows = [
            ("alice", "dm:alice,bob", Some("bob")),
            ("bob", "dm:alice,bob", Some("alice")),
            ("carol", "dm:alice,bob", None),
            ("alice", "lobby", None),
            ("alice", "@bob", None),
        ];
        for (user, room, expected) in rows {
            assert_eq!(other_side(user, room), expected, "{user} in {room}");
        }
    }
}
