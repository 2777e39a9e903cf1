//! Paused connections: they receive nothing until Redis has said whether their users may read.
//!
//! A paused connection keeps its position. If its user may read, it continues from there: with the
//! recorded events, or with a sync of its own. Nothing is missing and nothing is sent twice. The
//! answer to an access check counts only if no access has changed since the check began, that is,
//! in the same epoch of the room. `hub/access.rs` runs the checks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_protocol::event_header::EventHeader;
use chat_protocol::id::Id;

use crate::client::connection::Connection;
use crate::client::error::Error;
use crate::client::frame::{self, Frame};
use crate::client::outbox::Class;
use crate::client::relay_frame::{Gone, RelayFrame};
use crate::room::access::removal::{Removal, removal};
use crate::room::joining::Joiner;
use crate::room::room::{Pause, Room, State, Subscription};
use crate::room::subscribers::{PendingFlush, queue, queue_missed};

/// A connection that is paused for longer must join again.
const PAUSED_AT_MOST: Duration = Duration::from_secs(30);

/// A paused connection whose user may read, but whose position is older than the recorded events.
pub(crate) struct LaggingConnection {
    /// The connection.
    pub connection: Arc<Connection>,
    /// The last event that it has received.
    pub position: Id,
}

/// The result of one step of catching up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CaughtUp {
    /// It receives again, or has left, or its access must be checked again.
    Done,
    /// It has received everything up to this id and needs another page.
    UpTo(Id),
}

/// The user of a personal room, in any other room nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Not here, or nothing was missed.
    Settled,
    /// Whether this user may be here must be asked.
    InDoubt,
}

/// The users whose access must be checked.
pub(crate) struct AccessCheck {
    /// The answers count only while the room is in this epoch.
    pub epoch: u64,
    /// Whether the events of the room arrive.
    pub is_subscribed: bool,
    /// Sorted, without duplicates.
    pub users: Vec<Arc<str>>,
}

impl Room {
    /// Pauses all subscribers.
    pub(crate) fn pause_all(&self) {
        self.state.lock().pause(|_| true);
    }

    /// Pauses the connections of these users. `users` is sorted.
    pub(crate) fn pause_users(&self, users: &[Arc<str>]) {
        self.state.lock().pause(|connection| users.binary_search(&connection.user).is_ok());
    }

    /// Whether the caller must run access checks until [`Room::end_check`] returns true: there are
    /// paused connections, or the owner is in doubt, and no other task checks them.
    pub(crate) fn begin_check(&self, owner: Owner) -> bool {
        let mut state = self.state.lock();
        let is_needed = !state.paused.is_empty() || owner == Owner::InDoubt;
        is_needed && !std::mem::replace(&mut state.checking, true)
    }

    /// Whether nobody is paused or in doubt any more: then the caller stops checking.
    pub(crate) fn end_check(&self, owner: Owner) -> bool {
        let mut state = self.state.lock();
        state.checking = !state.paused.is_empty() || owner == Owner::InDoubt;
        !state.checking
    }

    /// When the last access check of this room began.
    pub(crate) fn checked_at(&self) -> Option<Instant> {
        self.state.lock().checked_at
    }

    /// Answers count only while this number is the same.
    pub(crate) fn epoch(&self) -> u64 {
        self.state.lock().epoch
    }

    /// Starts an access check: returns the users to check.
    pub(crate) fn access_check(&self) -> AccessCheck {
        let mut state = self.state.lock();
        let users = state.paused.iter().map(|pause| pause.connection.user.clone());
        let mut users: Vec<Arc<str>> = users.collect();
        users.sort_unstable();
        users.dedup();
        if !users.is_empty() {
            state.checked_at = Some(Instant::now());
        }
        let is_subscribed = matches!(state.subscription, Subscription::Confirmed);
        AccessCheck { epoch: state.epoch, is_subscribed, users }
    }

