//! One room on this relay: its position, who receives it and what they are told.
//!
//! Durable events go to the receivers by the delivery rule. Whoever an event takes out of the room
//! (kicked, banned) is taken out at the moment it is delivered, so that nothing after it reaches
//! them, however it came; whose access an event puts in question is paused there. Contacts are told of presence only. [`joining`] brings connections in,
//! [`pauses`] keeps those apart who may perhaps not read, [`maintenance`] is what is done now and then.
//!
//! The lock around it is held for memory work only. This file asks Redis nothing and sends to no
//! socket itself: it queues frames and names the connections to flush.

use std::sync::Arc;
use std::time::Instant;

use chat_protocol::id::Id;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::client::connection::Connection;
use crate::client::frame::Frame;
use crate::room::fetch::{Fetch, Key};
use crate::room::ordering::EventOrder;
use crate::room::recent_events::RecentEvents;
use crate::room::subscribers::Subscribers;

/// One room.
pub(crate) struct Room {
    /// Its name, key and channel.
    pub name: Arc<str>,
    pub(super) state: Mutex<State>,
    pub(super) confirmed: Notify,
}

pub(super) struct State {
    pub(super) order: EventOrder<Frame>,
    pub(super) subscribers: Subscribers,
    /// Connections that receive nothing until Redis has said whether they may read.
    pub(super) paused: Vec<Pause>,
    /// Somebody asks for them.
    pub(super) checking: bool,
    /// When the last question was made.
    pub(super) checked_at: Option<Instant>,
    /// Connections that are told of presence only: this is the personal room of another user.
    pub(super) contacts: Subscribers,
    /// Presence events and drops so far: a picture of who is here is as old as its count.
    pub(super) presence_changes: u64,
    /// Connections that are catching up.
    pub(super) joiners: usize,
    /// Grows when everybody starts anew: what was fetched before is void.
    pub(super) epoch: u64,
    pub(super) recent: Option<RecentEvents>,
    pub(super) fetches: Vec<(Key, Instant, Fetch)>,
    pub(super) subscription: Subscription,
    pub(super) beat_at: Option<Instant>,
    pub(super) empty_since: Option<Instant>,
    /// Connections that were kicked out, whose presence may have been set again meanwhile.
    pub(super) kicked: Vec<Arc<Connection>>,
    /// The profile that this personal room holds may have changed.
    pub(super) profile_changed: bool,
    /// `BEAT` found the room ahead of us at that id since then.
    pub(super) ahead: Option<(Id, Instant)>,
}

/// One paused connection.
pub(super) struct Pause {
    pub(super) connection: Arc<Connection>,
    /// It has everything up to here.
    pub(super) position: Id,
    pub(super) since: Instant,
    pub(super) presence_changes: u64,
}

pub(super) enum Subscription {
    Requested(Instant),
    Confirmed,
}

/// What the caller has to do about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing.
    Done,
    /// Run a sync of this room.
    Sync,
}

impl Room {
    /// A room whose subscription is about to be asked for.
    pub(crate) fn new(name: Arc<str>) -> Room {
        let now = Instant::now();
        let state = State {
            order: EventOrder::default(),
            subscribers: Subscribers::default(),
            paused: Vec::new(),
            checking: false,
            checked_at: None,
            contacts: Subscribers::default(),
            presence_changes: 0,
            joiners: 0,
            epoch: 0,
            recent: None,
            fetches: Vec::new(),
            subscription: Subscription::Requested(now),
            beat_at: None,
            empty_since: Some(now),
            kicked: Vec::new(),
            profile_changed: false,
            ahead: None,
        };
        Room { name, state: Mutex::new(state), confirmed: Notify::new() }
    }

    /// The connection receives nothing more from this room.
    pub(crate) fn remove(&self, connection: &Connection) {
        let mut state = self.state.lock();
        state.subscribers.remove(connection);
        state.unpause_one(connection);
        state.contacts.remove(connection);
        state.note_emptiness();
    }

