//! Telling Redis who is here: set on arrival, beaten in bulk, shortened when a socket is lost.
//!
//! One `CHAT.BEAT` per room refreshes all its connections, up to 1000 in each. Connections it does not know (the room
//! was deleted, restored or failed over) are set again. The newest id it answers is the room's
//! position check: one per room and relay, none per client.

use std::sync::Arc;
use std::time::Duration;

use crate::client::connection::Connection;
use crate::hub::Hub;
use crate::hub::access::{self, Access, read_access};
use crate::names::contact;
use crate::room::Room;
use crate::upstream::replies::{Elements, text};
use crate::upstream::{Command, commands};

/// Rooms beaten in one pipeline.
const ROOMS_PER_CALL: usize = 200;
/// Connections that one `CHAT.BEAT` may name.
const CONNECTIONS_PER_BEAT: usize = 1000;

/// `CHAT.PRESENCE` of this connection for `ttl`, with its status if it has one.
pub(crate) fn present(room: &str, connection: &Connection, ttl: Duration) -> Command {
    let status = connection.status();
    commands::present(room, &connection.user, &connection.name, ttl, status.as_deref())
}

/// `CHAT.PRESENCE … OFF`.
pub(crate) fn absent(room: &str, connection: &Connection) -> Command {
    commands::absent(room, &connection.user, &connection.name, None)
}

/// The socket is lost: in each of its rooms the user stays present for the grace only. A beat, as it
/// sets nobody present who was taken out. If Redis is away, presence ends by its TTL.
pub(crate) async fn shorten(hub: &Hub, connection: &Connection, rooms: &[Arc<str>]) {
    let grace = hub.config.grace;
    let command = |room: &str| commands::beat(room, grace, [&*connection.name]);
    for_present(hub, connection, rooms, command).await;
}

/// The user was kicked off the relay: in each of the rooms presence ends now.
pub(crate) async fn end(hub: &Hub, connection: &Connection, rooms: &[Arc<str>]) {
    let (user, name) = (&*connection.user, &*connection.name);
    let command = |room: &str| commands::absent(room, user, name, Some("kicked"));
    for_present(hub, connection, rooms, command).await;
}

/// Sends a command for each room in which the connection is present, if Redis is there.
async fn for_present(
    hub: &Hub,
    connection: &Connection,
    rooms: &[Arc<str>],
    command: impl Fn(&str) -> Command,
) {
    let present: Vec<_> = rooms.iter().filter(|room| is_present(connection, room)).collect();
    for rooms in present.chunks(ROOMS_PER_CALL) {
        let commands = rooms.iter().map(|room| command(room)).collect();
        hub.upstream.call(commands).await;
    }
}

/// Whether the connection's user is present there: not where it only looks who else is.
pub(crate) fn is_present(connection: &Connection, room: &str) -> bool {
    contact(room, &connection.user).is_none()
}

/// Ends this connection's presence in a room soon, if Redis is there.
pub(crate) fn end_later(hub: &Hub, connection: &Connection, room: &str) {
    let command = absent(room, connection);
    let upstream = hub.upstream.clone();
    tokio::spawn(async move { upstream.call_one(command).await });
}

/// Beats these rooms for all their connections here.
pub(crate) async fn beat(hub: &Arc<Hub>, rooms: Vec<Arc<Room>>) {
    let ttl = hub.config.presence_ttl;
    for rooms in rooms.chunks(ROOMS_PER_CALL) {
        let mut asked = Vec::new();
        let mut commands = Vec::new();
        for room in rooms {
            for subscribers in room.everybody().chunks(CONNECTIONS_PER_BEAT) {
                let names = subscribers.iter().map(|receiver| &*receiver.name);
                let command = commands::beat(&room.name, ttl, names);
                asked.push((room, subscribers.to_vec(), room.last()));
                commands.push(command);
            }
        }
        if commands.is_empty() {
            continue;
        }
        let replies = hub.upstream.call(commands).await;
        for ((room, subscribers, at_sending), reply) in asked.into_iter().zip(replies) {
            let Ok(value) = reply else { continue };
            let beaten = Elements::of(value).and_then(|mut elements| {
                let newest = elements.id()?;
                let unknown: Result<Vec<String>, _> = elements.list()?.map(text).collect();
                Ok((newest, unknown?))
            });
            let Ok((newest, unknown)) = beaten else { continue };
            let next = room.beaten(at_sending, newest);
            hub.follow(room, next);
            if !unknown.is_empty() {
                // What they were taken out by may be among what is missing here.
                if room.is_behind(newest) {
                    hub.catch_up(room.clone()).await;
                }
                set_again(hub, room, &subscribers, &unknown).await;
            }
        }
    }
}

async fn set_again(hub: &Arc<Hub>, room: &Arc<Room>, here: &[Arc<Connection>], unknown: &[String]) {
    let ttl = hub.config.presence_ttl;
    let lost: Vec<&Arc<Connection>> = here
        .iter()
        .filter(|connection| unknown.iter().any(|name| **name == *connection.name))
        .filter(|connection| room.is_receiving(connection))
        .collect();
    for lost in lost.chunks(ROOMS_PER_CALL) {
        let commands = lost.iter().map(|connection| present(&room.name, connection, ttl)).collect();
        let replies = hub.upstream.call(commands).await;
        for connection in lost {
            // It left, or was taken out, while it was being set again.
            if !room.is_receiving(connection) && !connection.is_in(&room.name) {
                end_later(hub, connection, &room.name);
            }
        }
        let users = lost.iter().zip(replies);
        let users = users.filter_map(|(connection, reply)| {
            matches!(read_access(reply), Access::Denied(_)).then_some(connection)
        });
        let mut users: Vec<Arc<str>> = users.map(|connection| connection.user.clone()).collect();
        if !users.is_empty() {
            users.sort_unstable();
            room.pause_users(&users);
            access::ask_later(hub, room);
        }
    }
}