    /// Applies the answer to an access check of this epoch: these users, sorted, may read, so their
    /// connections receive again. Returns the connections whose position is too old for that.
    pub(crate) fn grant(
        &self,
        epoch: u64,
        users: &[Arc<str>],
        pending_flush: &mut PendingFlush,
    ) -> Vec<LaggingConnection> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let mut behind = Vec::new();
        if state.epoch != epoch {
            return behind;
        }
        let granted = |pause: &Pause| users.binary_search(&pause.connection.user).is_ok();
        let (granted, stay) = std::mem::take(&mut state.paused).into_iter().partition(granted);
        state.paused = stay;
        for pause in granted {
            if let Err(pause) = self.reattach(state, pause, pending_flush) {
                let connection = pause.connection.clone();
                behind.push(LaggingConnection { connection, position: pause.position });
                state.paused.push(pause);
            }
        }
        behind
    }

    /// Queues a page of events for a paused connection whose user may read. The page ends at
    /// `last`; `more`: further events follow.
    pub(crate) fn catch_up(
        &self,
        epoch: u64,
        behind: &LaggingConnection,
        page: &[(Id, Frame)],
        last: Id,
        more: bool,
        pending_flush: &mut PendingFlush,
    ) -> CaughtUp {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let same = |pause: &Pause| {
            Arc::ptr_eq(&pause.connection, &behind.connection) && pause.position == behind.position
        };
        let Some(index) = state.paused.iter().position(same).filter(|_| state.epoch == epoch)
        else {
            return CaughtUp::Done;
        };
        let mut pause = state.paused.swap_remove(index);
        let user = &*pause.connection.user;
        let is_theirs = |frame: &Frame| {
            let head = EventHeader::parse(frame::payload(frame));
            head.and_then(|head| removal(&head)).is_some_and(|(removed, _)| removed == *user)
        };
        // A user who was removed and admitted again meanwhile must join again. So must a client
        // that reads too slowly for these pages: it then requests them one by one.
        if pause.connection.is_behind() || page.iter().any(|(_, frame)| is_theirs(frame)) {
            self.notify_removed(&pause.connection, &Removal::Diverged, pending_flush);
            state.note_emptiness();
            return CaughtUp::Done;
        }
        for (_, frame) in page {
            queue_missed(&pause.connection, &self.name, frame, pending_flush);
        }
        pause.position = last;
        let resumed = if more { Err(pause) } else { self.reattach(state, pause, pending_flush) };
        match resumed {
            Ok(()) => CaughtUp::Done,
            Err(pause) => {
                state.paused.push(pause);
                CaughtUp::UpTo(last)
            }
        }
    }

    /// Attaches a paused connection again. Error: the recorded events do not reach back to its
    /// position.
    fn reattach(
        &self,
        state: &mut State,
        pause: Pause,
        pending_flush: &mut PendingFlush,
    ) -> Result<(), Pause> {
        let last = state.order.last().unwrap_or_default();
        if pause.position < last {
            let frames = state.recent.as_ref().and_then(|recent| recent.after(pause.position));
            let Some(frames) = frames else { return Err(pause) };
            for frame in frames {
                queue_missed(&pause.connection, &self.name, frame, pending_flush);
            }
        }
        let ahead = Some(pause.position).filter(|position| *position > last);
        state.subscribers.attach(&pause.connection, ahead);
        if pause.presence_changes != state.presence_changes {
            queue(&pause.connection, &self.reset_frame(), Class::Live, pending_flush);
        }
        Ok(())
    }

    /// Applies the answer to an access check of this epoch: these users, sorted, may not read.
    /// Removes and notifies their paused connections, and returns them.
    pub(crate) fn deny(
        &self,
        epoch: u64,
        users: &[(Arc<str>, Error)],
        pending_flush: &mut PendingFlush,
    ) -> Vec<Arc<Connection>> {
        let mut state = self.state.lock();
        if state.epoch != epoch {
            return Vec::new();
        }
        let why = |connection: &Connection| {
            let index = users.binary_search_by(|(user, _)| user.cmp(&connection.user)).ok()?;
            users.get(index).map(|(_, why)| why)
        };
        let denied = state.unpause(|pause| why(&pause.connection).is_some());
        for connection in &denied {
            if let Some(why) = why(connection) {
                self.notify_denied(connection, why, pending_flush);
            }
        }
        denied
    }

    /// Removes and notifies a connection whose user may not receive the room any more.
    pub(crate) fn expel(
        &self,
        connection: &Arc<Connection>,
        why: &Error,
        pending_flush: &mut PendingFlush,
    ) {
        let mut state = self.state.lock();
        state.subscribers.remove(connection);
        state.unpause_one(connection);
        state.contacts.remove(connection);
        state.note_emptiness();
        self.notify_denied(connection, why, pending_flush);
    }

    fn notify_denied(
        &self,
        connection: &Arc<Connection>,
        why: &Error,
        pending_flush: &mut PendingFlush,
    ) {
        connection.remove_room(&self.name);
        let gone = RelayFrame::Gone { room: &self.name, why: Gone::Refused(why) };
        queue(connection, &gone.encode(), Class::Live, pending_flush);
    }

    /// Removes this connection, if it is paused: the room no longer knows its position, so it must
    /// join again.
    pub(crate) fn require_rejoin(
        &self,
        connection: &Arc<Connection>,
        pending_flush: &mut PendingFlush,
    ) {
        let mut state = self.state.lock();
        if state.unpause_one(connection).is_some() {
            self.notify_removed(connection, &Removal::Diverged, pending_flush);
            state.note_emptiness();
        }
    }

    /// A connection failed to join again: puts it back at its old position. It is paused, because
    /// it may have failed for lack of access.
    pub(crate) fn restore(
        &self,
        joiner: &Joiner,
        connection: &Arc<Connection>,
        pending_flush: &mut PendingFlush,
    ) {
        let Some(position) = joiner.before else { return };
        let mut state = self.state.lock();
        if state.epoch != joiner.epoch {
            return self.notify_removed(connection, &Removal::Diverged, pending_flush);
        }
        let (since, presence_changes) = (Instant::now(), joiner.presence_changes);
        let connection = connection.clone();
        state.paused.push(Pause { connection, position, since, presence_changes });
    }

    /// Removes the connections that have been paused for too long. They must join again.
    pub(in crate::room) fn end_long_pauses(
        &self,
        state: &mut State,
        now: Instant,
        pending_flush: &mut PendingFlush,
    ) {
        let is_long = |pause: &Pause| now.saturating_duration_since(pause.since) > PAUSED_AT_MOST;
        for connection in state.unpause(is_long) {
            self.notify_removed(&connection, &Removal::Diverged, pending_flush);
        }
    }
}

impl State {
    /// Redis was unreachable: restarts the time limits of all pauses.
    pub(in crate::room) fn restart_pauses(&mut self, now: Instant) {
        self.paused.iter_mut().for_each(|pause| pause.since = now);
    }
}
