//! Starting the hub's background tasks, and the housekeeping among them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::hub::beats;
use crate::hub::dispatch::Dispatcher;
use crate::hub::hub::Hub;
use crate::hub::status_updates;
use crate::hub::sync;
use crate::panics::restart_on_panic;
use crate::room::subscribers::PendingFlush;

/// Starts the hub's tasks: upstream, status updates, dispatch, flushing, housekeeping. A task that
/// panics is started again.
pub(crate) fn start(hub: &Arc<Hub>) {
    let dispatcher = Arc::new(Dispatcher(hub.clone()));
    let (upstream, listener) = (hub.upstream.clone(), dispatcher.clone());
    tokio::spawn(restart_on_panic("connecting to Redis", move || {
        upstream.clone().run(listener.clone())
    }));
    if let Some(verification) = hub.verification.clone() {
        let fetch = move || verification.clone().run();
        tokio::spawn(restart_on_panic("fetching keys", fetch));
    }
    let notifying = hub.clone();
    let notify = move || status_updates::notify_clients(notifying.clone());
    tokio::spawn(restart_on_panic("notifying clients of the state of Redis", notify));
    tokio::spawn(async move { restart_on_panic("dispatching events", || dispatcher.run()).await });
    for _ in 0..2 {
        let hub = hub.clone();
        let flush =
            async move { restart_on_panic("writing to sockets", || hub.flusher.run()).await };
        tokio::spawn(flush);
    }
    let hub = hub.clone();
    tokio::spawn(restart_on_panic("housekeeping", move || housekeeping(hub.clone())));
}

async fn housekeeping(hub: Arc<Hub>) {
    let beat_interval = hub.config.presence_ttl / 3;
    let mut tick = tokio::time::interval((beat_interval / 4).min(Duration::from_secs(1)));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let now = Instant::now();
        let (mut due, mut empty, mut pending_flush) = (Vec::new(), Vec::new(), PendingFlush::new());
        let any_is_in_doubt = hub.present_users.any_is_in_doubt();
        let is_left = |since| now.saturating_duration_since(since) >= hub.config.linger;
        for room in hub.rooms() {
            let is_up = hub.upstream.is_up(&room.name);
            let found = room.tidy(now, beat_interval, is_up, &mut pending_flush);
            sync::sync_if_needed(&hub, &room, found.next);
            if found.is_paused || found.profile_changed || any_is_in_doubt {
                sync::start_requested_work(&hub, &room);
            }
            if found.empty_since.is_some_and(is_left) {
                empty.push(room);
            } else if found.beat_is_due && is_up {
                due.push(room);
            }
        }
        hub.flush(pending_flush);
        hub.remove_empty_rooms(now, empty);
        if !due.is_empty() {
            let hub = hub.clone();
            tokio::spawn(async move { beats::beat(&hub, due).await });
        }
        hub.follow_cache.tidy(now);
        hub.signals.tidy(now);
        hub.profile_updates.tidy(now);
        hub.kept_answers.tidy(now);
        hub.allowances.tidy(now);
        hub.refusals.tidy(now);
        hub.key_allowances.tidy(now);
    }
}
