//! Delivering events to the connections of a room.
//!
//! Durable events go to the subscribers if the ordering rule says so (`ordering.rs`); events that
//! arrive together form a batch. An event that removes a user is delivered to that user as the last
//! one. An event that puts access in question pauses the users it concerns. Contacts receive
//! presence events only.

use std::borrow::Cow;

use chat_protocol::event_header::{EventHeader, MOVED, Place};
use chat_protocol::id::Id;

use crate::client::connection::Connection;
use crate::client::frame::{self, Frame};
use crate::client::outbox::Class;
use crate::client::request;
use crate::event;
use crate::room::access::access_change::access_change;
use crate::room::access::removal::{Removal, removal};
use crate::room::batch::Batch;
use crate::room::logged_presence::LoggedPresence;
use crate::room::ordering::{Applied, Verdict};
use crate::room::room::{Next, Room, State};
use crate::room::subscribers::{PendingFlush, queue};

/// An event, and the frame that it is for clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived<'a> {
    /// The event's header.
    pub(crate) head: EventHeader<'a>,
    /// The frame.
    pub(crate) frame: &'a Frame,
}

impl<'a> Arrived<'a> {
    /// The event in this frame. None: the module has not made it.
    pub(crate) fn read(frame: &'a Frame) -> Option<Arrived<'a>> {
        Some(Arrived { head: EventHeader::parse(frame::payload(frame))?, frame })
    }
}

impl Room {
    /// Delivers events that arrived on the channel, in their order.
    pub(crate) fn deliver<'e>(
        &self,
        events: impl IntoIterator<Item = &'e Arrived<'e>>,
        pending_flush: &mut PendingFlush,
    ) -> Next {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let mut batch = Batch::default();
        let mut next = Next::Done;
        for event in events {
            let Arrived { head, frame } = event;
            match head.place {
                Place::Durable { id, prev } => {
                    if let Some(logged) = LoggedPresence::of(id, head) {
                        state.logged_presence = Some(logged);
                    }
                    let size = head.bytes().len();
                    match state.order.durable(id, prev, size, || (*frame).clone()) {
                        Verdict::Deliver => {
                            self.add_to_batch(state, id, event, &mut batch, pending_flush)
                        }
                        Verdict::Duplicate | Verdict::Waits => {}
                        Verdict::WaitsForSync => next = Next::Sync,
                    }
                }
                Place::Ephemeral { last } => {
                    self.flush_batch(state, &mut batch, pending_flush);
                    if self.deliver_ephemeral(state, event, last, pending_flush) {
                        next = Next::Sync;
                    }
                }
            }
        }
        self.flush_batch(state, &mut batch, pending_flush);
        next
    }

    /// Delivers an ephemeral event. Returns whether a sync is needed.
    fn deliver_ephemeral(
        &self,
        state: &mut State,
        Arrived { head, frame }: &Arrived<'_>,
        last: Option<Id>,
        pending_flush: &mut PendingFlush,
    ) -> bool {
        if matches!(head.kind, "drop" | MOVED) {
            // Without a position nobody is here to tell.
            if let Some(position) = state.order.last() {
                state.order.sync_again();
                state.dropped.note(&self.name, head, last.unwrap_or(position));
            }
            return true;
        }
        if matches!(head.kind, "presence" | "occupancy") {
            // Subscribers of a personal room receive the durable event, contacts only this one.
            let logged = state.logged_presence;
            if !logged.is_some_and(|logged| logged.is_repeated_by(head, last)) {
                state.subscribers.queue_presence(frame, Class::Ephemeral, pending_flush);
            }
            state.presence_changes += 1;
            state.contacts.queue_ephemeral(frame, |_| true, pending_flush);
        } else {
            let from = if head.kind == "signal" { event::text(head, "user") } else { None };
            let about = if head.kind == "notice" { room_of_notice(head) } else { None };
            let receives = |connection: &Connection| {
                from.as_deref() != Some(&*connection.user)
                    && about.as_deref().is_none_or(|room| connection.may_know(room))
            };
            state.subscribers.queue_ephemeral(frame, receives, pending_flush);
        }
        last.is_some_and(|last| state.order.note_newest(last))
    }

