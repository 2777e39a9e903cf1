//! Refreshing presence: one `CHAT.BEAT` per room and interval for all its connections on this
//! relay.
//!
//! Connections that the room does not know are set online again: the room may have been deleted,
//! restored or failed over. The newest id in the reply serves as the room's position check: one per
//! room and relay, none per client.

use std::sync::Arc;

use chat_protocol::limits::WORDS_MAX;

use crate::client::connection::Connection;
use crate::hub::access::{self, Access, read_access};
use crate::hub::hub::Hub;
use crate::hub::presence::{self, ROOMS_PER_CALL};
use crate::hub::sync::{self, Cause};
use crate::room::Room;
use crate::upstream::commands;
use crate::upstream::replies::BeatReply;

/// Connections that one `CHAT.BEAT` may name.
const CONNECTIONS_PER_BEAT: usize = WORDS_MAX;

/// Sends beats for these rooms, with all their connections on this relay.
pub(crate) async fn beat(hub: &Arc<Hub>, rooms: Vec<Arc<Room>>) {
    let ttl = hub.config.presence_ttl;
    for rooms in rooms.chunks(ROOMS_PER_CALL) {
        let mut asked = Vec::new();
        let mut commands = Vec::new();
        for room in rooms {
            for subscribers in room.attached().chunks(CONNECTIONS_PER_BEAT) {
                let names = subscribers.iter().map(|subscriber| &*subscriber.name);
                let command = commands::beat(&room.name, ttl, names);
                asked.push((room, subscribers.to_vec(), room.last()));
                commands.push(command);
            }
        }
        if commands.is_empty() {
            continue;
        }
        let replies = hub.upstream.call_at_once(commands).await;
        for ((room, subscribers, at_sending), reply) in asked.into_iter().zip(replies) {
            let Ok(value) = reply else { continue };
            let Ok(BeatReply { newest, unknown }) = BeatReply::read(value) else { continue };
            let next = room.note_beat(at_sending, newest);
            sync::sync_if_needed(hub, room, next);
            if !unknown.is_empty() {
                // The room may have removed them by an event that has not arrived here yet.
                if room.is_behind(newest) {
                    sync::run(hub.clone(), room.clone(), Cause::Hole).await;
                }
                set_unknown_online(hub, room, &subscribers, &unknown).await;
            }
        }
    }
}

async fn set_unknown_online(
    hub: &Arc<Hub>,
    room: &Arc<Room>,
    here: &[Arc<Connection>],
    unknown: &[String],
) {
    let ttl = hub.config.presence_ttl;
    let lost: Vec<&Arc<Connection>> = here
        .iter()
        .filter(|connection| unknown.iter().any(|name| **name == *connection.name))
        .filter(|connection| room.is_subscribed(connection))
        .collect();
    for lost in lost.chunks(ROOMS_PER_CALL) {
        let commands = lost
            .iter()
            .map(|connection| presence::online_command(&room.name, connection, ttl))
            .collect();
        let replies = hub.upstream.call_at_once(commands).await;
        for connection in lost {
            // It left or was removed while it was set online again.
            if !room.is_subscribed(connection) && !connection.is_in(&room.name) {
                presence::end_in_background(hub, connection, &room.name);
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
            access::start_access_checks(hub, room);
        }
    }
}
