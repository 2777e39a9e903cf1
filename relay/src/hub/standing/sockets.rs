//! Ending the connections of users who may not be here any more: by an event at once, and by an answer
//! where events may have been missed.

use std::sync::Arc;

use chat_protocol::event_header::{EventHeader, Place};
use chat_protocol::names::{RoomKind, room_kind};

use crate::client::connection::Connection;
use crate::client::request::Fields;
use crate::event;
use crate::hub::hub::Hub;
use crate::hub::standing::answer::{Refusal, Standing};
use crate::hub::standing::users::Change;
use crate::upstream::Reply;

/// The user of this personal room.
fn owner(room: &str) -> Option<&str> {
    match room_kind(room)? {
        RoomKind::Personal(owner) => Some(owner),
        _ => None,
    }
}

/// An event of this room has arrived. Ends the connections of its user that may not stay, before the
/// event, or any after it, is delivered.
pub(in crate::hub) fn note_event(hub: &Hub, room: &str, head: &EventHeader<'_>) {
    let (Some(owner), Place::Durable { id, .. }) = (owner(room), head.place) else { return };
    let Some(change) = change(owner, head) else { return };
    hub.kept_answers.forget(owner);
    let (standing, connections) = hub.present_users.note_event(owner, id, change);
    close_refused(&standing, &connections);
}

fn change(owner: &str, head: &EventHeader<'_>) -> Option<Change> {
    match head.kind {
        "room" => {
            let settings = Fields::of(head.raw("data")?);
            Some(Change::TokensAfter(settings.number("tokens_after").ok()??))
        }
        "member" => {
            let is_ban = event::text(head, "kind")? == "ban" && event::text(head, "user")? == owner;
            let until = head.raw("until").and_then(|until| std::str::from_utf8(until).ok());
            is_ban.then(|| Change::Suspended(until.and_then(|ms| ms.parse().ok()).unwrap_or(0)))
        }
        _ => None,
    }
}

/// Events of this room may have been missed: its user is asked for again.
pub(in crate::hub) fn doubt(hub: &Hub, room: &str) {
    if let Some(owner) = owner(room) {
        hub.present_users.doubt(owner);
    }
}

/// Whether the user of this room must be asked for.
pub(in crate::hub) fn is_in_doubt(hub: &Hub, room: &str) -> bool {
    owner(room).is_some_and(|owner| hub.present_users.is_in_doubt(owner))
}

/// A question about the user of a personal room, for all connections of the user.
pub(in crate::hub) struct OwnerCheck {
    /// The user.
    pub(in crate::hub) user: Arc<str>,
    connections: Vec<Arc<Connection>>,
}

/// The question to ask if the user of this room has connections. Those that come later ask for
/// themselves.
pub(in crate::hub) fn owner_check(hub: &Hub, room: &str) -> Option<OwnerCheck> {
    let connections = hub.present_users.connections(owner(room)?);
    let user = connections.first()?.user.clone();
    Some(OwnerCheck { user, connections })
}

impl OwnerCheck {
    /// Ends the connections that may not stay by this reply. `is_subscribed`: when it was asked for,
    /// events of the room arrived, and they still do.
    pub(in crate::hub) fn apply(&self, hub: &Hub, reply: &Reply, is_subscribed: bool) {
        // Without an answer the user stays in doubt.
        let Ok(standing) = Standing::read(reply) else { return };
        close_refused(&standing, &self.connections);
        let others = hub.present_users.note_answer(&self.user, &standing, is_subscribed);
        close_refused(&standing, &others);
        for connection in &self.connections {
            if is_subscribed && connection.ended().is_none() {
                connection.set_admitted(true);
            }
        }
    }
}

/// The reply to the question of a login, about a connection whose user's personal room is subscribed
/// to. A user who may not log in loses it.
pub(crate) fn check_login(
    hub: &Hub,
    connection: &Connection,
    reply: &Reply,
) -> Result<(), Refusal> {
    let standing = Standing::read(reply)?;
    close_refused(&standing, &hub.present_users.note_answer(&connection.user, &standing, false));
    let admitted = standing.admits(connection.identity_of(&connection.user).as_deref());
    admitted.inspect_err(|refusal| refusal.close(connection))
}

/// A connection has another token. If it is void by what has arrived meanwhile, the connection ends.
pub(crate) fn check_new_token(hub: &Hub, connection: &Connection) -> Result<(), Refusal> {
    let checked = hub.present_users.check(connection);
    checked.inspect_err(|refusal| refusal.close(connection))
}

/// A connection has another token, for which the store could not be asked: each request asks, until
/// all connections of the user have been asked for.
pub(crate) fn doubt_token(hub: &Hub, connection: &Connection) {
    connection.set_admitted(false);
    hub.present_users.doubt(&connection.user);
}

fn close_refused(standing: &Standing, connections: &[Arc<Connection>]) {
    for connection in connections {
        let identity = connection.identity_of(&connection.user);
        if let Err(refusal) = standing.admits(identity.as_deref()) {
            refusal.close(connection);
        }
    }
}
