//! EncodedBatch on their way to a room's receivers.

use chat_protocol::event_header::{EventHeader, Place};
use chat_protocol::id::Id;

use crate::client::frame::{self, Frame};
use crate::client::json;
use crate::client::outbox::Class;
use crate::client::request;
use crate::event;
use crate::room::batch::Batch;
use crate::room::ordering::{Settled, Verdict};
use crate::room::pauses::access_change;
use crate::room::removal::{Removal, removal};
use crate::room::room::{Next, Room, State};
use crate::room::subscribers::{PendingFlush, queue};

impl Room {
    /// EncodedBatch have come from the channel, one after the other.
    pub(crate) fn deliver<'e>(
        &self,
        events: impl IntoIterator<Item = &'e EventHeader<'e>>,
        pending_flush: &mut PendingFlush,
    ) -> Next {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let mut batch = Batch::default();
        let mut next = Next::Done;
        for head in events {
            match head.place {
                Place::Durable { id, prev } => {
                    let payload = head.bytes();
                    let frame = || frame::text(payload);
                    match state.order.durable(id, prev, payload.len(), frame) {
                        Verdict::Deliver => {
                            self.add_to_batch(state, id, head, &mut batch, pending_flush)
                        }
                        Verdict::Duplicate | Verdict::Waits => {}
                        Verdict::WaitsForSync => next = Next::Sync,
                    }
                }
                Place::Ephemeral { last } => {
                    self.flush_batch(state, &mut batch, pending_flush);
                    if self.deliver_ephemeral(state, head, last, pending_flush) {
                        next = Next::Sync;
                    }
                }
            }
        }
        self.flush_batch(state, &mut batch, pending_flush);
        next
    }

    /// Returns whether to run a sync.
    fn deliver_ephemeral(
        &self,
        state: &mut State,
        head: &EventHeader<'_>,
        last: Option<Id>,
        pending_flush: &mut PendingFlush,
    ) -> bool {
        let from = if head.kind == "signal" { event::text(head, "user") } else { None };
        let frame = frame::text(head.bytes());
        state.subscribers.queue_ephemeral(&frame, from.as_deref(), pending_flush);
        match head.kind {
            "presence" | "occupancy" => {
                state.presence_changes += 1;
                state.contacts.queue_ephemeral(&frame, None, pending_flush);
            }
            // From another position the sync finds out, and a reload tells them.
            "drop" if state.order.last().unwrap_or_default() == Id::ZERO => {
                self.reset_contacts(state, pending_flush);
            }
            _ => {}
        }
        let behind = last.is_some_and(|last| state.order.note_newest(last));
        behind || head.kind == "drop"
    }

    /// Presence may have been missed: everybody is told to look again.
    pub(crate) fn reset(&self, pending_flush: &mut PendingFlush) {
        let mut state = self.state.lock();
        state.subscribers.queue_live(&self.reset_frame(), pending_flush);
        self.reset_contacts(&mut state, pending_flush);
    }

    pub(super) fn reset_contacts(&self, state: &mut State, pending_flush: &mut PendingFlush) {
        state.presence_changes += 1;
        if !state.contacts.is_empty() {
            state.contacts.queue_live(&self.reset_frame(), pending_flush);
        }
    }

    pub(super) fn reset_frame(&self) -> Frame {
        frame::text(json::about_room("reset", &self.name, "").as_bytes())
    }

    /// Sends a frame of the relay's own to every receiver.
    pub(crate) fn queue_for_subscribers(&self, frame: &Frame, pending_flush: &mut PendingFlush) {
        self.state.lock().subscribers.queue_live(frame, pending_flush);
    }

    /// Sends a frame of the relay's own that tells nothing of the room to every receiver, and to those
    /// who are paused.
    pub(crate) fn queue_for_all(&self, frame: &Frame, pending_flush: &mut PendingFlush) {
        let state = self.state.lock();
        state.subscribers.queue_live(frame, pending_flush);
        for connection in state.paused() {
            queue(connection, frame, Class::Live, pending_flush);
        }
    }

    pub(super) fn deliver_settled(
        &self,
        state: &mut State,
        settled: Settled<Frame>,
        pending_flush: &mut PendingFlush,
    ) -> bool {
        let mut batch = Batch::default();
        for (id, frame) in settled.deliver {
            let Some(head) = EventHeader::parse(frame::payload(&frame)) else { continue };
            self.add_to_batch(state, id, &head, &mut batch, pending_flush);
        }
        self.flush_batch(state, &mut batch, pending_flush);
        settled.again
    }

    /// Adds an event to those that are to be handed out. One that takes somebody out goes out at
    /// once.
    fn add_to_batch(
        &self,
        state: &mut State,
        id: Id,
        head: &EventHeader<'_>,
        batch: &mut Batch,
        pending_flush: &mut PendingFlush,
    ) {
        if head.kind == "delete" {
            // Nobody who comes from now on is given the text.
            state.fetches.clear();
        }
        let Some((user, removal)) = removal(head) else {
            if !batch.has_room_for(head.bytes()) {
                self.flush_batch(state, batch, pending_flush);
            }
            batch.add(id, head.bytes());
            state.profile_changed |= changes_profile(head);
            if let Some(whom) = access_change(head) {
                // They still get the event itself.
                self.flush_batch(state, batch, pending_flush);
                state.pause_for(&whom);
            }
            return;
        };
        self.flush_batch(state, batch, pending_flush);
        // Who is placed further on has come since: this is not about them.
        let removed = state.subscribers.not_ahead(&user);
        let paused = state.unpause_before(&user, id);
        batch.add(id, head.bytes());
        self.flush_batch(state, batch, pending_flush);
        // Who is catching up must ask again whether they may.
        state.epoch += 1;
        for connection in removed.into_iter().chain(paused) {
            state.subscribers.remove(&connection);
            self.notify_removed(&connection, &removal, pending_flush);
            state.kicked.push(connection);
        }
        state.note_emptiness();
    }

    /// Queues what was gathered for all who do not have it. Before it is, nobody may be told
    /// anything else.
    fn flush_batch(&self, state: &mut State, batch: &mut Batch, pending_flush: &mut PendingFlush) {
        let Some(events) = batch.take() else { return };
        for connection in state.subscribers.deliver(&events, pending_flush) {
            self.notify_removed(&connection, &Removal::Diverged, pending_flush);
        }
        if let Some(recent) = &mut state.recent {
            for (id, frame) in events.iter() {
                recent.push(id, frame);
            }
        }
    }
}

/// Whether this event is about what a user tells of themselves.
fn changes_profile(head: &EventHeader<'_>) -> bool {
    if head.kind != "room" {
        return false;
    }
    let settings = request::Fields::of(head.raw("data").unwrap_or_default());
    ["name", "avatar", "status"].iter().any(|name| settings.has(name))
}
