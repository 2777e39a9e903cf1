//! Whether the room's channel is subscribed to.

use std::time::Instant;

use crate::room::removal::Removal;
use crate::room::room::{Room, Subscription};
use crate::room::subscribers::PendingFlush;

impl Room {
    /// The subscription must be asked for anew, perhaps of another server, which may not know what
    /// was fetched before: whoever is ahead of the room, or about to be, has to come anew.
    pub(crate) fn reset_subscription(&self, pending_flush: &mut PendingFlush) {
        let mut state = self.state.lock();
        state.subscription = Subscription::Requested(Instant::now());
        state.epoch += 1;
        state.fetches.clear();
        let ahead = state.subscribers.remove_ahead().into_iter().chain(state.unpause_ahead());
        for connection in ahead.collect::<Vec<_>>() {
            self.notify_removed(&connection, &Removal::Diverged, pending_flush);
        }
        state.note_emptiness();
    }

    /// The subscription is in force. True: the room has a position, so it must be synced.
    pub(crate) fn confirm_subscription(&self) -> bool {
        let mut state = self.state.lock();
        let news = !matches!(state.subscription, Subscription::Confirmed);
        state.subscription = Subscription::Confirmed;
        self.confirmed.notify_waiters();
        news && state.order.last().is_some()
    }

    /// Whether the subscription was asked for before `since` and is still not in force; then it
    /// counts as asked for again now.
    pub(crate) fn subscription_is_overdue(&self, since: Instant) -> bool {
        let mut state = self.state.lock();
        match &mut state.subscription {
            Subscription::Requested(at) if *at < since => {
                *at = Instant::now();
                true
            }
            _ => false,
        }
    }

    /// Returns once the subscription is in force.
    pub(crate) async fn wait_subscribed(&self) {
        loop {
            let confirmed = self.confirmed.notified();
            if matches!(self.state.lock().subscription, Subscription::Confirmed) {
                return;
            }
            confirmed.await;
        }
    }
}
