//! How a connection joins a room while events continue to arrive.
//!
//! A joining connection fetches from Redis what it missed, up to a position p. Meanwhile the room
//! may reach another position L. While a connection is joining, the room records the frames that it
//! delivers (`recent_events.rs`). Then it attaches the connection:
//!
//! - p before L: queue the recorded frames after p.
//! - p after L: skip events until the room reaches exactly p.
//! - p unknown to the record: fetch again.
//!
//! A fetched answer is shared by all connections that join with the same cursor, as long as the
//! recorded events continue it. A contact has no position: its presence list is valid if presence
//! has not changed since the request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_protocol::event_header::EventHeader;
use chat_protocol::id::Id;

use crate::client::connection::Connection;
use crate::client::frame;
use crate::metrics::METRICS;
use crate::room::access::removal::removal;
use crate::room::fetch::{Fetch, Key};
use crate::room::recent_events::RecentEvents;
use crate::room::room::{Next, Room, State, Subscription};
use crate::room::subscribers::{PendingFlush, queue_missed};

/// How long a fetched answer may be shared.
pub(super) const FETCH_KEPT: Duration = Duration::from_secs(2);
/// How many different answers are kept for sharing.
const FETCHES: usize = 16;

/// The result of attaching a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attached {
    /// The connection is attached; the caller must do what comes next.
    Then(Next),
    /// An event removed the user while the connection was joining. The client has been notified.
    Removed,
    /// The fetched answer does not connect to the room's position: fetch again.
    FetchAgain,
}

/// Marks a connection as joining until it is dropped. Meanwhile the room records its events and is
/// not removed.
pub(crate) struct Joiner {
    room: Arc<Room>,
    pub(super) epoch: u64,
    pub(super) presence_changes: u64,
    /// The connection's position if it was attached before.
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
    /// Starts joining: from here until it is attached, the connection receives nothing.
    pub(crate) fn begin_join(self: &Arc<Self>, connection: &Connection) -> Joiner {
        let mut state = self.state.lock();
        state.joiners += 1;
        state.empty_since = None;
        let subscriber = state.subscribers.remove(connection);
        let before = subscriber.and_then(|subscriber| subscriber.ahead.or(state.order.last()));
        let before = before.or(state.unpause_one(connection));
        state.record_recent();
        let (epoch, presence_changes) = (state.epoch, state.presence_changes);
        Joiner { room: self.clone(), epoch, presence_changes, before }
    }

    /// The answer for this cursor: a shared one if it is in progress or still valid, else one that
    /// `make` starts.
    pub(crate) fn fetch(&self, key: Key, make: impl FnOnce() -> Fetch) -> Fetch {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let (order, recent) = (&state.order, &state.recent);
        let in_order = !order.is_syncing() && matches!(state.subscription, Subscription::Confirmed);
        state.fetches.retain(|(_, at, fetch)| match fetch.peek() {
            None => true,
            Some(Ok(fetched)) => {
                let meets = order.last().is_none_or(|last| {
                    fetched.last >= last
                        || recent
                            .as_ref()
                            .is_some_and(|recent| recent.after(fetched.last).is_some())
                });
                in_order && meets && at.elapsed() < FETCH_KEPT
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

    /// Attaches a connection that has everything up to `position`, and queues the recorded events
    /// after it. `known` are the ids of events in the page that it received.
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

    /// As [`Room::attach`], for a connection whose presence was set when the room was at
    /// `position`. An event after `position` that removes its user removes the connection too.
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
            let applied = state.order.start_at(position, known.iter().copied());
            let again = self.deliver_applied(state, applied, pending_flush);
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
            queue_missed(connection, &self.name, frame, pending_flush);
        }
        state.subscribers.attach(connection, None);
        Attached::Then(Next::Done)
    }

    /// Attaches a contact: it receives presence from now on. `newest` is the room's newest id, read
    /// together with the presence.
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
        // Gives the room a position, so that lost events are noticed here as in other rooms.
        let applied = state.order.start_at(newest, []);
        let again = self.deliver_applied(state, applied, pending_flush);
        Attached::Then(if again { Next::Sync } else { Next::Done })
    }
}
