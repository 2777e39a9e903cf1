//! One room on this relay: its position, who receives it and what they are told.
//!
//! Durable events go to the receivers by the delivery rule. Whoever an event takes out of the room
//! (kicked, banned) is taken out at the moment it is delivered, so that nothing after it reaches
//! them, however it came; whose access an event puts in question is paused there. Contacts are told of presence only. [`joining`] brings connections in,
//! [`pauses`] keeps those apart who may perhaps not read, [`maintenance`] is what is done now and then.
//!
//! The lock around it is held for memory work only. This file asks Redis nothing and sends to no
//! socket itself: it queues frames and names the connections to flush.

mod batch;
pub(crate) mod fetch;
mod joining;
mod maintenance;
mod ordering;
mod pauses;
mod publish;
mod recent_events;
pub(crate) mod subscribers;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::client::connection::Connection;
use crate::client::frame::Frame;
use crate::event::{Head, Id};
use crate::room::fetch::{Fetch, Key};
use crate::room::ordering::EventOrder;
use crate::room::recent_events::RecentEvents;
use crate::room::subscribers::{PendingFlush, Subscribers};
use pauses::Pause;

pub(crate) use joining::{Attached, Joiner};
pub(crate) use pauses::{Behind, Brought, Question};

/// One room.
pub struct Room {
    /// Its name, key and channel.
    pub name: Arc<str>,
    state: Mutex<State>,
    confirmed: Notify,
}

struct State {
    order: EventOrder<Frame>,
    subscribers: Subscribers,
    /// Connections that receive nothing until Redis has said whether they may read.
    paused: Vec<Pause>,
    /// Somebody asks for them.
    asking: bool,
    /// When the last question was made.
    asked_at: Option<Instant>,
    /// Connections that are told of presence only: this is the personal room of another user.
    contacts: Subscribers,
    /// Presence events and drops so far: a picture of who is here is as old as its count.
    presence_changes: u64,
    /// Connections that are catching up.
    newcomers: usize,
    /// Grows when everybody starts anew: what was fetched before is void.
    epoch: u64,
    tail: Option<RecentEvents>,
    fetches: Vec<(Key, Instant, Fetch)>,
    subscription: Subscription,
    beat_at: Option<Instant>,
    empty_since: Option<Instant>,
    /// Connections that were kicked out, whose presence may have been set again meanwhile.
    kicked: Vec<Arc<Connection>>,
    /// The profile that this personal room holds may have changed.
    profile_changed: bool,
    /// `BEAT` found the room ahead of us at that id since then.
    ahead: Option<(Id, Instant)>,
}

/// Why receivers were removed.
#[derive(Clone, Debug)]
enum Removal {
    /// They have seen a past that is lost: they must come anew, with their cursors.
    Diverged,
    Kicked {
        /// What the moderator says.
        reason: Option<String>,
    },
    Banned {
        /// Milliseconds since the epoch; 0: for ever.
        until_ms: u64,
        reason: Option<String>,
    },
}

enum Subscription {
    Asked(Instant),
    Confirmed,
}

/// What the caller has to do about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Done,
    /// Run a sync of this room.
    Sync,
}

impl Room {
    /// A room whose subscription is about to be asked for.
    pub fn new(name: Arc<str>) -> Room {
        let now = Instant::now();
        let state = State {
            order: EventOrder::default(),
            subscribers: Subscribers::default(),
            paused: Vec::new(),
            asking: false,
            asked_at: None,
            contacts: Subscribers::default(),
            presence_changes: 0,
            newcomers: 0,
            epoch: 0,
            tail: None,
            fetches: Vec::new(),
            subscription: Subscription::Asked(now),
            beat_at: None,
            empty_since: Some(now),
            kicked: Vec::new(),
            profile_changed: false,
            ahead: None,
        };
        Room { name, state: Mutex::new(state), confirmed: Notify::new() }
    }

    // The subscription.

    /// The subscription must be asked for anew, perhaps of another server, which may not know what
    /// was fetched before: whoever is ahead of the room, or about to be, has to come anew.
    pub fn unconfirm(&self, pending_flush: &mut PendingFlush) {
        let mut state = self.state.lock();
        state.subscription = Subscription::Asked(Instant::now());
        state.epoch += 1;
        state.fetches.clear();
        let ahead = state.subscribers.remove_ahead().into_iter().chain(state.unpause_ahead());
        for connection in ahead.collect::<Vec<_>>() {
            self.notify_removed(&connection, &Removal::Diverged, pending_flush);
        }
        state.note_emptiness();
    }

    /// The subscription is in force. True: the room has a position, so it must be synced.
    pub fn confirm(&self) -> bool {
        let mut state = self.state.lock();
        let news = !matches!(state.subscription, Subscription::Confirmed);
        state.subscription = Subscription::Confirmed;
        self.confirmed.notify_waiters();
        news && state.order.last().is_some()
    }

    /// Whether the subscription was asked for before `since` and is still not in force; then it
    /// counts as asked for again now.
    pub fn ask_again(&self, since: Instant) -> bool {
        let mut state = self.state.lock();
        match &mut state.subscription {
            Subscription::Asked(at) if *at < since => {
                *at = Instant::now();
                true
            }
            _ => false,
        }
    }

