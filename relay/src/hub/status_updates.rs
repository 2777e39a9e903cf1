//! What the relay does when the state of Redis changes: beat again, and notify clients.

use std::sync::Arc;
use std::time::Duration;

use crate::client::outbox::Class;
use crate::hub::beats;
use crate::hub::hub::Hub;
use crate::hub::upstream_status::UpstreamStatus;
use crate::room::subscribers::{PendingFlush, queue};
use crate::upstream::State;

/// What passes within this time is told to nobody.
const PASSES: Duration = Duration::from_millis(500);
/// Clients are told at most once in this time.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// Watches the upstream's state, for ever.
pub(super) async fn beat_when_writable(hub: Arc<Hub>) {
    let mut states = hub.upstream.states();
    let mut before = states.borrow_and_update().clone();
    while states.changed().await.is_ok() {
        let now = states.borrow_and_update().clone();
        if now == State::Open && before != State::Open {
            // Whose presence could not be told, or ran out meanwhile, is set again.
            beats::beat(&hub, hub.rooms()).await;
        }
        before = now;
    }
}

/// Tells clients how Redis stands when that has changed and stays so, for ever.
pub(super) async fn notify_clients(hub: Arc<Hub>) {
    let mut states = hub.upstream.states();
    loop {
        let told = hub.upstream_status.get();
        let has_changed = |state: &State| UpstreamStatus::of(state) != told;
        if states.wait_for(has_changed).await.is_err() {
            return;
        }
        tokio::time::sleep(PASSES).await;
        let now = UpstreamStatus::of(&states.borrow_and_update());
        if now == told {
            continue;
        }
        // First this: who connects from now on is told by `Hub::connect`.
        hub.upstream_status.set(now);
        let frame = now.frame();
        let mut pending_flush = PendingFlush::new();
        for connection in hub.connections() {
            queue(&connection, &frame, Class::Live, &mut pending_flush);
        }
        hub.flush(pending_flush);
        tokio::time::sleep(TOLD_EVERY).await;
    }
}
