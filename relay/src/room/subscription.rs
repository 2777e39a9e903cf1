//! The state of the room's subscription at Redis: requested or confirmed. The upstream asks for it.

use crate::room::access::removal::Removal;
use crate::room::room::{Room, Subscription};
use crate::room::subscribers::PendingFlush;

impl Room {
    /// The subscription is lost and is requested again. The server may be another one, which
    /// may not know what was fetched before. So connections that are ahead of the room, attached or
    /// paused, must join again.
    pub(crate) fn reset_subscription(&self, pending_flush: &mut PendingFlush) {
        let mut state = self.state.lock();
        state.subscription = Subscription::Requested;
        state.epoch += 1;
        state.fetches.clear();
        let ahead = state.subscribers.remove_ahead().into_iter().chain(state.unpause_ahead());
        for connection in ahead.collect::<Vec<_>>() {
            self.notify_removed(&connection, &Removal::Diverged, pending_flush);
        }
        state.note_emptiness();
    }

    /// The subscription is confirmed, perhaps at another node than before. Returns whether the room
    /// must be synced: it has a position.
    pub(crate) fn confirm_subscription(&self) -> bool {
        let mut state = self.state.lock();
        state.subscription = Subscription::Confirmed;
        // A sync that was sent before may not know what happened in between.
        state.order.sync_again();
        self.confirmed.notify_waiters();
        state.order.last().is_some()
    }

    /// Whether the subscription is confirmed.
    pub(crate) fn is_confirmed(&self) -> bool {
        matches!(self.state.lock().subscription, Subscription::Confirmed)
    }

    /// Returns once the subscription is confirmed.
    pub(crate) async fn wait_subscribed(&self) {
        loop {
            let confirmed = self.confirmed.notified();
            if self.is_confirmed() {
                return;
            }
            confirmed.await;
        }
    }
}
