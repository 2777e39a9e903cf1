//! How Redis stands: what changes when it accepts writes again, and what clients are told.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::Hub;
use crate::client::connection::Connection;
use crate::client::frame::{self, Frame};
use crate::client::outbox::Class;
use crate::hub::presence;
use crate::room::subscribers::{PendingFlush, queue};
use crate::upstream::State;

/// What passes within this time is told to nobody.
const PASSES: Duration = Duration::from_millis(500);
/// Clients are told at most once in this time.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// How Redis stands, in the words of the frame `upstream`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    #[default]
    Back,
    WritesRefused,
    Away,
}

impl Standing {
    fn of(state: &State) -> Standing {
        match state {
            State::Open => Standing::Back,
            State::WritesRefused(_) => Standing::WritesRefused,
            State::Unavailable(_) => Standing::Away,
        }
    }

    fn frame(self) -> Frame {
        let state = match self {
            Standing::Back => "back",
            Standing::WritesRefused => "writes_refused",
            Standing::Away => "away",
        };
        frame::text(format!(r#"{{"type":"upstream","state":"{state}"}}"#).as_bytes())
    }
}

/// What clients were told last.
#[derive(Default)]
pub(super) struct Told(Mutex<Standing>);

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

    /// Tells clients how Redis stands when that has changed and stays so, for ever.
    pub(super) async fn keep_telling_standing(self: Arc<Self>) {
        let mut states = self.upstream.states();
        loop {
            let told = *self.told.0.lock();
            let has_changed = |state: &State| Standing::of(state) != told;
            if states.wait_for(has_changed).await.is_err() {
                return;
            }
            tokio::time::sleep(PASSES).await;
            let now = Standing::of(&states.borrow_and_update());
            if now == told {
                continue;
            }
            // First this: who connects from now on is told by `tell_standing`.
            *self.told.0.lock() = now;
            let frame = now.frame();
            let mut pending_flush = PendingFlush::new();
            for connection in self.connections() {
                queue(&connection, &frame, Class::Live, &mut pending_flush);
            }
            self.flush(pending_flush);
            tokio::time::sleep(TOLD_EVERY).await;
        }
    }

    /// Tells a new connection how Redis stands, unless all is well.
    pub(super) fn tell_standing(&self, connection: &Connection) {
        let told = *self.told.0.lock();
        if told != Standing::Back {
            connection.send(told.frame());
        }
    }
}
