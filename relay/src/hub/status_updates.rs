//! Reactions to a changed state of Redis: renewing presence, and notifying clients.

use std::sync::Arc;
use std::time::Duration;

use crate::client::outbox::Class;
use crate::hub::beats;
use crate::hub::hub::Hub;
use crate::hub::upstream_status::UpstreamStatus;
use crate::room::subscribers::{PendingFlush, queue};
use crate::upstream::State;

/// A change that lasts shorter than this is not sent to clients.
const SHORTEST_CHANGE: Duration = Duration::from_millis(500);
/// Clients are notified at most once in this time.
const NOTIFY_INTERVAL: Duration = Duration::from_secs(2);

/// Beats all rooms whenever Redis accepts writes again, forever.
pub(super) async fn beat_when_writable(hub: Arc<Hub>) {
    let mut states = hub.upstream.states();
    let mut before = states.borrow_and_update().clone();
    while states.changed().await.is_ok() {
        let now = states.borrow_and_update().clone();
        if now == State::Open && before != State::Open {
            // Sets connections online again whose presence could not be set or has expired
            // meanwhile.
            beats::beat(&hub, hub.rooms()).await;
        }
        before = now;
    }
}

/// Notifies clients when the state of Redis has changed and stays changed, forever.
pub(super) async fn notify_clients(hub: Arc<Hub>) {
    let mut states = hub.upstream.states();
    loop {
        let sent = hub.upstream_status.get();
        let has_changed = |state: &State| UpstreamStatus::of(state) != sent;
        if states.wait_for(has_changed).await.is_err() {
            return;
        }
        tokio::time::sleep(SHORTEST_CHANGE).await;
        let now = UpstreamStatus::of(&states.borrow_and_update());
        if now == sent {
            continue;
        }
        // Set first: a connection that is made from now on gets the status from `Hub::connect`.
        hub.upstream_status.set(now);
        let frame = now.frame();
        let mut pending_flush = PendingFlush::new();
        for connection in hub.connections() {
            queue(&connection, &frame, Class::Live, &mut pending_flush);
        }
        hub.flush(pending_flush);
        tokio::time::sleep(NOTIFY_INTERVAL).await;
    }
}
