//! What Redis tells: events on their way to the rooms, subscriptions that are in force or not.
//!
//! The task that reads from Redis keeps events in the inbox; another one hands them out, those that
//! came together together.

use std::sync::Arc;

use super::{Hub, now_ms};
use crate::event::{Head, Place};
use crate::hub::access;
use crate::hub::event_queue::TAKEN;
use crate::hub::presence;
use crate::hub::profile_updates;
use crate::hub::sync::Cause;
use crate::metrics::FIGURES;
use crate::room::Room;
use crate::room::subscribers::Dirty;
use crate::upstream::Listener;

impl Hub {
    /// Rooms that a defect leaves with a hole close it.
    pub(super) async fn hand_out_for_ever(self: Arc<Self>) {
        loop {
            match self.hand_out() {
                0 => self.inbox.come().await,
                // Giving way wakes another thread: not after a few events.
                TAKEN.. => tokio::task::yield_now().await,
                _ => tokio::task::consume_budget().await,
            }
        }
    }

    /// Hands some of the inbox to their rooms. Returns how many events there were.
    fn hand_out(&self) -> usize {
        self.inbox.take(|told| {
            let mut events = Vec::with_capacity(told.len());
            for told in told {
                match told.head() {
                    Some(head) => events.push((&told.room, head)),
                    None => FIGURES.events_malformed.increment(1),
                }
            }
            let mut dirty = Dirty::new();
            // What changes who may read ends a run: that is looked at before the next event.
            let together = |(room, head): &(&Arc<Room>, Head<'_>), (next, _): &(&Arc<Room>, _)| {
                Arc::ptr_eq(room, next) && !changes_access(head)
            };
            for run in events.chunk_by(together) {
                self.hand_to_room(run, &mut dirty);
            }
            self.flush(dirty);
        })
    }

    /// Before anything else is heard of the subscriptions: what came earlier counts earlier.
    fn hand_out_all(&self) {
        while self.hand_out() > 0 {}
    }

    fn hand_to_room(&self, run: &[(&Arc<Room>, Head<'_>)], dirty: &mut Dirty) {
        let Some((room, last)) = run.last() else { return };
        for (_, head) in run {
            if let Place::Durable { id, .. } = head.place {
                FIGURES.lag_seconds.record(now_ms().saturating_sub(id.ms) as f64 / 1000.0);
            }
        }
        let next = room.events(run.iter().map(|(_, head)| head), dirty);
        self.follow(room, next);
        if changes_access(last)
            && let Some(hub) = self.me.upgrade()
        {
            access::watch(&hub, room, last);
            hub.attend(room);
        }
    }
}

impl Listener for Hub {
    fn message(&self, channel: &str, payload: Vec<u8>) {
        FIGURES.events_received.increment(1);
        let Some(room) = self.room(channel) else { return };
        if !self.inbox.put(room, payload) {
            // As fast as Redis tells us we cannot hand out: this slows it down.
            self.hand_out();
        }
    }

    fn subscribed(&self, channel: &str) {
        self.hand_out_all();
        if let Some(room) = self.room(channel)
            && room.confirm()
        {
            self.sync(room, Cause::Resubscribed);
        }
    }

    fn unsubscribed(&self, channel: &str) {
        self.hand_out_all();
        // Ours, or the server's because the room has moved: if we still want it, ask again.
        if let Some(room) = self.room(channel) {
            let mut dirty = Dirty::new();
            room.unconfirm(&mut dirty);
            self.flush(dirty);
            self.upstream.subscribe(room.name.clone());
        }
    }

    fn profile_news(&self, payload: Vec<u8>) {
        if let Some(hub) = self.me.upgrade() {
            tokio::spawn(async move { profile_updates::heard(&hub, &payload) });
        }
    }

    fn opened(&self) {
        self.hand_out_all();
        let rooms = self.rooms();
        let mut dirty = Dirty::new();
        for room in &rooms {
            room.unconfirm(&mut dirty);
            self.upstream.subscribe(room.name.clone());
        }
        self.flush(dirty);
        if let Some(hub) = self.me.upgrade() {
            tokio::spawn(async move { presence::beat(&hub, rooms).await });
        }
    }
}

/// Whether [`access::watch`] has to look at it.
fn changes_access(event: &Head<'_>) -> bool {
    matches!(event.kind, "member" | "room" | "drop")
}
