//! Sending changes of name, avatar and status to the users who are in a room with that user.
//!
//! The change itself is an event of the user's personal room, which other users may not read. Every
//! relay with a connection of the user publishes the change on one channel for all relays, with the
//! rooms of these connections. Each relay sends it to its own connections in these rooms. Two
//! relays may publish the same change, and a connection may be in several of the rooms: the newest
//! id of the personal room identifies the change, so each connection receives it once. Contacts
//! receive it from their own relay, which subscribes to the personal room. Quick changes are
//! combined.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_protocol::id::Id;
use chat_protocol::names::{RoomKind, room_kind};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::client::connection::Connection;
use crate::client::json;
use crate::client::outbox::Class;
use crate::client::relay_frame::RelayFrame;
use crate::hub::hub::Hub;
use crate::hub::profiles::profile::{Detail, Profile};
use crate::room::Room;
use crate::room::subscribers::{PendingFlush, queue};
use crate::upstream::commands;
use crate::upstream::{CommandError, PROFILE_CHANNEL, Unavailable};

/// How often a profile is requested if Redis does not answer.
const ATTEMPTS: usize = 10;

/// A published change.
#[derive(Deserialize, Serialize)]
struct ProfileUpdate<'a> {
    user: String,
    id: String,
    #[serde(borrow)]
    data: &'a RawValue,
    rooms: Vec<String>,
}

/// Schedules a publication if the profile in this room has changed.
pub(crate) fn publish_if_changed(hub: &Arc<Hub>, room: &Arc<Room>) {
    if !room.take_profile_change() {
        return;
    }
    let Some(RoomKind::Personal(user)) = room_kind(&room.name) else { return };
    let Some(at) = hub.profile_updates.schedule(user, Instant::now()) else { return };
    let (hub, room, user) = (hub.clone(), room.clone(), user.to_owned());
    tokio::spawn(async move {
        tokio::time::sleep_until(at.into()).await;
        hub.profile_updates.start(&user, Instant::now());
        publish(&hub, &room, &user).await;
    });
}

/// Publishes the user's profile for the rooms that the user's connections are in.
async fn publish(hub: &Hub, room: &Room, user: &str) {
    let Some(profile) = fetch_profile(hub, user).await else { return };
    let data = json::raw(&profile.view(Detail::Texts));
    notify(hub, (user, profile.last, &data), &[room.name.to_string()]);
    let theirs = room.attached().into_iter().flat_map(|connection| connection.rooms());
    let rooms: BTreeSet<Arc<str>> = theirs
        .filter(|name| !matches!(room_kind(name), Some(RoomKind::Personal(_)) | None))
        .collect();
    if rooms.is_empty() {
        return;
    }
    let rooms = rooms.iter().map(|room| room.to_string()).collect();
    let (user, id) = (user.to_owned(), profile.last.to_string());
    let update = json::write(&ProfileUpdate { user, id, data: &data, rooms });
    // If it is lost, users see the change when they next request the profile.
    let _ = hub.upstream.call_one(commands::publish(PROFILE_CHANNEL, &update)).await;
}

async fn fetch_profile(hub: &Hub, user: &str) -> Option<Profile> {
    for _ in 0..ATTEMPTS {
        hub.upstream.wait_readable(&format!("@{user}")).await;
        let [what, _who] = Profile::commands(user);
        match hub.upstream.call_one(what).await {
            Err(CommandError::Unavailable(_)) => tokio::time::sleep(Duration::from_secs(1)).await,
            // Presence is not part of the update, so `CHAT.WHO` is not needed.
            what => return Profile::read(what, Err(Unavailable::NotServing.into())).ok()?,
        }
    }
    None
}

/// Receives a change that a relay, perhaps this one, has published.
pub(crate) fn receive(hub: &Hub, payload: &[u8]) {
    let Ok(ProfileUpdate { user, id, data, rooms }) =
        serde_json::from_slice::<ProfileUpdate<'_>>(payload)
    else {
        return;
    };
    let Some(id) = Id::parse(id.as_bytes()) else { return };
    notify(hub, (&user, id, data), &rooms);
}

/// Sends a change to the connections in these rooms, once to each, except to those that have
/// received it in another room.
fn notify(hub: &Hub, (user, id, data): (&str, Id, &RawValue), rooms: &[String]) {
    let noted = hub.profile_updates.note((user, id, data.get()), rooms, Instant::now());
    let Some((new, before)) = noted else { return };
    let subscribers_and_contacts =
        |name: &str| hub.room(name).map(|room| room.subscribers_and_contacts()).unwrap_or_default();
    let mut recipients: Vec<Arc<Connection>> =
        new.iter().flat_map(|name| subscribers_and_contacts(name)).collect();
    if recipients.is_empty() {
        return;
    }
    let mut know: Vec<u64> = before
        .iter()
        .flat_map(|name| subscribers_and_contacts(name))
        .map(|connection| connection.number)
        .collect();
    know.sort_unstable();
    recipients.sort_unstable_by_key(|connection| connection.number);
    recipients.dedup_by_key(|connection| connection.number);
    recipients.retain(|connection| {
        *connection.user != *user
            && !connection.is_guest()
            && know.binary_search(&connection.number).is_err()
    });
    let frame = RelayFrame::Profile { user, id, data }.encode();
    let mut pending_flush = PendingFlush::new();
    for connection in &recipients {
        queue(connection, &frame, Class::Ephemeral, &mut pending_flush);
    }
    hub.flush(pending_flush);
}
