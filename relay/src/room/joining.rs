//! How connections come into a room while it moves on.
//!
//! A newcomer learns from Redis what it missed up to some position p, while the room moves on to L;
//! the room keeps the frames it delivered meanwhile (its *tail*), so that placing the newcomer is:
//! p before L, give it the tail after p; p after L, skip events until the room comes by at p; p
//! unknown, ask again. What one newcomer fetched serves others who come with the same cursor, as
//! long as the tail continues it. A contact has no position: its picture of who is here is good if
//! nobody has come or gone since it was asked for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_protocol::event_header::EventHeader;
use chat_protocol::id::Id;

use crate::client::connection::Connection;
use crate::client::frame;
use crate::client::outbox::Class;
use crate::metrics::METRICS;
use crate::room::fetch::{Fetch, Key};
use crate::room::recent_events::RecentEvents;
use crate::room::removal::removal;
use crate::room::room::{Next, Room, State, Subscription};
use crate::room::subscribers::{PendingFlush, queue};

/// How long a fetched answer serves other newcomers.
pub(super) const FETCH_KEPT: Duration = Duration::from_secs(2);
/// How many different answers are kept.
const FETCHES: usize = 16;

/// Whether a newcomer has its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attached {
    /// It receives from now on; whatever comes next has to be done.
    Then(Next),
    /// It was put out while it was on its way in, and has been told.
    Removed,
    /// What it fetched does not meet the room: fetch again.
    FetchAgain,
}

/// A newcomer's stay in the room while it catches up; ends when dropped.
pub(crate) struct Joiner {
    room: Arc<Room>,
    pub(super) epoch: u64,
    pub(super) presence_changes: u64,
    /// Where it stood if it was a receiver before.
    pub before: Option<Id>,
}

impl Drop for Joiner {
    fn drop(&mut self) {
        let mut state = self.room.state.lock();
        state.joiners -= 1;
        state.note_emptiness();
    }
}

impl Room {
    /// A connection begins to catch up. While it does it receives nothing.
    pub(crate) fn begin_join(self: &Arc<Self>, connection: &Connection) -> Joiner {
        let mut state = self.state.lock();
        state.joiners += 1;
        state.empty_since = None;
        let receiver = state.subscribers.remove(connection);
        let before = receiver.and_then(|receiver| receiver.ahead.or(state.order.last()));
        let before = before.or(state.unpause_one(connection));
        state.record_recent();
        let (epoch, presence_changes) = (state.epoch, state.presence_changes);
        Joiner { room: self.clone(), epoch, presence_changes, before }
    }

    /// The answer for this cursor: one under way or still good, else the one that `make` begins.
    pub(crate) fn fetch(&self, key: Key, make: impl FnOnce() -> Fetch) -> Fetch {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let (order, recent) = (&state.order, &state.recent);
        let settled = !order.is_syncing() && matches!(state.subscription, Subscription::Confirmed);
        state.fetches.retain(|(_, at, fetch)| match fetch.peek() {
            None => true,
            Some(Ok(fetched)) => {
                let meets = order.last().is_none_or(|last| {
                    fetched.last >= last
                        || recent
                            .as_ref()
                            .is_some_and(|recent| recent.after(fetched.last).is_some())
                });
                settled && meets && at.elapsed() < FETCH_KEPT
            }
            Some(Err(_)) => false,
        });
        if let Some((_, _, fetch)) = state.fetches.iter().find(|(known, ..)| *known == key) {
            METRICS.resumes_shared.increment(1);
            return fetch.clone();
        }
        let fetch = make();
        if state.fetches.len() < FETCHES {
            state.fetches.push((key, Instant::now(), fetch.clone()));
        }
        fetch
    }

    /// Gives a newcomer its place after `position`, up to which it has everything; frames it needs
    /// from the tail are queued. `known` are ids it got with a page.
    pub(crate) fn attach(
        &self,
        joiner: &Joiner,
        connection: &Arc<Connection>,
        position: Id,
        known: &[Id],
        pending_flush: &mut PendingFlush,
    ) -> Attached {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if state.epoch != joiner.epoch {
            return Attached::FetchAgain;
        }
        self.attach_at(state, connection, position, known, pending_flush)
    }

    /// The same for a connection whose presence was set when the room was at `position`: what puts
    /// its user out after that puts it out too.
    pub(crate) fn attach_present(
        &self,
        joiner: &Joiner,
        connection: &Arc<Connection>,
        position: Id,
        pending_flush: &mut PendingFlush,
    ) -> Attached {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let missed = state.recent.as_ref().and_then(|recent| recent.after(position));
        let heads = missed.into_iter().flatten();
        let found = heads.filter_map(|frame| {
            let (user, removal) = removal(&EventHeader::parse(frame::payload(frame))?)?;
            (*user == *connection.user).then_some(removal)
        });
        if let Some(removal) = found.last() {
            self.notify_removed(connection, &removal, pending_flush);
            return Attached::Removed;
        }
        if state.epoch != joiner.epoch {
            return Attached::FetchAgain;
        }
        self.attach_at(state, connection, position, &[], pending_flush)
    }

    fn attach_at(
        &self,
        state: &mut State,
        connection: &Arc<Connection>,
        position: Id,
        known: &[Id],
        pending_flush: &mut PendingFlush,
    ) -> Attached {
        let Some(last) = state.order.last() else {
            state.subscribers.attach(connection, None);
            state.recent = Some(RecentEvents::starting_at(Some(position)));
            let settled = state.order.start_at(position, known.iter().copied());
            let again = self.deliver_settled(state, settled, pending_flush);
            return Attached::Then(if again { Next::Sync } else { Next::Done });
        };
        if position >= last {
            state
                .subscribers
                .attach(connection, Some(position).filter(|position| *position != last));
            return Attached::Then(Next::Done);
        }
        let Some(recent) = &state.recent else { return Attached::FetchAgain };
        let Some(frames) = recent.after(position) else {
            state.fetches.clear();
            return Attached::FetchAgain;
        };
        for frame in frames {
            queue(connection, frame, Class::Live, pending_flush);
        }
        state.subscribers.attach(connection, None);
        Attached::Then(Next::Done)
    }

    /// Has a newcomer told of presence only, from now on. `newest` is the room's newest id as Redis
    /// told it together with who is here.
    pub(crate) fn attach_contact(
        &self,
        joiner: &Joiner,
        connection: &Arc<Connection>,
        newest: Id,
        pending_flush: &mut PendingFlush,
    ) -> Attached {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if state.epoch != joiner.epoch || state.presence_changes != joiner.presence_changes {
            return Attached::FetchAgain;
        }
        state.contacts.attach(connection, None);
        // A position, so that holes are found here as in other rooms.
        let settled = state.order.start_at(newest, []);
        let again = self.deliver_settled(state, settled, pending_flush);
        Attached::Then(if again { Next::Sync } else { Next::Done })
    }
}
