//! The state of one room, and the connections in it.
//!
//! Each connection is in one of three lists: subscribers receive all events, paused connections
//! receive nothing until their access is known, contacts receive only presence (the room is another
//! user's personal room).
//!
//! The lock around the state is held for work in memory only. The other files of this folder add
//! what happens to a room.

use std::sync::Arc;
use std::time::Instant;

use chat_protocol::event_header::{EventHeader, Place};
use chat_protocol::id::Id;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::client::connection::Connection;
use crate::client::frame::Frame;
use crate::client::relay_frame::RelayFrame;
use crate::room::dropped::PendingDrop;
use crate::room::fetch::{Fetch, KeptView, Key};
use crate::room::logged_presence::LoggedPresence;
use crate::room::ordering::EventOrder;
use crate::room::recent_events::RecentEvents;
use crate::room::subscribers::Subscribers;

/// One room.
pub(crate) struct Room {
    /// The room's name: also its key and its channel.
    pub name: Arc<str>,
    pub(super) state: Mutex<State>,
    pub(super) confirmed: Notify,
}

pub(super) struct State {
    pub(super) order: EventOrder<Frame>,
    pub(super) subscribers: Subscribers,
    /// Connections that receive nothing until Redis has said whether their users may read.
    pub(super) paused: Vec<Pause>,
    /// A task checks the access of the paused connections.
    pub(super) checking: bool,
    /// When the last access check began.
    pub(super) checked_at: Option<Instant>,
    /// Connections that receive only presence: this is another user's personal room.
    pub(super) contacts: Subscribers,
    /// The newest durable event of presence: this is a personal room.
    pub(super) logged_presence: Option<LoggedPresence>,
    /// Number of presence events and drops so far. A presence list is valid for one value of this
    /// counter.
    pub(super) presence_changes: u64,
    /// Number of connections that are joining and not attached yet.
    pub(super) joiners: usize,
    /// Grows when answers that were requested before have become invalid: after a reload, a
    /// removal, a change of access, or a lost subscription.
    pub(super) epoch: u64,
    pub(super) recent: Option<RecentEvents>,
    pub(super) fetches: Vec<(Key, Instant, Fetch)>,
    pub(super) guest_view: Option<KeptView>,
    pub(super) subscription: Subscription,
    pub(super) beat_at: Option<Instant>,
    pub(super) empty_since: Option<Instant>,
    /// Connections that an event removed. Their presence must be ended again, in case a beat
    /// renewed it.
    pub(super) kicked: Vec<Arc<Connection>>,
    /// A `drop` that no sync has confirmed.
    pub(super) dropped: PendingDrop,
    /// The profile in this personal room may have changed.
    pub(super) profile_changed: bool,
    /// The newest id that `CHAT.BEAT` returned, greater than ours, and when.
    pub(super) ahead: Option<(Id, Instant)>,
}

/// One paused connection.
pub(super) struct Pause {
    pub(super) connection: Arc<Connection>,
    /// The last event that it has received.
    pub(super) position: Id,
    pub(super) since: Instant,
    pub(super) presence_changes: u64,
}

pub(super) enum Subscription {
    Requested,
    Confirmed,
}

/// What the caller must do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing.
    Done,
    /// Sync this room.
    Sync,
}

impl Room {
    /// A room whose subscription has been requested.
    pub(crate) fn new(name: Arc<str>) -> Room {
        let now = Instant::now();
        let state = State {
            order: EventOrder::default(),
            subscribers: Subscribers::default(),
            paused: Vec::new(),
            checking: false,
            checked_at: None,
            contacts: Subscribers::default(),
            logged_presence: None,
            presence_changes: 0,
            joiners: 0,
            epoch: 0,
            recent: None,
            fetches: Vec::new(),
            guest_view: None,
            subscription: Subscription::Requested,
            beat_at: None,
            empty_since: Some(now),
            kicked: Vec::new(),
            dropped: PendingDrop::default(),
            profile_changed: false,
            ahead: None,
        };
        Room { name, state: Mutex::new(state), confirmed: Notify::new() }
    }

    /// The frame for connections that may have missed presence events.
    pub(super) fn reset_frame(&self) -> Frame {
        RelayFrame::Reset { room: &self.name }.encode()
    }

    /// Removes a connection: it receives nothing more from this room.
    pub(crate) fn remove(&self, connection: &Connection) {
        let mut state = self.state.lock();
        state.subscribers.remove(connection);
        state.unpause_one(connection);
        state.contacts.remove(connection);
        state.note_emptiness();
    }

