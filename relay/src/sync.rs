//! Closing gaps: one `CHAT.SYNC` per room when its events do not join up, and who may still read.
//!
//! One sync per room runs at a time, whoever asks for it. Before anything it brought is delivered,
//! the users there are asked about with `CHAT.ROOM … AS user`: in the gap one of them may have
//! lost the right to read. The rule of what to deliver is in `delivery.rs`.

use std::sync::Arc;
use std::time::Duration;

use redis::Cmd;
use tracing::{debug, warn};

use crate::event::Id;
use crate::fetch::{PAGE_EVENTS, newest_page, sync_command};
use crate::figures::FIGURES;
use crate::frame;
use crate::hub::Hub;
use crate::presence;
use crate::protocol::{self, Failure};
use crate::receivers::Dirty;
use crate::replies::{Page, Synced, frames};
use crate::room::Room;
use crate::upstream::{Away, Refused};

/// Why a room is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An event did not join up, or a position was ahead of ours.
    Hole,
    /// The subscription was lost and is back: what was ephemeral meanwhile is lost too.
    Resubscribed,
}

/// Users asked about in one pipeline.
const USERS_PER_CALL: usize = 500;

/// Syncs the room until its events join up. Returns at once if another sync is running; gives up
/// when Redis goes away, as every room is synced when it is back.
pub async fn run(hub: Arc<Hub>, room: Arc<Room>, cause: Cause) {
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
        let reset = protocol::about_room("reset", &room.name, "");
        tell_all(&hub, &room, &reset);
    }
}

/// One sync, all its pages. Returns whether another is needed.
async fn once(hub: &Hub, room: &Room, mut from: Id, hole: &mut bool) -> Result<bool, Failure> {
    check_access(hub, room, room.users()).await;
    loop {
        FIGURES.syncs.increment(1);
        let synced = match hub.upstream.call_one(sync_command(&room.name, from)).await? {
            Ok(value) => Synced::read(value)?,
            Err(Refused::NotNow) => return Err(Failure::unavailable()),
            // The key is no room any more: its past is gone like that of a deleted one.
            Err(Refused::Error(failure)) if failure.code == "WRONGTYPE" => {
                return Ok(reload(hub, room, Page::empty()));
            }
            Err(Refused::Error(failure)) => return Err(failure),
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
        if !synced.more {
            return Ok(again);
        }
        let Some(next) = room.continue_sync() else { return Ok(true) };
        from = next;
    }
}

fn reload(hub: &Hub, room: &Room, page: Page) -> bool {
    debug!(room = &*room.name, newest = %page.newest, "the room's past is gone: reload");
    FIGURES.reloads.increment(1);
    let reload = protocol::about_room("reload", &room.name, &format!(",{}", page.json()));
    let mut dirty = Dirty::new();
    let again = room.reload(page.newest, &frame::text(reload.as_bytes()), &mut dirty);
    hub.flush(dirty);
    again
}

fn tell_all(hub: &Hub, room: &Room, text: &str) {
    let mut dirty = Dirty::new();
    room.tell_all(&frame::text(text.as_bytes()), &mut dirty);
    hub.flush(dirty);
}

/// Asks whether these users may still read the room. Those who may not receive nothing more of it
/// from now on and are told `gone`.
pub async fn check_access(hub: &Hub, room: &Room, users: Vec<Arc<str>>) {
    for users in users.chunks(USERS_PER_CALL) {
        let commands = users.iter().map(|user| room_as(&room.name, user)).collect();
        let replies = match hub.upstream.call(commands).await {
            Ok(replies) => replies,
            // Asked again with the sync of every room when Redis is back.
            Err(Away) => return,
        };
        for (user, reply) in users.iter().zip(replies) {
            if let Err(Refused::Error(failure)) = reply
                && matches!(&*failure.code, "NOTMEMBER" | "BANNED" | "DENIED")
            {
                evict(hub, room, user, &failure);
            }
        }
    }
}

fn evict(hub: &Hub, room: &Room, user: &str, failure: &Failure) {
    let mut further = String::from(",");
    failure.write(&mut further);
    let gone = protocol::about_room("gone", &room.name, &further);
    for connection in room.evict(user) {
        connection.rise(room);
        connection.send_text(&gone);
        presence::end_later(hub, &connection, room);
    }
}

/// `CHAT.ROOM room AS user`: what this user may see of it, or why nothing.
pub fn room_as(room: &str, user: &str) -> Cmd {
    let mut command = redis::cmd("CHAT.ROOM");
    command.arg(room).arg("AS").arg(user);
    command
}
