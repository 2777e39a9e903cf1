//! Closing gaps: one `CHAT.SYNC` per room when its events do not join up.
//!
//! One sync per room runs at a time, whoever asks for it. Before anything it brought is delivered,
//! the users there are asked about with `CHAT.ROOM_RO … AS user`: in the gap one of them may have
//! lost the right to read. The rule of what to deliver is in `delivery.rs`.

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, warn};

use crate::client::error::Failure;
use crate::client::frame;
use crate::client::request;
use crate::event::Id;
use crate::hub::Hub;
use crate::hub::access::{self, see_off};
use crate::metrics::FIGURES;
use crate::room::Room;
use crate::room::fetch::{PAGE_EVENTS, newest_page, sync_command};
use crate::room::subscribers::Dirty;
use crate::upstream::Failed;
use crate::upstream::replies::{Page, Synced, frames};

/// Why a room is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An event did not join up, or a position was ahead of ours.
    Hole,
    /// The subscription was lost and is back: what was ephemeral meanwhile is lost too.
    Resubscribed,
}

/// Syncs the room until its events join up. Returns at once if another sync is running; gives up
/// when Redis goes away, as every room is synced when it is back.
pub(super) async fn run(hub: Arc<Hub>, room: Arc<Room>, cause: Cause) {
    let Ok(_permit) = hub.syncs.acquire().await else { return };
    let mut hole = false;
    let mut pause = Duration::from_millis(100);
    while let Some(from) = room.begin_sync() {
        match once(&hub, &room, from, &mut hole).await {
            Ok(again) => {
                if !again {
                    break;
                }
            }
            Err(failure) => {
                room.sync_failed();
                if !hub.upstream.is_up() {
                    return;
                }
                warn!(
                    source = "upstream",
                    room = &*room.name,
                    code = &*failure.code,
                    "a sync failed"
                );
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
        }
    }
    if hole {
        FIGURES.holes.increment(1);
    }
    if hole || cause == Cause::Resubscribed {
        let mut dirty = Dirty::new();
        room.reset(&mut dirty);
        hub.flush(dirty);
    }
}

/// One sync, all its pages. Returns whether another is needed.
async fn once(
    hub: &Arc<Hub>,
    room: &Arc<Room>,
    mut from: Id,
    hole: &mut bool,
) -> Result<bool, Failure> {
    room.pause_all();
    access::ask(hub, room).await;
    // Those who were not answered about are asked for again, and miss nothing.
    access::ask_later(hub, room);
    loop {
        FIGURES.syncs.increment(1);
        let synced = match hub.upstream.call_one(sync_command(&room.name, from)).await {
            Ok(value) => Synced::read(value)?,
            // The key is no room any more: its past is gone like that of a deleted one.
            Err(Failed::Refused(failure)) if failure.code == "WRONGTYPE" => {
                return Ok(reload(hub, room, Page::empty()));
            }
            Err(failed) => return Err(failed.into()),
        };
        let nothing_yet = from == Id::ZERO && synced.newest == Id::ZERO;
        if !synced.recovered && !nothing_yet {
            let page = newest_page(&hub.upstream, &room.name, PAGE_EVENTS).await?;
            return Ok(reload(hub, room, page));
        }
        *hole |= !synced.events.is_empty();
        let mut dirty = Dirty::new();
        let again = room.recovered(frames(&synced.events), synced.more, &mut dirty);
        hub.flush(dirty);
        see_off(hub, room);
        hub.attend(room);
        if !synced.more {
            return Ok(again);
        }
        let Some(next) = room.continue_sync() else { return Ok(true) };
        from = next;
    }
}

fn reload(hub: &Arc<Hub>, room: &Arc<Room>, page: Page) -> bool {
    debug!(room = &*room.name, newest = %page.newest, "the room's past is gone: reload");
    FIGURES.reloads.increment(1);
    let reload = request::about_room("reload", &room.name, &format!(",{}", page.json()));
    let mut dirty = Dirty::new();
    let again = room.reload(page.newest, &frame::text(reload.as_bytes()), &mut dirty);
    hub.flush(dirty);
    hub.attend(room);
    again
}
