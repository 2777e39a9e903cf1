//! One room on this relay: its position, who receives it, and how newcomers catch up with it.
//!
//! The lock around it is held for memory work only. A newcomer learns from Redis what it missed up
//! to some position p, while the room moves on to L; the room keeps the frames it delivered
//! meanwhile (its *tail*), so that placing the newcomer is: p before L, give it the tail after p;
//! p after L, skip events until the room comes by at p; p unknown, ask again. What one newcomer fetched serves others
//! who come with the same cursor, as long as the tail continues it.
//!
//! This file asks Redis nothing and sends to no socket itself: it queues frames and names the
//! connections to flush.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::connection::Connection;
use crate::delivery::{Compared, Delivery, Settled, Verdict};
use crate::event::{Head, Id, Place};
use crate::fetch::{Fetch, Key};
use crate::figures::FIGURES;
use crate::frame::{self, Frame};
use crate::outbox::Class;
use crate::protocol;
use crate::receivers::{Dirty, Receivers, queue};
use crate::tail::Tail;

/// How long a fetched answer serves other newcomers.
const FETCH_KEPT: Duration = Duration::from_secs(2);
/// How many different answers are kept.
const FETCHES: usize = 16;
/// One signal per user and name in this time.
const SIGNAL_PAUSE: Duration = Duration::from_secs(2);

/// One room.
pub struct Room {
    /// Its name, key and channel.
    pub name: Arc<str>,
    state: Mutex<State>,
    confirmed: Notify,
}

struct State {
    delivery: Delivery<Frame>,
    receivers: Receivers,
    /// Connections that are catching up.
    newcomers: usize,
    /// Grows when everybody starts anew: what was fetched before is void.
    epoch: u64,
    tail: Option<Tail>,
    fetches: Vec<(Key, Instant, Fetch)>,
    subscription: Subscription,
    beat_at: Option<Instant>,
    empty_since: Option<Instant>,
    signals: Vec<(Box<str>, Box<str>, Instant)>,
    /// `BEAT` found the room ahead of us at that id since then.
    ahead: Option<(Id, Instant)>,
    /// Receivers just removed because they have seen a past that is lost, still to be told.
    astray: Vec<Arc<Connection>>,
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

/// Whether a newcomer has its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It receives from now on; whatever comes next has to be done.
    Then(Next),
    /// What it fetched does not meet the room: fetch again.
    FetchAgain,
}

/// A newcomer's stay in the room while it catches up; ends when dropped.
pub struct Newcomer {
    room: Arc<Room>,
    epoch: u64,
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
    /// A room whose subscription is about to be asked for.
    pub fn new(name: Arc<str>) -> Room {
        let now = Instant::now();
        let state = State {
            delivery: Delivery::default(),
            receivers: Receivers::default(),
            newcomers: 0,
            epoch: 0,
            tail: None,
            fetches: Vec::new(),
            subscription: Subscription::Asked(now),
            beat_at: None,
            empty_since: Some(now),
            signals: Vec::new(),
            ahead: None,
            astray: Vec::new(),
        };
        Room { name, state: Mutex::new(state), confirmed: Notify::new() }
    }

    // The subscription.

    /// The subscription must be asked for anew, perhaps of another server, which may not know what
    /// was fetched before: whoever is ahead of the room, or about to be, has to come anew.
    pub fn unconfirm(&self, dirty: &mut Dirty) {
        let mut state = self.state.lock();
        state.subscription = Subscription::Asked(Instant::now());
        state.epoch += 1;
        state.fetches.clear();
        state.astray = state.receivers.remove_ahead();
        self.tell_astray(&mut state, dirty);
    }

