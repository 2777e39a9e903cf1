//! Notifying clients of a changed state of Redis, or of the node of a room.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::client::connection::Connection;
use crate::client::outbox::Class;
use crate::hub::hub::Hub;
use crate::hub::upstream_status::{Statuses, UpstreamStatus};
use crate::room::Room;
use crate::room::subscribers::{PendingFlush, queue};

/// A change that lasts shorter than this is not sent to clients.
const SHORTEST_CHANGE: Duration = Duration::from_millis(500);
/// Clients are notified at most once in this time.
const NOTIFY_INTERVAL: Duration = Duration::from_secs(2);
/// Rooms in one frame. More rooms of one connection come in several.
const ROOMS_PER_FRAME: usize = 100;

/// Notifies clients when the state of Redis has changed and stays changed, forever.
pub(super) async fn notify_clients(hub: Arc<Hub>) {
    let mut overviews = hub.upstream.overviews();
    loop {
        overviews.borrow_and_update();
        let told = hub.told.get();
        if statuses(&hub) == told {
            // While a node is away, a room of it may be new here.
            match told == Statuses::default() {
                true => drop(overviews.changed().await),
                false => drop(timeout(NOTIFY_INTERVAL, overviews.changed()).await),
            }
            continue;
        }
        sleep(SHORTEST_CHANGE).await;
        let now = statuses(&hub);
        let (whole, rooms) = now.since(&told);
        // Set first: a connection that is made from now on gets the state from `Hub::connect`, one
        // that joins a room from [`tell_joined`].
        hub.told.set(now);
        let mut pending_flush = PendingFlush::new();
        if let Some(whole) = whole {
            let frame = whole.frame(&[]);
            for connection in hub.connections() {
                queue(&connection, &frame, Class::Live, &mut pending_flush);
            }
        }
        notify_of_rooms(&hub, &rooms, &mut pending_flush);
        hub.flush(pending_flush);
        sleep(NOTIFY_INTERVAL).await;
    }
}

/// The state of Redis now, and the rooms here whose node differs from it.
fn statuses(hub: &Hub) -> Statuses {
    let overview = hub.upstream.overview();
    let whole = UpstreamStatus::of(&overview);
    let differs = |state| UpstreamStatus::of_node(state) != whole;
    if !overview.has_missing_slots() && !overview.nodes.iter().any(|node| differs(&node.state)) {
        return Statuses { whole, ..Statuses::default() };
    }
    let rooms = hub.rooms();
    let status = |room: &Room| UpstreamStatus::of_node(&hub.upstream.state_of(&room.name));
    let rooms = rooms.iter().map(|room| (room.name.clone(), status(room)));
    Statuses { whole, exceptions: rooms.filter(|(_, status)| *status != whole).collect() }
}

/// Notifies the connections in these rooms, each of its own rooms.
fn notify_of_rooms(
    hub: &Hub,
    rooms: &[(Arc<str>, UpstreamStatus)],
    pending_flush: &mut PendingFlush,
) {
    let mut told: HashMap<(u64, UpstreamStatus), (Arc<Connection>, Vec<&str>)> = HashMap::new();
    for (name, status) in rooms {
        let Some(room) = hub.room(name) else { continue };
        for connection in room.everyone() {
            let key = (connection.number, *status);
            told.entry(key).or_insert_with(|| (connection, Vec::new())).1.push(name);
        }
    }
    for ((_, status), (connection, rooms)) in told {
        for rooms in rooms.chunks(ROOMS_PER_FRAME) {
            queue(&connection, &status.frame(rooms), Class::Live, pending_flush);
        }
    }
}

/// Tells a connection that has joined a room the state of its node, if that differs from that of
/// all rooms.
pub(crate) fn tell_joined(
    hub: &Hub,
    room: &Room,
    connection: &Arc<Connection>,
    pending_flush: &mut PendingFlush,
) {
    if let Some(status) = hub.told.exception(&room.name) {
        queue(connection, &status.frame(&[&room.name]), Class::Live, pending_flush);
    }
}
