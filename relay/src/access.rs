//! Who may still receive a room, asked where that changes.
//!
//! An event that takes somebody out of a room does so by itself, as it is delivered (`room.rs`).
//! Here is the rest: a member who has left, a change of access, a gap in which anything may have
//! happened. Then each user there is asked about with `CHAT.ROOM_RO … AS user`, and who may not read
//! any more is told `gone`.

use std::sync::Arc;

use redis::Cmd;

use crate::event::{Head, Place};
use crate::failure::Failure;
use crate::hub::Hub;
use crate::presence;
use crate::protocol;
use crate::room::Room;
use crate::upstream::{Failed, Reply};

/// Users asked about in one pipeline.
const USERS_PER_CALL: usize = 500;

/// Looks at an event that has come from the channel.
pub fn watch(hub: &Arc<Hub>, room: &Arc<Room>, head: &Head<'_>) {
    match head.kind {
        "member" if matches!(head.place, Place::Durable { .. }) => {
            let kind = head.text("kind").unwrap_or_default();
            let user = head.text("user").unwrap_or_default();
            if !matches!(&*kind, "leave" | "kick" | "ban") {
                return;
            }
            hub.followed.forget(&user, &room.name);
            see_off(hub, room);
            room.access_changed();
            if room.has_user(&user) {
                let user: Arc<str> = (*user).into();
                let (hub, room) = (hub.clone(), room.clone());
                tokio::spawn(async move { check_access(&hub, &room, vec![user]).await });
            }
        }
        "room" => {
            let data = head.raw("data").unwrap_or_default();
            let data = std::str::from_utf8(data).unwrap_or_default();
            let settings: protocol::Fields<'_> = serde_json::from_str(data).unwrap_or_default();
            if settings.raw("access").is_some() {
                room.access_changed();
                let (hub, room) = (hub.clone(), room.clone());
                tokio::spawn(async move { check_access(&hub, &room, room.users()).await });
            }
        }
        "drop" => hub.followed.forget_room(&room.name),
        _ => {}
    }
}

/// Ends the presence of those whom events took out of the room. The store has ended it already,
/// unless a beat of ours came in between that did not know yet.
pub fn see_off(hub: &Hub, room: &Room) {
    for connection in room.take_kicked() {
        presence::end_later(hub, &connection, room);
    }
}

/// Asks whether these users may still read the room. Those who may not receive nothing more of it
/// from now on and are told `gone`.
pub async fn check_access(hub: &Hub, room: &Room, users: Vec<Arc<str>>) {
    for users in users.chunks(USERS_PER_CALL) {
        let commands = users.iter().map(|user| room_as(&room.name, user)).collect();
        let replies = hub.upstream.call(commands).await;
        for (user, reply) in users.iter().zip(replies) {
            if let Access::Denied(failure) = judge(reply) {
                evict(hub, room, user, &failure);
            }
        }
    }
}

fn evict(hub: &Hub, room: &Room, user: &str, failure: &Failure) {
    let mut further = String::from(",");
    failure.write(&mut further);
    let gone = protocol::about_room("gone", &room.name, &further);
    for connection in room.evict(user) {
        connection.rise(room);
        connection.send_text(&gone);
        presence::end_later(hub, &connection, room);
    }
}

/// What the answer to [`room_as`] says about access.
#[derive(Debug)]
pub enum Access {
    /// The user may read, or there is no room whose reading could be denied.
    Granted,
    /// The user may not read.
    Denied(Failure),
    /// It was not answered. Whoever asks must not take this for a yes.
    Unknown(Failed),
}

/// Judges the answer to [`room_as`].
pub fn judge(reply: Reply) -> Access {
    match reply {
        Ok(_) => Access::Granted,
        Err(Failed::Refused(failure)) => match &*failure.code {
            "NOROOM" | "WRONGTYPE" => Access::Granted,
            "NOTMEMBER" | "BANNED" | "DENIED" => Access::Denied(failure),
            _ => Access::Unknown(Failed::Refused(failure)),
        },
        Err(failed) => Access::Unknown(failed),
    }
}

/// `CHAT.ROOM_RO room AS user`: what this user may see of it, or why nothing.
pub fn room_as(room: &str, user: &str) -> Cmd {
    let mut command = redis::cmd("CHAT.ROOM_RO");
    command.arg(room).arg("AS").arg(user);
    command
}
