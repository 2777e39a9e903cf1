//! How Redis stands: what changes when it accepts writes again, and what clients are told.

use std::sync::Arc;

use super::Hub;
use crate::presence;
use crate::upstream::State;

impl Hub {
    /// Watches the upstream's state, for ever.
    pub(super) async fn keep_watching_upstream(self: Arc<Self>) {
        let mut states = self.upstream.states();
        let mut before = states.borrow_and_update().clone();
        while states.changed().await.is_ok() {
            let now = states.borrow_and_update().clone();
            if now == State::Open && before != State::Open {
                // Whose presence could not be told, or ran out meanwhile, is set again.
                presence::beat(&self, self.rooms()).await;
            }
            before = now;
        }
    }
}