    /// Returns once the subscription is in force.
    pub async fn wait_confirmed(&self) {
        loop {
            let confirmed = self.confirmed.notified();
            if matches!(self.state.lock().subscription, Subscription::Confirmed) {
                return;
            }
            confirmed.await;
        }
    }

    // Syncs.

    /// See [`EventOrder::begin_sync`].
    pub fn begin_sync(&self) -> Option<Id> {
        self.state.lock().order.begin_sync()
    }

    /// See [`EventOrder::continue_sync`].
    pub fn continue_sync(&self) -> Option<Id> {
        self.state.lock().order.continue_sync()
    }

    /// See [`EventOrder::failed`].
    pub fn sync_failed(&self) {
        self.state.lock().order.failed();
    }

    /// A page of a sync: delivers it. Returns whether to ask again.
    pub fn recovered(
        &self,
        events: Vec<(Id, Frame)>,
        more: bool,
        pending_flush: &mut PendingFlush,
    ) -> bool {
        let mut guard = self.state.lock();
        let settled = guard.order.recovered(events, more);
        self.deliver_all_settled(&mut guard, settled, pending_flush)
    }

    /// The past of the room is gone: tells every receiver with `reload`, a frame that brings the
    /// newest page up to `newest`. Returns whether to sync again.
    pub fn reload(&self, newest: Id, reload: &Frame, pending_flush: &mut PendingFlush) -> bool {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.epoch += 1;
        state.fetches.clear();
        state.tail = None;
        state.profile_changed = true;
        // What those may read who are not answered about yet is for a new question.
        for connection in state.unpause_all() {
            self.notify_removed(&connection, &Removal::Diverged, pending_flush);
        }
        state.subscribers.forget_positions();
        state.subscribers.tell_all(reload, pending_flush);
        self.reset_contacts(state, pending_flush);
        let settled = state.order.reloaded(newest);
        if state.newcomers > 0 {
            state.tail = Some(RecentEvents::after(Some(newest)));
        }
        self.deliver_all_settled(state, settled, pending_flush)
    }

    // Subscribers.

    /// The connection receives nothing more from this room.
    pub fn remove(&self, connection: &Connection) {
        let mut state = self.state.lock();
        state.subscribers.remove(connection);
        state.unpause_one(connection);
        state.contacts.remove(connection);
        state.note_emptiness();
    }

    /// The connections kicked out since the last time: their presence here is to be ended.
    pub fn take_kicked(&self) -> Vec<Arc<Connection>> {
        std::mem::take(&mut self.state.lock().kicked)
    }

    /// All who are told something here that is no secret of the room: receivers and contacts.
    pub fn audience(&self) -> Vec<Arc<Connection>> {
        let state = self.state.lock();
        state.subscribers.iter().chain(state.contacts.iter()).cloned().collect()
    }

    /// Whether the profile in this room has changed since the last time.
    pub fn take_profile_change(&self) -> bool {
        std::mem::take(&mut self.state.lock().profile_changed)
    }

    /// Whether this connection is here, receiving, paused or told of presence only.
    pub fn holds(&self, connection: &Connection) -> bool {
        let state = self.state.lock();
        let same = |other: &Arc<Connection>| other.number == connection.number;
        state.subscribers.contains(connection)
            || state.contacts.contains(connection)
            || state.paused().any(same)
    }

    /// Everybody who receives this room, or is paused: all who are to count as present.
    pub fn everybody(&self) -> Vec<Arc<Connection>> {
        let state = self.state.lock();
        state.subscribers.iter().chain(state.paused()).cloned().collect()
    }

    /// Whether this connection receives this room now.
    pub fn is_receiving(&self, connection: &Connection) -> bool {
        self.state.lock().subscribers.contains(connection)
    }
}

impl State {
    fn note_emptiness(&mut self) {
        let empty = self.newcomers == 0
            && self.subscribers.is_empty()
            && self.paused.is_empty()
            && self.contacts.is_empty();
        if !empty {
            self.empty_since = None;
        } else if self.empty_since.is_none() {
            self.empty_since = Some(Instant::now());
        }
    }

    fn record(&mut self) {
        let last = self.order.last();
        self.tail.get_or_insert_with(|| RecentEvents::after(last));
    }
}

/// Whom an event takes out of the room.
fn removal<'a>(head: &Head<'a>) -> Option<(Cow<'a, str>, Removal)> {
    if head.kind != "member" {
        return None;
    }
    let reason = || head.text("reason").map(Cow::into_owned);
    let removal = match &*head.text("kind")? {
        "kick" => Removal::Kicked { reason: reason() },
        "ban" => {
            let until = head.raw("until").and_then(|until| std::str::from_utf8(until).ok());
            let until_ms = until.and_then(|until| until.parse().ok()).unwrap_or(0);
            Removal::Banned { until_ms, reason: reason() }
        }
        _ => return None,
    };
    Some((head.text("user")?, removal))
}

#[cfg(test)]
mod tests;
