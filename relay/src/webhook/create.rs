//! `chat-relay forward create`: where a forwarder begins, as `XGROUP CREATE` says it of a group.

use std::time::{SystemTime, UNIX_EPOCH};

use chat_protocol::id::Id;

use crate::config::Config;
use crate::upstream::Holding;
use crate::webhook::changed::Walk;
use crate::webhook::servers::{self, Failure};
use crate::webhook::settings::{From, Settings};
use crate::webhook::state::State;

/// Positions stored in one transaction.
const CHUNK: usize = 1000;

/// Stores the positions of a new forwarder. Returns how many rooms there are. Errors: it was created
/// already.
pub(crate) async fn create(
    config: &Config,
    settings: &Settings,
    from: From,
) -> Result<usize, Failure> {
    let upstream = servers::open(config, &settings.name);
    servers::wait_usable(&upstream).await?;
    let state = State::new(upstream.clone(), &settings.name);
    if state.load().await?.is_some() {
        return Err(Failure::Other("it was created already".to_owned()));
    }
    if !state.take().await? {
        return Err(Failure::Other("another process is creating it".to_owned()));
    }
    let (mut rooms, mut count) = (Vec::new(), 0);
    if from == From::Now {
        let mut walk = Walk::default();
        loop {
            let round = walk.round(&upstream, settings).await?;
            let there = round.rooms.into_iter().filter_map(|(room, newest)| Some((room, newest?)));
            rooms.extend(there.map(|(room, newest)| (room.into(), Some(newest))));
            count += store(&state, &mut rooms, CHUNK).await?;
            if round.is_complete {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    count += store(&state, &mut rooms, 1).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    state.mark_created(u64::try_from(now.as_millis()).unwrap_or_default()).await?;
    state.release().await;
    Ok(count)
}

/// Stores all positions once there are so many.
async fn store(
    state: &State,
    rooms: &mut Vec<(std::sync::Arc<str>, Option<Id>)>,
    least: usize,
) -> Result<usize, Failure> {
    if rooms.len() < least {
        return Ok(0);
    }
    let stored = std::mem::take(rooms);
    for chunk in stored.chunks(CHUNK) {
        match state.keep(chunk, Vec::new()).await? {
            Holding::Done => {}
            _ => return Err(Failure::Other("another process has taken over".to_owned())),
        }
    }
    Ok(stored.len())
}
