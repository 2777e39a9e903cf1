//! Connections whose right to read is in question: until Redis has answered, they receive nothing.
//!
//! A paused connection keeps its position. When its user may read, it goes on from there with the
//! frames of the tail, or with what a sync of its own brings; nothing is missing and nothing is
//! double. An answer counts only if nobody's access has changed since the question: the room's
//! epoch says so. `access.rs` asks the questions.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_protocol::event_header::EventHeader;
use chat_protocol::id::Id;

use crate::client::connection::Connection;
use crate::client::error::Error;
use crate::client::frame::{self, Frame};
use crate::client::json;
use crate::client::outbox::Class;
use crate::client::request;
use crate::event;
use crate::room::joining::Joiner;
use crate::room::removal::{Removal, removal};
use crate::room::room::{Pause, Room, State};
use crate::room::subscribers::{PendingFlush, queue};

/// Who is not answered about for longer must come anew.
const PAUSED_AT_MOST: Duration = Duration::from_secs(30);

/// A paused connection that may read, and is too far back for the tail.
pub(crate) struct LaggingConnection {
    /// The connection.
    pub connection: Arc<Connection>,
    /// It has everything up to here.
    pub position: Id,
}

/// What became of a paused connection that was brought further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CaughtUp {
    /// It receives again, or is here no more, or must be asked about again.
    Done,
    /// It has everything up to here and needs more.
    UpTo(Id),
}

/// Whom an event puts in question.
pub(super) enum AccessChange<'a> {
    Everyone,
    User(Cow<'a, str>),
}

/// Users whose access is to be asked for, as of an epoch.
pub(crate) struct AccessCheck {
    /// The answer counts while the room is in this epoch.
    pub epoch: u64,
    /// Each once, sorted.
    pub users: Vec<Arc<str>>,
}

impl Room {
    /// Pauses everybody who receives this room.
    pub(crate) fn pause_all(&self) {
        self.state.lock().pause(|_| true);
    }

    /// Pauses the connections of these users, given sorted.
    pub(crate) fn pause_users(&self, users: &[Arc<str>]) {
        self.state.lock().pause(|connection| users.binary_search(&connection.user).is_ok());
    }

    /// Whether somebody is paused and nobody is asking; then the caller has to, until
    /// [`Room::end_check`] says yes.
    pub(crate) fn begin_check(&self) -> bool {
        let mut state = self.state.lock();
        !state.paused.is_empty() && !std::mem::replace(&mut state.checking, true)
    }

    /// Whether nobody is paused any more; then the caller stops asking.
    pub(crate) fn end_check(&self) -> bool {
        let mut state = self.state.lock();
        state.checking = !state.paused.is_empty();
        !state.checking
    }

    /// When Redis was last asked about somebody, if ever.
    pub(crate) fn checked_at(&self) -> Option<Instant> {
        self.state.lock().checked_at
    }

    /// What has to be asked.
    pub(crate) fn access_check(&self) -> AccessCheck {
        let mut state = self.state.lock();
        let users = state.paused.iter().map(|pause| pause.connection.user.clone());
        let mut users: Vec<Arc<str>> = users.collect();
        users.sort_unstable();
        users.dedup();
        if !users.is_empty() {
            state.checked_at = Some(Instant::now());
        }
        AccessCheck { epoch: state.epoch, users }
    }

    /// These users, given sorted, may read, by the answer to a question of this epoch: they receive
    /// again. Returns those who are too far back for that.
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

    /// A page of events after `position` for a paused connection, whose user may read them: it ends
    /// at `last`, and `more` says whether there is more behind it.
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
        // Who was put out and let in again meanwhile comes anew; who reads too slowly for all this
        // asks for it page by page.
        if pause.connection.is_behind() || page.iter().any(|(_, frame)| is_theirs(frame)) {
            self.notify_removed(&pause.connection, &Removal::Diverged, pending_flush);
            state.note_emptiness();
            return CaughtUp::Done;
        }
        for (_, frame) in page {
            queue(&pause.connection, frame, Class::Live, pending_flush);
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

    /// Seats a connection again; the error is the connection if the tail does not reach back to it.
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
                queue(&pause.connection, frame, Class::Live, pending_flush);
            }
        }
        let ahead = Some(pause.position).filter(|position| *position > last);
        state.subscribers.attach(&pause.connection, ahead);
        if pause.presence_changes != state.presence_changes {
            queue(&pause.connection, &self.reset_frame(), Class::Live, pending_flush);
        }
        Ok(())
    }

    /// These users, given sorted, may not read, by the answer to a question of this epoch: takes their
    /// paused connections out, tells them why and returns them.
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
            let mut further = String::from(",");
            why(connection).inspect(|why| why.write(&mut further));
            let gone = json::about_room("gone", &self.name, &further);
            connection.remove_room(&self.name);
            queue(connection, &frame::text(gone.as_bytes()), Class::Live, pending_flush);
        }
        denied
    }

    /// This connection, if it is paused, must come anew: its position is of a past that is gone.
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

    /// A connection that has come to catch up, in vain, stands where it stood before: paused, as the
    /// right to read may be what it failed for.
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

    /// Those who were paused for too long at `now` must come anew.
    pub(crate) fn end_long_pauses(&self, now: Instant, pending_flush: &mut PendingFlush) {
        let mut state = self.state.lock();
        let is_long = |pause: &Pause| now.saturating_duration_since(pause.since) > PAUSED_AT_MOST;
        for connection in state.unpause(is_long) {
            self.notify_removed(&connection, &Removal::Diverged, pending_flush);
        }
    }

    /// Redis was away: only from now on can it be late.
    pub(crate) fn restart_pauses(&self) {
        let now = Instant::now();
        self.state.lock().paused.iter_mut().for_each(|pause| pause.since = now);
    }
}

/// Whose right to read this event puts in question.
pub(super) fn access_change<'a>(head: &EventHeader<'a>) -> Option<AccessChange<'a>> {
    match head.kind {
        "member" if event::text(head, "kind").as_deref() == Some("leave") => {
            Some(AccessChange::User(event::text(head, "user")?))
        }
        "room" if may_close(head) => Some(AccessChange::Everyone),
        _ => None,
    }
}

impl State {
    /// Pauses those whom an event puts in question: an answer from before it says nothing.
    pub(super) fn pause_for(&mut self, whom: &AccessChange<'_>) {
        self.epoch += 1;
        match whom {
            AccessChange::Everyone => self.pause(|_| true),
            AccessChange::User(user) => self.pause(|connection| *connection.user == **user),
        }
    }
}

/// Whether this event of the room's settings may take the right to read from somebody.
fn may_close(head: &EventHeader<'_>) -> bool {
    let settings = request::Fields::of(head.raw("data").unwrap_or_default());
    settings.raw("access").is_some_and(|access| access != "\"open\"")
}
