//! Notifying clients of a changed state of Redis.

use std::sync::Arc;
use std::time::Duration;

use crate::client::outbox::Class;
use crate::hub::hub::Hub;
use crate::hub::upstream_status::UpstreamStatus;
use crate::room::subscribers::{PendingFlush, queue};
use crate::upstream::Overview;

/// A change that lasts shorter than this is not sent to clients.
const SHORTEST_CHANGE: Duration = Duration::from_millis(500);
/// Clients are notified at most once in this time.
const NOTIFY_INTERVAL: Duration = Duration::from_secs(2);

/// Notifies clients when the state of Redis has changed and stays changed, forever.
pub(super) async fn notify_clients(hub: Arc<Hub>) {
    let mut overviews = hub.upstream.overviews();
    loop {
        let sent = hub.upstream_status.get();
        let has_changed = |overview: &Arc<Overview>| UpstreamStatus::of(overview) != sent;
        if overviews.wait_for(has_changed).await.is_err() {
            return;
        }
        tokio::time::sleep(SHORTEST_CHANGE).await;
        let now = UpstreamStatus::of(&overviews.borrow_and_update());
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
