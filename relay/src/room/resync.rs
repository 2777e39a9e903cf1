//! The room's side of a `CHAT.SYNC`: which id to sync from, and how to apply the answer.

use chat_protocol::id::Id;

use crate::client::frame::Frame;
use crate::room::access::removal::Removal;
use crate::room::recent_events::RecentEvents;
use crate::room::room::Room;
use crate::room::subscribers::PendingFlush;

impl Room {
    /// Starts a sync and returns the id to sync from. None: no sync is possible, as one is in
    /// progress or the room has no position.
    pub(crate) fn begin_sync(&self) -> Option<Id> {
        let mut state = self.state.lock();
        let from = state.order.begin_sync()?;
        state.dropped.ask();
        Some(from)
    }

    /// Continues the current sync with its next page and returns the id to sync from.
    pub(crate) fn continue_sync(&self) -> Option<Id> {
        self.state.lock().order.continue_sync()
    }

    /// The sync got no answer. The events that wait stay for the next sync.
    pub(crate) fn sync_failed(&self) {
        self.state.lock().order.sync_failed();
    }

    /// Delivers a page of a sync, of a room whose newest id is `newest`. A `drop` which this does
    /// not confirm is forgotten. Returns whether another sync is needed.
    pub(crate) fn recovered(
        &self,
        events: Vec<(Id, Frame)>,
        newest: Id,
        more: bool,
        pending_flush: &mut PendingFlush,
    ) -> bool {
        let mut guard = self.state.lock();
        if newest == Id::ZERO {
            // The room was empty before: there is nothing to reload.
            if let Some(dropped) = guard.dropped.confirm(newest) {
                guard.subscribers.queue_ephemeral(&dropped, |_| true, pending_flush);
                self.reset_contacts(&mut guard, pending_flush);
            }
        } else if !more {
            guard.dropped.forget();
        }
        let applied = guard.order.recovered(events, more);
        self.deliver_applied(&mut guard, applied, pending_flush)
    }

    /// The room no longer knows our position. Sends `reload`, a frame with the newest page up to
    /// `newest`, to every subscriber. Returns whether another sync is needed.
    pub(crate) fn reload(
        &self,
        newest: Id,
        reload: &Frame,
        pending_flush: &mut PendingFlush,
    ) -> bool {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.epoch += 1;
        state.fetches.clear();
        state.recent = None;
        state.profile_changed = true;
        // The access check of the paused connections belongs to the old state: they must join
        // again.
        for connection in state.unpause_all() {
            self.notify_removed(&connection, &Removal::Diverged, pending_flush);
        }
        if let Some(dropped) = state.dropped.confirm(newest) {
            state.subscribers.queue_ephemeral(&dropped, |_| true, pending_flush);
        }
        state.subscribers.forget_positions();
        state.subscribers.queue_live(reload, pending_flush);
        self.reset_contacts(state, pending_flush);
        let applied = state.order.reloaded(newest);
        if state.joiners > 0 {
            state.recent = Some(RecentEvents::starting_at(Some(newest)));
        }
        self.deliver_applied(state, applied, pending_flush)
    }
}