    /// The frame for who no longer receives this room and must come anew.
    pub fn come_anew(&self) -> String {
        protocol::about_room("gone", &self.name, r#","code":"UNAVAILABLE""#)
    }

    /// Tells those who were removed that they must come anew, with their cursors.
    fn tell_astray(&self, state: &mut State, dirty: &mut Dirty) {
        if state.astray.is_empty() {
            return;
        }
        let gone = frame::text(self.come_anew().as_bytes());
        for connection in std::mem::take(&mut state.astray) {
            connection.rise(self);
            queue(&connection, &gone, Class::Live, dirty);
        }
        state.note_emptiness();
    }

    /// The subscription is in force. True: the room has a position, so it must be synced.
    pub fn confirm(&self) -> bool {
        let mut state = self.state.lock();
        let news = !matches!(state.subscription, Subscription::Confirmed);
        state.subscription = Subscription::Confirmed;
        self.confirmed.notify_waiters();
        news && state.delivery.last().is_some()
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

    // Events.

    /// An event has come from the channel.
    pub fn event(&self, head: &Head<'_>, payload: &[u8], dirty: &mut Dirty) -> Next {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        match head.place {
            Place::Durable { id, prev } => {
                let frame = || frame::text(payload);
                match state.delivery.durable(id, prev, payload.len(), frame) {
                    Verdict::Deliver => {
                        state.deliver(id, frame(), dirty);
                        self.tell_astray(state, dirty);
                    }
                    Verdict::Duplicate | Verdict::Waits => {}
                    Verdict::WaitsForSync => return Next::Sync,
                }
                Next::Done
            }
            Place::Ephemeral { last } => {
                let from = if head.kind == "signal" { head.text("user") } else { None };
                state.receivers.tell(&frame::text(payload), from.as_deref(), dirty);
                let behind = last.is_some_and(|last| state.delivery.heard(last));
                if behind || head.kind == "drop" { Next::Sync } else { Next::Done }
            }
        }
    }

    /// Sends a frame of the relay's own to every receiver.
    pub fn tell_all(&self, frame: &Frame, dirty: &mut Dirty) {
        self.state.lock().receivers.tell_all(frame, dirty);
    }

    // Syncs.

    /// See [`Delivery::begin_sync`].
    pub fn begin_sync(&self) -> Option<Id> {
        self.state.lock().delivery.begin_sync()
    }

    /// See [`Delivery::continue_sync`].
    pub fn continue_sync(&self) -> Option<Id> {
        self.state.lock().delivery.continue_sync()
    }

    /// See [`Delivery::failed`].
    pub fn sync_failed(&self) {
        self.state.lock().delivery.failed();
    }

    /// A page of a sync: delivers it. Returns whether to ask again.
    pub fn recovered(&self, events: Vec<(Id, Frame)>, more: bool, dirty: &mut Dirty) -> bool {
        let mut state = self.state.lock();
        let settled = state.delivery.recovered(events, more);
        let again = state.deliver_settled(settled, dirty);
        self.tell_astray(&mut state, dirty);
        again
    }

    /// The past of the room is gone: tells every receiver with `reload`, a frame that brings the
    /// newest page up to `newest`. Returns whether to sync again.
    pub fn reload(&self, newest: Id, reload: &Frame, dirty: &mut Dirty) -> bool {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.epoch += 1;
        state.fetches.clear();
        state.tail = None;
        state.receivers.forget_positions();
        state.receivers.tell_all(reload, dirty);
        let settled = state.delivery.reloaded(newest);
        if state.newcomers > 0 {
            state.tail = Some(Tail::after(Some(newest)));
        }
        state.deliver_settled(settled, dirty)
    }

    // Newcomers.

    /// A connection begins to catch up. While it does it receives nothing.
    pub fn arrive(self: &Arc<Self>, connection: &Connection) -> Newcomer {
        let mut state = self.state.lock();
        state.newcomers += 1;
        state.empty_since = None;
        let was_receiver = state.receivers.remove(connection);
        let before = state.delivery.last().filter(|_| was_receiver);
        state.record();
        Newcomer { room: self.clone(), epoch: state.epoch, before }
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
        let Some(last) = state.delivery.last() else {
            state.receivers.seat(connection, None);
            state.tail = Some(Tail::after(Some(position)));
            let settled = state.delivery.place(position, known.iter().copied());
            let again = state.deliver_settled(settled, dirty);
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

    /// The connection receives nothing more from this room.
    pub fn depart(&self, connection: &Connection) {
        let mut state = self.state.lock();
        state.receivers.remove(connection);
        state.note_emptiness();
    }

    /// Removes the receivers of this user and returns them.
    pub fn evict(&self, user: &str) -> Vec<Arc<Connection>> {
        let mut state = self.state.lock();
        let gone = state.receivers.remove_user(user);
        state.note_emptiness();
        gone
    }

    /// Everybody who receives this room now.
    pub fn receivers(&self) -> Vec<Arc<Connection>> {
        self.state.lock().receivers.iter().cloned().collect()
    }

    /// Whether this connection receives this room now.
    pub fn is_receiving(&self, connection: &Connection) -> bool {
        self.state.lock().receivers.contains(connection)
    }

    /// Whether some connection of this user receives this room.
    pub fn has_user(&self, user: &str) -> bool {
        self.state.lock().receivers.iter().any(|connection| *connection.user == *user)
    }

    /// The users who receive this room now, each once.
    pub fn users(&self) -> Vec<Arc<str>> {
        let mut users: Vec<Arc<str>> =
            self.state.lock().receivers.iter().map(|connection| connection.user.clone()).collect();
        users.sort_unstable();
        users.dedup();
        users
    }

    /// Who may read has changed: whoever is catching up must ask again.
    pub fn access_changed(&self) {
        self.state.lock().epoch += 1;
    }

    // Presence, signals, housekeeping.

    /// The position, if there is one.
    pub fn last(&self) -> Option<Id> {
        self.state.lock().delivery.last()
    }

    /// Whether a beat is due; then the next one is in `interval`. The first one is set to a random
    /// point of it.
    pub fn beat_is_due(&self, now: Instant, interval: Duration) -> bool {
        let mut state = self.state.lock();
        if state.receivers.is_empty() {
            state.beat_at = None;
            return false;
        }
        match state.beat_at {
            None => {
                state.beat_at = Some(now + interval.mul_f64(rand::random_range(0.0..1.0)));
                false
            }
            Some(at) if at <= now => {
                state.beat_at = Some(now + interval);
                true
            }
            Some(_) => false,
        }
    }

    /// Takes in the newest id that a beat sent at position `at_sending` answered.
    pub fn beaten(&self, at_sending: Option<Id>, newest: Id) -> Next {
        let mut state = self.state.lock();
        let Some(at_sending) = at_sending else { return Next::Done };
        state.ahead = None;
        match state.delivery.compare(at_sending, newest) {
            Compared::Level => Next::Done,
            Compared::WentBack => Next::Sync,
            Compared::Ahead => {
                state.ahead = Some((newest, Instant::now()));
                Next::Done
            }
        }
    }

    /// Forgets what is old. Returns whether the room has been behind for over a second.
    pub fn tidy(&self, now: Instant) -> Next {
        let mut state = self.state.lock();
        state.fetches.retain(|(_, at, _)| now.duration_since(*at) < FETCH_KEPT);
        if state.fetches.is_empty() {
            state.fetches = Vec::new();
            if state.newcomers == 0 {
                state.tail = None;
            }
        }
        state.signals.retain(|(.., at)| now.duration_since(*at) < SIGNAL_PAUSE);
        if state.signals.is_empty() {
            state.signals = Vec::new();
        }
        match state.ahead {
            Some((newest, since)) if now.duration_since(since) >= Duration::from_secs(1) => {
                state.ahead = None;
                if state.delivery.heard(newest) { Next::Sync } else { Next::Done }
            }
            _ => Next::Done,
        }
    }

    /// Since when nobody has been here.
    pub fn empty_since(&self) -> Option<Instant> {
        self.state.lock().empty_since
    }

    /// Whether this user may signal by this name now; if so, not again for a while.
    pub fn may_signal(&self, user: &str, name: &str) -> bool {
        let mut state = self.state.lock();
        let now = Instant::now();
        state.signals.retain(|(.., at)| now.duration_since(*at) < SIGNAL_PAUSE);
        let known =
            |(by, what, _): &(Box<str>, Box<str>, Instant)| **by == *user && **what == *name;
        if state.signals.iter().any(known) {
            return false;
        }
        state.signals.push((user.into(), name.into(), now));
        true
    }
}

impl State {
    fn note_emptiness(&mut self) {
        let empty = self.newcomers == 0 && self.receivers.is_empty();
        if !empty {
            self.empty_since = None;
        } else if self.empty_since.is_none() {
            self.empty_since = Some(Instant::now());
        }
    }

    fn record(&mut self) {
        let last = self.delivery.last();
        self.tail.get_or_insert_with(|| Tail::after(last));
    }

    fn deliver_settled(&mut self, settled: Settled<Frame>, dirty: &mut Dirty) -> bool {
        for (id, frame) in settled.deliver {
            self.deliver(id, frame, dirty);
        }
        settled.again
    }

    fn deliver(&mut self, id: Id, frame: Frame, dirty: &mut Dirty) {
        self.astray.extend(self.receivers.deliver(id, &frame, dirty));
        if let Some(tail) = &mut self.tail {
            tail.push(id, frame);
        }
    }
}
