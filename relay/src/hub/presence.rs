//! Setting and ending the presence of connections.
//!
//! Presence is set when a connection joins a room, renewed by `beats.rs`, and shortened when its
//! socket is lost.

use std::slice;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::client::connection::{Connection, End};
use crate::contact::contact;
use crate::hub::hub::Hub;
use crate::upstream::commands;
use crate::upstream::{Command, CommandError, Reply, Upstream};

/// The pause before the end of a presence is repeated.
const REPEAT_PAUSE: Duration = Duration::from_millis(100);
/// Rooms in one pipeline.
pub(super) const ROOMS_PER_CALL: usize = 200;

/// `CHAT.PRESENCE` of this connection for `ttl`, with its status if it has one.
pub(crate) fn online_command(room: &str, connection: &Connection, ttl: Duration) -> Command {
    let status = connection.status();
    commands::present(room, &connection.user, &connection.name, ttl, status.as_deref())
}

/// `CHAT.PRESENCE … OFF`.
pub(crate) fn offline_command(room: &str, connection: &Connection) -> Command {
    commands::absent(room, &connection.user, &connection.name, None)
}

/// Removes a connection whose session has ended. Its presence is shortened to the grace period. If
/// its user was kicked off the relay or suspended, or the token has ended, it ends at once.
pub(crate) fn disconnect(hub: &Arc<Hub>, connection: &Arc<Connection>) {
    let rooms = hub.remove_connection(connection);
    if rooms.is_empty() {
        return;
    }
    let (hub, connection) = (hub.clone(), connection.clone());
    tokio::spawn(async move {
        match connection.ended().and_then(End::expulsion) {
            Some(close) => end(&hub, &connection, &rooms, close.name).await,
            None => shorten(&hub, &connection, &rooms).await,
        }
    });
}

/// As [`disconnect`], for a session that may have ended between any two steps: the connection may
/// be in rooms that it has not noted.
pub(crate) fn disconnect_everywhere(hub: &Arc<Hub>, connection: &Arc<Connection>) {
    for room in hub.rooms() {
        if room.contains(connection) {
            connection.add_room(&room.name);
        }
    }
    disconnect(hub, connection);
}

/// The socket is lost: in each of its rooms the user stays present for the grace period only. Uses
/// a beat, because a beat does not set a removed connection online again. If Redis is unreachable,
/// the presence ends by its TTL.
async fn shorten(hub: &Hub, connection: &Connection, rooms: &[Arc<str>]) {
    let grace = hub.config.grace;
    let command = |room: &str| commands::beat(room, grace, [&*connection.name]);
    for_present(hub, connection, rooms, command).await;
}

/// The user may not be here any more: presence ends now in each of the rooms.
async fn end(hub: &Hub, connection: &Connection, rooms: &[Arc<str>], reason: &str) {
    let (user, name) = (&*connection.user, &*connection.name);
    let command = |room: &str| commands::absent(room, user, name, Some(reason));
    let mut left = rooms.to_vec();
    let until = Instant::now() + hub.config.presence_ttl;
    loop {
        left = for_present(hub, connection, &left, command).await;
        if left.is_empty() || !may_repeat(&hub.upstream, &left, until).await {
            return;
        }
    }
}

/// The nodes of these rooms were lost, and perhaps with them a command that ends a presence: waits
/// until one of them can be sent again. False: the presence has ended by its TTL before that.
async fn may_repeat(upstream: &Upstream, rooms: &[Arc<str>], until: Instant) -> bool {
    sleep(REPEAT_PAUSE).await;
    let any_is_open = |upstream: &Upstream| rooms.iter().any(|room| upstream.is_open(room));
    timeout_at(until, upstream.wait_until(any_is_open)).await.is_ok()
}

/// Sends a command for each room in which the connection is present. Returns the rooms for which
/// Redis could not be reached.
async fn for_present(
    hub: &Hub,
    connection: &Connection,
    rooms: &[Arc<str>],
    command: impl Fn(&str) -> Command,
) -> Vec<Arc<str>> {
    let present: Vec<_> = rooms.iter().filter(|room| is_present(connection, room)).collect();
    let mut missed = Vec::new();
    for rooms in present.chunks(ROOMS_PER_CALL) {
        let commands = rooms.iter().map(|room| command(room)).collect();
        let replies = hub.upstream.call_at_once(commands).await;
        let away = rooms.iter().zip(&replies).filter(|(_, reply)| is_away(reply));
        missed.extend(away.map(|(room, _)| Arc::clone(room)));
    }
    missed
}

/// Whether this connection is present in the room. It is not where it is only a contact, and guests
/// are nowhere.
pub(crate) fn is_present(connection: &Connection, room: &str) -> bool {
    contact(room, &connection.user).is_none() && !connection.is_guest()
}

/// Ends this connection's presence in a room, in the background, unless it is in the room again.
pub(crate) fn end_in_background(hub: &Hub, connection: &Arc<Connection>, room: &str) {
    if connection.is_guest() {
        return;
    }
    let (upstream, until) = (hub.upstream.clone(), Instant::now() + hub.config.presence_ttl);
    let command = offline_command(room, connection);
    let (connection, room) = (connection.clone(), Arc::<str>::from(room));
    tokio::spawn(async move {
        while is_away(&upstream.call_one_at_once(command.clone()).await)
            && may_repeat(&upstream, slice::from_ref(&room), until).await
            && !connection.is_in(&room)
        {}
    });
}

/// Sets this connection present, with its status, in rooms whose nodes are away, in the background,
/// as soon as they are back. One task per connection does it, however often the status changes.
pub(crate) fn set_in_background(
    hub: &Arc<Hub>,
    connection: &Arc<Connection>,
    rooms: Vec<Arc<str>>,
) {
    if rooms.is_empty() || !connection.unannounced.add(rooms) {
        return;
    }
    let (hub, connection) = (hub.clone(), connection.clone());
    let ttl = hub.config.presence_ttl;
    // After that it has ended, and the beats set it again.
    let until = Instant::now() + ttl;
    tokio::spawn(async move {
        while let Some(mut rooms) = connection.unannounced.take() {
            let mut is_over = !may_repeat(&hub.upstream, &rooms, until).await;
            rooms.retain(|room| connection.is_in(room));
            is_over |= connection.ended().is_some();
            if !is_over {
                let command = |room: &str| online_command(room, &connection, ttl);
                let missed = for_present(&hub, &connection, &rooms, command).await;
                connection.unannounced.add(missed);
            }
        }
    });
}

fn is_away(reply: &Reply) -> bool {
    matches!(reply, Err(CommandError::Unavailable(_)))
}
