//! `chat-relay forward redrive`: sends once more what was given up.
//!
//! Only the place of such an event is stored, so it is sent as it is now: as a tombstone, if it was
//! deleted meanwhile.

use chat_protocol::id::Id;

use crate::config::Config;
use crate::webhook::reading;
use crate::webhook::sending::{Batch, Outcome, Receiver};
use crate::webhook::servers::{self, Failure};
use crate::webhook::settings::{Settings, WebhookSettings};
use crate::webhook::state::State;

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Redriven {
    /// Events that the receiver has taken.
    pub(crate) taken: usize,
    /// Events that their rooms do not have any more.
    pub(crate) gone: usize,
    /// Events that the receiver has refused again.
    pub(crate) refused: usize,
}

/// Sends each event that was given up, alone. What is taken, or is not in its room any more, is
/// removed.
pub(crate) async fn redrive(
    config: &Config,
    settings: &Settings,
    webhook: &WebhookSettings,
) -> Result<Redriven, Failure> {
    let receiver = Receiver::new(webhook).map_err(Failure::Other)?;
    let upstream = servers::open(config, &settings.name);
    servers::wait_usable(&upstream).await?;
    let state = State::new(upstream.clone(), &settings.name);
    let (mut done, mut last) = (Redriven::default(), Id::ZERO);
    loop {
        let page = state.dead(last).await?;
        if page.is_empty() {
            return Ok(done);
        }
        for dead in page {
            last = dead.entry;
            let event = reading::one(&upstream, settings, &dead.room, &dead.id, dead.after).await?;
            let Some(event) = event else {
                state.unbury(dead.entry).await?;
                done.gone += 1;
                continue;
            };
            let mut batch = Batch::default();
            batch.add(&event);
            match receiver.send(&batch).await {
                (Outcome::Accepted, _) => {
                    state.unbury(dead.entry).await?;
                    done.taken += 1;
                }
                (Outcome::Unreachable, why) => return Err(Failure::Other(why)),
                (_, why) => {
                    tracing::warn!(room = dead.room, id = dead.id, %why, "refused again");
                    done.refused += 1;
                }
            }
        }
    }
}
