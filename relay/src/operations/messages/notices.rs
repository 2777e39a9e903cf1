//! Notices in personal rooms about what happened in other rooms.
//!
//! A notice is the backend's signal `notice` in `@user`, sent after something was stored. It may be
//! lost without harm, because `inbox` and `unread` show the same; so nothing waits for it. The reply
//! to the message names who gets one, and the personal room itself refuses what comes from a user
//! whom its user blocks: a notice costs one command.

use std::sync::Arc;

use chat_protocol::id::Id;
use serde::Serialize;

use crate::client::json;
use crate::operations::context::Context;
use crate::operations::messages::blocking::other_side;
use crate::upstream::Command;
use crate::upstream::commands::{self, Reader};
use crate::upstream::replies::Sent;

/// Notifies of a stored message the users whom the store has named.
pub(in crate::operations) fn notify_of_message(context: &Arc<Context>, room: &str, sent: &Sent) {
    if sent.recipients.is_empty() {
        return;
    }
    let other = other_side(context.user(), room);
    let notices = sent.recipients.iter().map(|user| {
        let kind = if other == Some(user.as_str()) { "direct" } else { "mention" };
        let about =
            Notice { from: Some(context.user()), id: Some(sent.id), ..Notice::of(kind, room) };
        notice(user, &about, context.reader())
    });
    let notices = notices.collect();
    let context = context.clone();
    tokio::spawn(async move { context.hub.upstream.call(notices).await });
}

/// Notifies the user's other connections of the read cursor.
pub(in crate::operations) fn notify_of_reading(
    context: &Arc<Context>,
    room: &str,
    cursor: Id,
    unread: i64,
) {
    let data = Notice { id: Some(cursor), unread: Some(unread), ..Notice::of("read", room) };
    let notice = notice(context.user(), &data, Reader::Backend);
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
    let notice = notice(user, &data, context.reader());
    let context = context.clone();
    tokio::spawn(async move { context.hub.upstream.call_one(notice).await });
}

/// What a notice says.
#[derive(Serialize)]
struct Notice<'a> {
    kind: &'a str,
    room: &'a str,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "json::some_id")]
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

/// A notice in the room of `user`, which refuses it if its user blocks `from`.
fn notice(user: &str, data: &Notice<'_>, from: Reader<'_>) -> Command {
    commands::notice(user, &json::write(data), from)
}
