//! Notices in personal rooms about what happened in other rooms, and blocking.
//!
//! A notice is the backend's signal `notice` in `@user`, sent after something was stored. It may be
//! lost without harm, because `inbox` and `unread` show the same; so nothing waits for it.

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

/// The other user of a direct room. None: it is no direct room of this user.
pub(in crate::operations) fn other_side<'a>(user: &str, room: &'a str) -> Option<&'a str> {
    match room_kind(room)? {
        RoomKind::Direct(first, second) if first == user => Some(second),
        RoomKind::Direct(first, second) if second == user => Some(first),
        _ => None,
    }
}

/// Refuses with `BANNED` what would reach the other side of a direct room whose user blocks this
/// one.
pub(in crate::operations) async fn check_block(
    context: &Context,
    room: &str,
) -> Result<(), CommandError> {
    let Some(other) = other_side(context.user(), room) else { return Ok(()) };
    let asked = commands::room(&format!("@{other}"), Reader::User(context.user()));
    match read_access(context.hub.upstream.call_one(asked).await) {
        Access::Denied(error) if error.is(ErrorCode::Banned) => Err(CommandError::Refused(error)),
        // A personal room is closed to other users anyway, and it may not exist.
        Access::Denied(_) | Access::Granted => Ok(()),
        Access::Unknown(error) => Err(error),
    }
}

/// Notifies the other side of a direct room, or else the mentioned users, of a stored message.
pub(in crate::operations) fn notify_of_message(
    context: &Arc<Context>,
    room: &str,
    id: Id,
    mentions: &[String],
) {
    let other = other_side(context.user(), room);
    let mut recipients: Vec<(String, &'static str)> = Vec::new();
    recipients.extend(other.map(|other| (other.to_owned(), "direct")));
    for user in mentions {
        let known = recipients.iter().any(|(known, _)| known == user);
        if !known && **user != *context.user() {
            recipients.push((user.clone(), "mention"));
        }
    }
    if recipients.is_empty() {
        return;
    }
    let (context, room) = (context.clone(), room.to_owned());
    tokio::spawn(async move { notify(&context, &room, id, recipients).await });
}

async fn notify(
    context: &Context,
    room: &str,
    id: Id,
    mut recipients: Vec<(String, &'static str)>,
) {
    // The message as stored: a repeated nonce returns the id of the first send, which may mention
    // other users. This read also shows whether the sender may still read the room.
    let (sender, one) = (context.reader(), Bounds { count: Some(1), bytes: None });
    let mut asked = vec![commands::history(room, Part::Around(id), one, sender)];
    asked.extend(recipients.iter().flat_map(|(user, _)| {
        // Whether the recipients block this user, and whether they may read the room.
        [commands::room(&format!("@{user}"), sender), commands::room(room, Reader::User(user))]
    }));
    let mut replies = context.hub.upstream.call(asked).await.into_iter();
    let Some(Ok(page)) = replies.next() else { return };
    let Some(mentioned) = mentioned(page, id) else { return };
    recipients.retain(|(user, kind)| {
        let lets_in = replies.next().map(read_access).is_some_and(|answer| match answer {
            Access::Granted => true,
            Access::Denied(error) => !error.is(ErrorCode::Banned),
            Access::Unknown(_) => false,
        });
        let may_read = replies.next().is_some_and(|reply| reply.is_ok());
        lets_in && may_read && (*kind == "direct" || mentioned.contains(user))
    });
    if recipients.is_empty() {
        return;
    }
    let notices = recipients.iter().map(|(user, kind)| {
        notice(user, &Notice { from: Some(context.user()), id: Some(id), ..Notice::of(kind, room) })
    });
    let _ = context.hub.upstream.call(notices.collect()).await;
}

/// The users whom the stored message mentions. None: it does not exist any more.
fn mentioned(page: Value, id: Id) -> Option<Vec<String>> {
    let page = Page::read(page).ok()?;
    let event: serde_json::Value = serde_json::from_slice(page.events.first()?).ok()?;
    let mentions = event["mentions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = mentions.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    (event["id"] == id.to_string() && event["deleted"].is_null()).then_some(names)
}

/// Notifies the user's other connections of the read cursor.
pub(in crate::operations) fn notify_of_reading(
    context: &Arc<Context>,
    room: &str,
    cursor: Id,
    unread: i64,
) {
    let data = Notice { id: Some(cursor), unread: Some(unread), ..Notice::of("read", room) };
    let notice = notice(context.user(), &data);
    let context = context.clone();
    tokio::spawn(async move { context.hub.upstream.call_one(notice).await });
}

/// Notifies another user of a role that this one has given.
pub(in crate::operations) fn notify_of_role(
    context: &Arc<Context>,
    user: &str,
    room: &str,
    role: &str,
) {
    if *user == *context.user() {
        return;
    }
    let data = Notice { from: Some(context.user()), role: Some(role), ..Notice::of("role", room) };
    let notice = notice(user, &data);
    let asked = commands::room(&format!("@{user}"), context.reader());
    let context = context.clone();
    tokio::spawn(async move {
        // One who blocks this user hears nothing.
        match read_access(context.hub.upstream.call_one(asked).await) {
            Access::Denied(error) if error.is(ErrorCode::Banned) => {}
            Access::Denied(_) | Access::Granted => {
                let _ = context.hub.upstream.call_one(notice).await;
            }
            Access::Unknown(_) => {}
        }
    });
}

/// What a notice says.
#[derive(Serialize)]
struct Notice<'a> {
    kind: &'a str,
    room: &'a str,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "json::display_some")]
    id: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
}

impl<'a> Notice<'a> {
    fn of(kind: &'a str, room: &'a str) -> Notice<'a> {
        Notice { kind, room, id: None, unread: None, from: None, role: None }
    }
}

fn notice(user: &str, data: &Notice<'_>) -> Command {
    commands::signal(&format!("@{user}"), "*", "notice", Some(&json::write(data)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_two_has_an_other_side() {
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
