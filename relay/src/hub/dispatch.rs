//! What Redis tells: events on their way to the rooms, subscriptions that are in force or not.
//!
//! The task that reads from Redis keeps events in the event_queue; another one hands them out, those that
//! came together together.

use std::sync::Arc;

use chat_protocol::event_header::{EventHeader, Place};

use crate::hub::access;
use crate::hub::beats;
use crate::hub::event_queue::TAKE_MAX;
use crate::hub::hub::{Hub, now_ms};
use crate::hub::profiles::updates;
use crate::hub::sync::{self, Cause};
use crate::metrics::METRICS;
use crate::room::Room;
use crate::room::subscribers::PendingFlush;
use crate::upstream::Listener;

/// Takes what arrives from Redis for the hub.
pub(super) struct Dispatcher(pub(super) Arc<Hub>);

impl Dispatcher {
    /// Rooms that a defect leaves with a hole close it.
    pub(super) async fn run(&self) {
        loop {
            match self.dispatch() {
                0 => self.0.event_queue.wait().await,
                // Giving way wakes another thread: not after a few events.
                TAKE_MAX.. => tokio::task::yield_now().await,
                _ => tokio::task::consume_budget().await,
            }
        }
    }

    /// Hands some of the event_queue to their rooms. Returns how many events there were.
    fn dispatch(&self) -> usize {
        self.0.event_queue.take(|told| {
            let mut events = Vec::with_capacity(told.len());
            for told in told {
                match told.head() {
                    Some(head) => events.push((&told.room, head)),
                    None => METRICS.events_malformed.increment(1),
                }
            }
            let mut pending_flush = PendingFlush::new();
            // What changes who may read ends a run: that is looked at before the next event.
            let together = |(room, head): &(&Arc<Room>, EventHeader<'_>),
                            (next, _): &(&Arc<Room>, _)| {
                Arc::ptr_eq(room, next) && !changes_access(head)
            };
            for run in events.chunk_by(together) {
                self.dispatch_to_room(run, &mut pending_flush);
            }
            self.0.flush(pending_flush);
        })
    }

    /// Before anything else is heard of the subscriptions: what came earlier counts earlier.
    fn dispatch_all(&self) {
        while self.dispatch() > 0 {}
    }

    fn dispatch_to_room(
        &self,
        run: &[(&Arc<Room>, EventHeader<'_>)],
        pending_flush: &mut PendingFlush,
    ) {
        let Some((room, last)) = run.last() else { return };
        for (_, head) in run {
            if let Place::Durable { id, .. } = head.place {
                METRICS.lag_seconds.record(now_ms().saturating_sub(id.ms) as f64 / 1000.0);
            }
        }
        let next = room.deliver(run.iter().map(|(_, head)| head), pending_flush);
        sync::sync_if_needed(&self.0, room, next);
        if changes_access(last) {
            access::note_membership(&self.0, room, last);
            sync::start_requested_work(&self.0, room);
        }
    }
}

impl Listener for Dispatcher {
    fn message(&self, channel: &str, payload: Vec<u8>) {
        METRICS.events_received.increment(1);
        let Some(room) = self.0.room(channel) else { return };
        if !self.0.event_queue.push(room, payload) {
            // As fast as Redis tells us we cannot hand out: this slows it down.
            self.dispatch();
        }
    }

    fn subscribed(&self, channel: &str) {
        self.dispatch_all();
        if let Some(room) = self.0.room(channel)
            && room.confirm_subscription()
        {
            sync::start(&self.0, room, Cause::Resubscribed);
        }
    }

    fn unsubscribed(&self, channel: &str) {
        self.dispatch_all();
        // Ours, or the server's because the room has moved: if we still want it, ask again.
        if let Some(room) = self.0.room(channel) {
            let mut pending_flush = PendingFlush::new();
            room.reset_subscription(&mut pending_flush);
            self.0.flush(pending_flush);
            self.0.upstream.subscribe(room.name.clone());
        }
    }

    fn profile_updates(&self, payload: Vec<u8>) {
        let hub = self.0.clone();
        tokio::spawn(async move { updates::receive(&hub, &payload) });
    }

    fn opened(&self) {
        self.dispatch_all();
        let rooms = self.0.rooms();
        let mut pending_flush = PendingFlush::new();
        for room in &rooms {
            room.reset_subscription(&mut pending_flush);
            self.0.upstream.subscribe(room.name.clone());
        }
        self.0.flush(pending_flush);
        let hub = self.0.clone();
        tokio::spawn(async move { beats::beat(&hub, rooms).await });
    }
}

/// Whether [`access::note_membership`] has to look at it.
fn changes_access(event: &EventHeader<'_>) -> bool {
    matches!(event.kind, "member" | "room" | "drop")
}