    /// Presence events may have been missed: clients must ask for the presence list again.
    pub(crate) fn reset(&self, pending_flush: &mut PendingFlush) {
        let mut state = self.state.lock();
        state.subscribers.queue_presence(&self.reset_frame(), Class::Live, pending_flush);
        self.reset_contacts(&mut state, pending_flush);
    }

    pub(super) fn reset_contacts(&self, state: &mut State, pending_flush: &mut PendingFlush) {
        state.presence_changes += 1;
        if !state.contacts.is_empty() {
            state.contacts.queue_live(&self.reset_frame(), pending_flush);
        }
    }

    /// Queues a frame made by the relay for every subscriber.
    pub(crate) fn queue_for_subscribers(&self, frame: &Frame, pending_flush: &mut PendingFlush) {
        self.state.lock().subscribers.queue_live(frame, pending_flush);
    }

    /// Queues a frame made by the relay for every subscriber and paused connection. It must not
    /// reveal anything of the room.
    pub(crate) fn queue_for_all(&self, frame: &Frame, pending_flush: &mut PendingFlush) {
        let state = self.state.lock();
        state.subscribers.queue_live(frame, pending_flush);
        for connection in state.paused() {
            queue(connection, frame, Class::Live, pending_flush);
        }
    }

    pub(super) fn deliver_applied(
        &self,
        state: &mut State,
        applied: Applied<Frame>,
        pending_flush: &mut PendingFlush,
    ) -> bool {
        let mut batch = Batch::default();
        for (id, frame) in applied.deliver {
            let Some(event) = Arrived::read(&frame) else { continue };
            self.add_to_batch(state, id, &event, &mut batch, pending_flush);
        }
        self.flush_batch(state, &mut batch, pending_flush);
        applied.again
    }

    /// Adds an event to the batch. An event that removes a user is flushed at once.
    fn add_to_batch(
        &self,
        state: &mut State,
        id: Id,
        Arrived { head, frame }: &Arrived<'_>,
        batch: &mut Batch,
        pending_flush: &mut PendingFlush,
    ) {
        if matches!(head.kind, "delete" | "erase") {
            // Connections that join from now on must not receive the deleted text.
            state.fetches.clear();
        }
        if head.kind == "erase" {
            // Nor any text of the user from the recent events.
            self.flush_batch(state, batch, pending_flush);
            state.forget_recent(head);
        }
        let Some((user, removal)) = removal(head) else {
            if !batch.has_room_for(frame) {
                self.flush_batch(state, batch, pending_flush);
            }
            batch.add(id, frame);
            state.profile_changed |= changes_profile(head);
            if let Some(change) = access_change(head) {
                // The users in question still receive this event.
                self.flush_batch(state, batch, pending_flush);
                state.pause_for(&change);
            }
            return;
        };
        self.flush_batch(state, batch, pending_flush);
        // Connections that are ahead of this event joined after it: it does not remove them.
        let removed = state.subscribers.not_ahead(&user);
        let paused = state.unpause_before(&user, id);
        batch.add(id, frame);
        self.flush_batch(state, batch, pending_flush);
        // Joining connections must check their access again.
        state.epoch += 1;
        for connection in removed.into_iter().chain(paused) {
            state.subscribers.remove(&connection);
            self.notify_removed(&connection, &removal, pending_flush);
            state.kicked.push(connection);
        }
        state.note_emptiness();
    }

    /// Flushes the batch. Must run before any other frame is queued, to keep the order.
    fn flush_batch(&self, state: &mut State, batch: &mut Batch, pending_flush: &mut PendingFlush) {
        let Some(events) = batch.take() else { return };
        for connection in state.subscribers.deliver(&self.name, &events, pending_flush) {
            self.notify_removed(&connection, &Removal::Diverged, pending_flush);
        }
        if let Some(recent) = &mut state.recent {
            for (id, frame) in events.iter() {
                recent.push(id, frame);
            }
        }
    }
}

/// The room that a notice is about, which not every token is for.
fn room_of_notice<'a>(head: &EventHeader<'a>) -> Option<Cow<'a, str>> {
    request::Fields::of(head.raw("data")?).optional_text("room").ok()?
}

/// Whether this event changes the user's name, avatar or status.
fn changes_profile(head: &EventHeader<'_>) -> bool {
    if head.kind != "room" {
        return false;
    }
    let settings = request::Fields::of(head.raw("data").unwrap_or_default());
    ["name", "avatar", "status"].iter().any(|name| settings.has(name))
}
