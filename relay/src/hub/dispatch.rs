//! Dispatching: events from Redis go to their rooms, and changes of subscriptions take effect.
//!
//! The task that reads from Redis queues events, and dispatches them once it has read all that has
//! arrived: events that arrive together are delivered together, and no other task must be woken. If
//! they are many, a task of its own dispatches the rest, so that reading goes on.

use std::sync::Arc;

use chat_protocol::event_header::{EventHeader, MOVED, Place};
use smallvec::SmallVec;

use crate::clock::now_ms;
use crate::hub::access;
use crate::hub::beats;
use crate::hub::event_queue::{QueuedEvent, TAKE_MAX};
use crate::hub::hub::Hub;
use crate::hub::profiles::updates;
use crate::hub::standing::sockets;
use crate::hub::sync::{self, Cause};
use crate::metrics::METRICS;
use crate::panics::caught;
use crate::room::subscribers::PendingFlush;
use crate::room::{Arrived, Room};
use crate::upstream::{Listener, NodeId};

/// The hub's listener on the upstream.
pub(super) struct Dispatcher(pub(super) Arc<Hub>);

impl Dispatcher {
    /// Dispatches events, forever. If a panic loses some, their rooms notice the gap and sync.
    pub(super) async fn run(&self) {
        loop {
            match self.dispatch() {
                0 => self.0.event_queue.wait().await,
                // Yielding wakes another thread, which does not pay after a few events.
                TAKE_MAX.. => tokio::task::yield_now().await,
                _ => tokio::task::consume_budget().await,
            }
        }
    }

    /// Dispatches some queued events to their rooms. Returns how many there were.
    fn dispatch(&self) -> usize {
        self.0.event_queue.take(|queued| self.dispatch_queued(queued))
    }

    fn dispatch_queued(&self, queued: &[QueuedEvent]) {
        let mut events: SmallVec<[(&Arc<Room>, Arrived<'_>); 4]> = SmallVec::new();
        for event in queued {
            match event.read() {
                Some(arrived) => events.push((&event.room, arrived)),
                None => METRICS.events_malformed.increment(1),
            }
        }
        let mut pending_flush = PendingFlush::new();
        // An event that may change access ends a run: it must take effect before the next
        // event.
        let together = |(room, event): &(&Arc<Room>, Arrived<'_>), (next, _): &(&Arc<Room>, _)| {
            Arc::ptr_eq(room, next) && !changes_access(&event.head)
        };
        for run in events.chunk_by(together) {
            self.dispatch_to_room(run, &mut pending_flush);
        }
        self.0.flush(pending_flush);
    }

    /// Events that arrived before a change of a subscription must be dispatched before it.
    fn dispatch_all(&self) {
        while self.dispatch() > 0 {}
    }

    fn dispatch_to_room(
        &self,
        run: &[(&Arc<Room>, Arrived<'_>)],
        pending_flush: &mut PendingFlush,
    ) {
        let Some((room, Arrived { head: last, .. })) = run.last() else { return };
        for (_, Arrived { head, .. }) in run {
            if let (Place::Durable { .. }, Some(ts)) = (head.place, head.ts) {
                METRICS.lag_seconds.record(now_ms().saturating_sub(ts) as f64 / 1000.0);
            }
        }
        if run.iter().any(|(_, event)| event.head.kind == MOVED) {
            self.0.upstream.moved(&room.name);
        }
        if changes_access(last) {
            sockets::note_event(&self.0, &room.name, last);
        }
        let next = room.deliver(run.iter().map(|(_, event)| event), pending_flush);
        sync::sync_if_needed(&self.0, room, next);
        if changes_access(last) {
            access::note_membership(&self.0, room, last);
            sync::start_requested_work(&self.0, room);
        }
    }
}

impl Listener for Dispatcher {
    fn message(&self, channel: &str, payload: &[u8]) {
        METRICS.events_received.increment(1);
        let Some(room) = self.0.room(channel) else { return };
        if !self.0.event_queue.push(room, payload) {
            // Events arrive faster than they are dispatched: dispatching here slows down reading.
            self.dispatch();
        }
    }

    fn caught_up(&self) {
        // Where another node's reading task dispatches now, this one need not wait for it.
        let dispatch = || self.0.event_queue.try_take(|queued| self.dispatch_queued(queued));
        // A panic must not end the reading task: its connection would end with it.
        match caught("dispatching events", dispatch).flatten() {
            Some(0..TAKE_MAX) => {}
            None | Some(_) => self.0.event_queue.wake(),
        }
    }

    fn subscribed(&self, channel: &str) {
        self.dispatch_all();
        if let Some(room) = self.0.room(channel) {
            if room.confirm_subscription() {
                sync::start(&self.0, room, Cause::Resubscribed);
            } else {
                access::start_access_checks(&self.0, &room);
            }
        }
    }

    fn lost(&self, channels: &[Arc<str>]) {
        self.dispatch_all();
        let mut pending_flush = PendingFlush::new();
        for room in channels.iter().filter_map(|channel| self.0.room(channel)) {
            room.reset_subscription(&mut pending_flush);
            sockets::doubt(&self.0, &room.name);
        }
        self.0.flush(pending_flush);
    }

    fn opened(&self, node: &NodeId) {
        let (hub, node) = (self.0.clone(), node.clone());
        // Sets connections online again whose presence could not be set or has expired meanwhile,
        // and compares the positions.
        tokio::spawn(async move {
            let mut rooms = hub.rooms();
            rooms.retain(|room| hub.upstream.owner(&room.name).as_ref() == Some(&node));
            beats::beat(&hub, rooms).await
        });
    }

    fn profile_update(&self, payload: &[u8]) {
        let (hub, payload) = (self.0.clone(), payload.to_vec());
        tokio::spawn(async move { updates::receive(&hub, &payload) });
    }
}

/// Whether an event of this type may change who may read.
fn changes_access(event: &EventHeader<'_>) -> bool {
    matches!(event.kind, "member" | "room" | "drop")
}