    /// The connections kicked out since the last time: their presence here is to be ended.
    pub(crate) fn take_kicked(&self) -> Vec<Arc<Connection>> {
        std::mem::take(&mut self.state.lock().kicked)
    }

    /// All who are told something here that is no secret of the room: receivers and contacts.
    pub(crate) fn subscribers_and_contacts(&self) -> Vec<Arc<Connection>> {
        let state = self.state.lock();
        state.subscribers.iter().chain(state.contacts.iter()).cloned().collect()
    }

    /// Whether the profile in this room has changed since the last time.
    pub(crate) fn take_profile_change(&self) -> bool {
        std::mem::take(&mut self.state.lock().profile_changed)
    }

    /// Whether this connection is here, receiving, paused or told of presence only.
    pub(crate) fn contains(&self, connection: &Connection) -> bool {
        let state = self.state.lock();
        let same = |other: &Arc<Connection>| other.number == connection.number;
        state.subscribers.contains(connection)
            || state.contacts.contains(connection)
            || state.paused().any(same)
    }

    /// Everybody who receives this room, or is paused: all who are to count as present.
    pub(crate) fn attached(&self) -> Vec<Arc<Connection>> {
        let state = self.state.lock();
        state.subscribers.iter().chain(state.paused()).cloned().collect()
    }

    /// Whether this connection receives this room now.
    pub(crate) fn is_subscribed(&self, connection: &Connection) -> bool {
        self.state.lock().subscribers.contains(connection)
    }
}

impl State {
    pub(super) fn note_emptiness(&mut self) {
        let empty = self.joiners == 0
            && self.subscribers.is_empty()
            && self.paused.is_empty()
            && self.contacts.is_empty();
        if !empty {
            self.empty_since = None;
        } else if self.empty_since.is_none() {
            self.empty_since = Some(Instant::now());
        }
    }

    pub(super) fn pause(&mut self, whom: impl Fn(&Connection) -> bool) {
        let room_last = self.order.last().unwrap_or_default();
        let (since, presence_changes) = (Instant::now(), self.presence_changes);
        let paused = self.subscribers.remove_where(|receiver| whom(receiver));
        if paused.is_empty() {
            return;
        }
        self.record_recent();
        self.paused.extend(paused.into_iter().map(|(connection, ahead)| Pause {
            connection,
            position: ahead.unwrap_or(room_last),
            since,
            presence_changes,
        }));
    }

    /// Takes out the paused connections for which `whom` is true.
    pub(super) fn unpause(&mut self, whom: impl Fn(&Pause) -> bool) -> Vec<Arc<Connection>> {
        let gone = self.paused.extract_if(.., |pause| whom(pause));
        let gone: Vec<_> = gone.map(|pause| pause.connection).collect();
        self.note_emptiness();
        gone
    }

    /// Takes out this connection, if it is paused; its position.
    pub(super) fn unpause_one(&mut self, connection: &Connection) -> Option<Id> {
        let same = |pause: &Pause| pause.connection.number == connection.number;
        let index = self.paused.iter().position(same)?;
        Some(self.paused.swap_remove(index).position)
    }

    /// Takes out the paused connections of this user that have not come by the event `id`.
    pub(super) fn unpause_before(&mut self, user: &str, id: Id) -> Vec<Arc<Connection>> {
        self.unpause(|pause| *pause.connection.user == *user && pause.position < id)
    }

    /// Takes out those who are ahead of the room.
    pub(super) fn unpause_ahead(&mut self) -> Vec<Arc<Connection>> {
        let last = self.order.last().unwrap_or_default();
        self.unpause(|pause| pause.position > last)
    }

    /// Takes out everybody who is paused.
    pub(super) fn unpause_all(&mut self) -> Vec<Arc<Connection>> {
        self.unpause(|_| true)
    }

    /// Everybody who is paused.
    pub(super) fn paused(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.paused.iter().map(|pause| &pause.connection)
    }

    pub(super) fn record_recent(&mut self) {
        let last = self.order.last();
        self.recent.get_or_insert_with(|| RecentEvents::starting_at(last));
    }
}