    /// Returns the connections that events have removed since the last call; the caller ends their
    /// presence.
    pub(crate) fn take_kicked(&self) -> Vec<Arc<Connection>> {
        std::mem::take(&mut self.state.lock().kicked)
    }

    /// Subscribers and contacts: everyone who may receive what is no secret of the room.
    pub(crate) fn subscribers_and_contacts(&self) -> Vec<Arc<Connection>> {
        let state = self.state.lock();
        state.subscribers.iter().chain(state.contacts.iter()).cloned().collect()
    }

    /// Subscribers, paused connections and contacts: what they are told must not reveal anything of
    /// the room.
    pub(crate) fn everyone(&self) -> Vec<Arc<Connection>> {
        let state = self.state.lock();
        let subscribers_and_contacts = state.subscribers.iter().chain(state.contacts.iter());
        subscribers_and_contacts.chain(state.paused()).cloned().collect()
    }

    /// Whether the profile in this room has changed since the last call.
    pub(crate) fn take_profile_change(&self) -> bool {
        std::mem::take(&mut self.state.lock().profile_changed)
    }

    /// Whether this connection is a subscriber, paused, or a contact.
    pub(crate) fn contains(&self, connection: &Connection) -> bool {
        let state = self.state.lock();
        let same = |other: &Arc<Connection>| other.number == connection.number;
        state.subscribers.contains(connection)
            || state.contacts.contains(connection)
            || state.paused().any(same)
    }

    /// All subscribers and paused connections but those of guests. They are the ones who are present.
    pub(crate) fn attached(&self) -> Vec<Arc<Connection>> {
        let state = self.state.lock();
        let paused = state.paused().filter(|connection| !connection.is_guest());
        state.subscribers.users().chain(paused).cloned().collect()
    }

    /// The connection watches patterns of rooms from now on.
    pub(crate) fn note_watching(&self, connection: &Connection) {
        self.state.lock().subscribers.note_watching(connection);
    }

    /// Whether this connection is a subscriber.
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

    pub(super) fn pause(&mut self, pick: impl Fn(&Connection) -> bool) {
        let room_last = self.order.last().unwrap_or_default();
        let (since, presence_changes) = (Instant::now(), self.presence_changes);
        let paused = self.subscribers.remove_where(|subscriber| pick(subscriber));
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

    /// Removes and returns the paused connections for which `pick` is true.
    pub(super) fn unpause(&mut self, pick: impl Fn(&Pause) -> bool) -> Vec<Arc<Connection>> {
        let gone = self.paused.extract_if(.., |pause| pick(pause));
        let gone: Vec<_> = gone.map(|pause| pause.connection).collect();
        self.note_emptiness();
        gone
    }

    /// Removes this connection from the paused ones and returns its position. None: it is not
    /// paused.
    pub(super) fn unpause_one(&mut self, connection: &Connection) -> Option<Id> {
        let same = |pause: &Pause| pause.connection.number == connection.number;
        let index = self.paused.iter().position(same)?;
        Some(self.paused.swap_remove(index).position)
    }

    /// Removes and returns this user's paused connections whose position is before the event `id`.
    pub(super) fn unpause_before(&mut self, user: &str, id: Id) -> Vec<Arc<Connection>> {
        self.unpause(|pause| *pause.connection.user == *user && pause.position < id)
    }

    /// Removes and returns the paused connections that are ahead of the room.
    pub(super) fn unpause_ahead(&mut self) -> Vec<Arc<Connection>> {
        let last = self.order.last().unwrap_or_default();
        self.unpause(|pause| pause.position > last)
    }

    /// Removes and returns all paused connections.
    pub(super) fn unpause_all(&mut self) -> Vec<Arc<Connection>> {
        self.unpause(|_| true)
    }

    /// All paused connections.
    pub(super) fn paused(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.paused.iter().map(|pause| &pause.connection)
    }

    /// Forgets the recent events before this one. Connections that miss one of them ask Redis.
    pub(super) fn forget_recent(&mut self, head: &EventHeader<'_>) {
        if let (Some(recent), Place::Durable { prev, .. }) = (&mut self.recent, head.place) {
            *recent = RecentEvents::starting_at(Some(prev));
        }
    }

    pub(super) fn record_recent(&mut self) {
        let last = self.order.last();
        self.recent.get_or_insert_with(|| RecentEvents::starting_at(last));
    }
}
