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

use super::{Next, Room, State, Subscription, removal};
use crate::client::connection::Connection;
use crate::client::frame;
use crate::client::outbox::Class;
use crate::event::{Head, Id};
use crate::metrics::FIGURES;
use crate::room::fetch::{Fetch, Key};
use crate::room::recent_events::Tail;
use crate::room::subscribers::{Dirty, queue};

/// How long a fetched answer serves other newcomers.
pub(super) const FETCH_KEPT: Duration = Duration::from_secs(2);
/// How many different answers are kept.
const FETCHES: usize = 16;

/// Whether a newcomer has its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It receives from now on; whatever comes next has to be done.
    Then(Next),
    /// It was put out while it was on its way in, and has been told.
    PutOut,
    /// What it fetched does not meet the room: fetch again.
    FetchAgain,
}

/// A newcomer's stay in the room while it catches up; ends when dropped.
pub struct Newcomer {
    room: Arc<Room>,
    pub(super) epoch: u64,
    pub(super) presence_changes: u64,
    /// Where it stood if it was a receiver before.
    pub before: Option<Id>,
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        let mut state = self.room.state.lock();
        state.newcomers -= 1;
        state.note_emptiness();
    }
}

impl Room {
    /// A connection begins to catch up. While it does it receives nothing.
    pub fn arrive(self: &Arc<Self>, connection: &Connection) -> Newcomer {
        let mut state = self.state.lock();
        state.newcomers += 1;
        state.empty_since = None;
        let receiver = state.receivers.remove(connection);
        let before = receiver.and_then(|receiver| receiver.ahead.or(state.delivery.last()));
        let before = before.or(state.unpause_one(connection));
        state.record();
        let (epoch, presence_changes) = (state.epoch, state.presence_changes);
        Newcomer { room: self.clone(), epoch, presence_changes, before }
    }

    /// The answer for this cursor: one under way or still good, else the one that `make` begins.
    pub fn fetch(&self, key: Key, make: impl FnOnce() -> Fetch) -> Fetch {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let (delivery, tail) = (&state.delivery, &state.tail);
        let settled =
            !delivery.is_syncing() && matches!(state.subscription, Subscription::Confirmed);
        state.fetches.retain(|(_, at, fetch)| match fetch.peek() {
            None => true,
            Some(Ok(fetched)) => {
                let meets = delivery.last().is_none_or(|last| {
                    fetched.last >= last
                        || tail.as_ref().is_some_and(|tail| tail.from(fetched.last).is_some())
                });
                settled && meets && at.elapsed() < FETCH_KEPT
            }
            Some(Err(_)) => false,
        });
        if let Some((_, _, fetch)) = state.fetches.iter().find(|(known, ..)| *known == key) {
            FIGURES.resumes_shared.increment(1);
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
    pub fn place(
        &self,
        newcomer: &Newcomer,
        connection: &Arc<Connection>,
        position: Id,
        known: &[Id],
        dirty: &mut Dirty,
    ) -> Placed {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if state.epoch != newcomer.epoch {
            return Placed::FetchAgain;
        }
        self.place_in(state, connection, position, known, dirty)
    }

    /// The same for a connection whose presence was set when the room was at `position`: what puts
    /// its user out after that puts it out too.
    pub fn place_present(
        &self,
        newcomer: &Newcomer,
        connection: &Arc<Connection>,
        position: Id,
        dirty: &mut Dirty,
    ) -> Placed {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let missed = state.tail.as_ref().and_then(|tail| tail.from(position));
        let heads = missed.into_iter().flatten();
        let found = heads.filter_map(|frame| {
            let (user, removal) = removal(&Head::parse(frame::payload(frame))?)?;
            (*user == *connection.user).then_some(removal)
        });
        if let Some(removal) = found.last() {
            self.tell_removed(connection, &removal, dirty);
            return Placed::PutOut;
        }
        if state.epoch != newcomer.epoch {
            return Placed::FetchAgain;
        }
        self.place_in(state, connection, position, &[], dirty)
    }

    fn place_in(
        &self,
        state: &mut State,
        connection: &Arc<Connection>,
        position: Id,
        known: &[Id],
        dirty: &mut Dirty,
    ) -> Placed {
        let Some(last) = state.delivery.last() else {
            state.receivers.seat(connection, None);
            state.tail = Some(Tail::after(Some(position)));
            let settled = state.delivery.place(position, known.iter().copied());
            let again = self.deliver_settled(state, settled, dirty);
            return Placed::Then(if again { Next::Sync } else { Next::Done });
        };
        if position >= last {
            state.receivers.seat(connection, Some(position).filter(|position| *position != last));
            return Placed::Then(Next::Done);
        }
        let Some(tail) = &state.tail else { return Placed::FetchAgain };
        let Some(frames) = tail.from(position) else {
            state.fetches.clear();
            return Placed::FetchAgain;
        };
        for frame in frames {
            queue(connection, frame, Class::Live, dirty);
        }
        state.receivers.seat(connection, None);
        Placed::Then(Next::Done)
    }

    /// Has a newcomer told of presence only, from now on. `newest` is the room's newest id as Redis
    /// told it together with who is here.
    pub fn place_contact(
        &self,
        newcomer: &Newcomer,
        connection: &Arc<Connection>,
        newest: Id,
        dirty: &mut Dirty,
    ) -> Placed {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if state.epoch != newcomer.epoch || state.presence_changes != newcomer.presence_changes {
            return Placed::FetchAgain;
        }
        state.contacts.seat(connection, None);
        // A position, so that holes are found here as in other rooms.
        let settled = state.delivery.place(newest, []);
        let again = self.deliver_settled(state, settled, dirty);
        Placed::Then(if again { Next::Sync } else { Next::Done })
    }
}
