//! Closing gaps: one `CHAT.SYNC` when a room's events are not consecutive.
//!
//! At most one sync per room runs at a time. Before its events are delivered, the access of all
//! subscribers is checked, because one of them may have lost access in the gap. `room/ordering.rs`
//! decides what is delivered.

use std::sync::Arc;
use std::time::Duration;

use chat_protocol::id::Id;
use tracing::{debug, warn};

use crate::client::error::Error;
use crate::client::relay_frame;
use crate::hub::access::{self, end_removed_presence};
use crate::hub::hub::Hub;
use crate::hub::profiles::updates;
use crate::hub::standing::sockets;
use crate::metrics::METRICS;
use crate::room::fetch::{PAGE_EVENTS, newest_page, sync_command};
use crate::room::subscribers::PendingFlush;
use crate::room::{Next, Room};
use crate::upstream::CommandError;
use crate::upstream::commands::Reader;
use crate::upstream::replies::{Page, Synced, frames};

/// Why a room is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Events are missing: an event did not continue the last one, or the room is ahead of us.
    Hole,
    /// The subscription was lost and is confirmed again. Ephemeral events were lost meanwhile.
    Resubscribed,
}

/// Syncs the room until no event is missing. Returns at once if another sync of it runs. Gives up
/// if Redis becomes unreachable, because every room is synced afterwards.
pub(super) async fn run(hub: Arc<Hub>, room: Arc<Room>, cause: Cause) {
    let node = hub.upstream.owner(&room.name);
    let Some(_permit) = hub.syncs.acquire(node).await else { return };
    let mut hole = false;
    let mut pause = Duration::from_millis(100);
    while let Some(from) = room.begin_sync() {
        match once(&hub, &room, from, &mut hole).await {
            Ok(again) => {
                if !again {
                    break;
                }
            }
            Err(error) => {
                room.sync_failed();
                if !hub.upstream.is_up(&room.name) {
                    return;
                }
                warn!(
                    source = "upstream",
                    room = &*room.name,
                    code = &*error.code,
                    "a sync failed"
                );
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
        }
    }
    if hole {
        METRICS.holes.increment(1);
    }
    if hole || cause == Cause::Resubscribed {
        let mut pending_flush = PendingFlush::new();
        room.reset(&mut pending_flush);
        hub.flush(pending_flush);
    }
}

/// Starts a sync of this room in the background, unless one is running.
pub(super) fn start(hub: &Arc<Hub>, room: Arc<Room>, cause: Cause) {
    tokio::spawn(run(hub.clone(), room, cause));
}

/// Starts a sync if a delivery, a join or a beat has shown that one is needed.
pub(crate) fn sync_if_needed(hub: &Arc<Hub>, room: &Arc<Room>, next: Next) {
    if next == Next::Sync {
        start(hub, room.clone(), Cause::Hole);
    }
}

/// Starts what delivered events have made necessary: access checks of paused connections, and the
/// publication of a changed profile.
pub(super) fn start_requested_work(hub: &Arc<Hub>, room: &Arc<Room>) {
    access::start_access_checks(hub, room);
    updates::publish_if_changed(hub, room);
}

/// Runs one sync with all its pages. Returns whether another is needed.
async fn once(
    hub: &Arc<Hub>,
    room: &Arc<Room>,
    mut from: Id,
    hole: &mut bool,
) -> Result<bool, Error> {
    room.pause_all();
    sockets::doubt(hub, &room.name);
    access::check_access(hub, room).await;
    // Connections whose check had no answer stay paused and are checked again; they miss nothing.
    access::start_access_checks(hub, room);
    loop {
        METRICS.syncs.increment(1);
        let command = sync_command(&room.name, from, Reader::Backend);
        let synced = match hub.upstream.call_one_at_once(command).await {
            Ok(value) => Synced::read(value)?,
            // The key holds another type now: treat the room as deleted.
            Err(CommandError::Refused(error)) if error.code == "WRONGTYPE" => {
                return Ok(reload(hub, room, Page::empty()));
            }
            Err(error) => return Err(error.into()),
        };
        let nothing_yet = from == Id::ZERO && synced.newest == Id::ZERO;
        if !synced.recovered && !nothing_yet {
            let page = newest_page(&hub.upstream, &room.name, PAGE_EVENTS).await?;
            return Ok(reload(hub, room, page));
        }
        *hole |= !synced.events.is_empty();
        let mut pending_flush = PendingFlush::new();
        let again =
            room.recovered(frames(&synced.events), synced.newest, synced.more, &mut pending_flush);
        hub.flush(pending_flush);
        end_removed_presence(hub, room);
        start_requested_work(hub, room);
        if !synced.more {
            return Ok(again);
        }
        let Some(next) = room.continue_sync() else { return Ok(true) };
        from = next;
    }
}

fn reload(hub: &Arc<Hub>, room: &Arc<Room>, page: Page) -> bool {
    debug!(room = &*room.name, newest = %page.newest, "the room's past is gone: reload");
    METRICS.reloads.increment(1);
    let reload = relay_frame::reload(&room.name, &page.json());
    let mut pending_flush = PendingFlush::new();
    let again = room.reload(page.newest, &reload, &mut pending_flush);
    hub.flush(pending_flush);
    start_requested_work(hub, room);
    again
}
