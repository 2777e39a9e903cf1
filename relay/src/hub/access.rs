//! Who may still receive a room, asked where that changes.
//!
//! An event that takes somebody out of a room does so by itself, as it is delivered (`room.rs`).
//! Here is the rest: a member who has left, a change of access, a gap in which anything may have
//! happened. Then the room has paused whom that concerns, each user is asked about with
//! `CHAT.ROOM_RO … AS user`, and who may read goes on where they stood; who may not is told `gone`.
//! No answer is no yes: the question is repeated, and whoever is not answered about for long must
//! come anew.

use std::sync::Arc;
use std::time::Duration;

use chat_protocol::event_header::{EventHeader, Place};

use crate::client::error::Error;
use crate::event;
use crate::hub::hub::Hub;
use crate::hub::presence;
use crate::panics::restart_on_panic;
use crate::room::fetch::sync_command;
use crate::room::subscribers::PendingFlush;
use crate::room::{AccessCheck, CaughtUp, LaggingConnection, Room};
use crate::upstream::commands::{self, Reader};
use crate::upstream::replies::{Synced, frames};
use crate::upstream::{CommandError, Reply};

/// Users asked about in one pipeline.
const USERS_PER_CALL: usize = 500;
/// Pause before a question is repeated, and the longest one.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MOST: Duration = Duration::from_secs(1);
/// Pages that one paused connection is brought further by at a time.
const PAGES: usize = 16;

/// Looks at an event that has come from the channel.
pub(crate) fn note_membership(hub: &Arc<Hub>, room: &Arc<Room>, head: &EventHeader<'_>) {
    match head.kind {
        "member" if matches!(head.place, Place::Durable { .. }) => {
            let kind = event::text(head, "kind").unwrap_or_default();
            let user = event::text(head, "user").unwrap_or_default();
            if matches!(&*kind, "leave" | "kick" | "ban") {
                hub.follow_cache.forget(&user, &room.name);
                end_removed_presence(hub, room);
            }
        }
        "drop" => hub.follow_cache.forget_room(&room.name),
        _ => {}
    }
}

/// Ends the presence of those whom events took out of the room. The store has ended it already,
/// unless a beat of ours came in between that did not know yet.
pub(crate) fn end_removed_presence(hub: &Hub, room: &Room) {
    for connection in room.take_kicked() {
        presence::end_in_background(hub, &connection, &room.name);
    }
}

/// Begins to ask for those who are paused in this room, unless somebody does.
pub(crate) fn start_access_checks(hub: &Arc<Hub>, room: &Arc<Room>) {
    if room.begin_check() {
        let (hub, room) = (hub.clone(), room.clone());
        let checking = move || run_access_checks(hub.clone(), room.clone());
        tokio::spawn(restart_on_panic("asking who may read", checking));
    }
}

/// Asks until nobody is paused any more.
async fn run_access_checks(hub: Arc<Hub>, room: Arc<Room>) {
    let mut pause = PAUSE_FIRST;
    // However often access changes, a room is not asked about more often than that.
    if let Some(checked_at) = room.checked_at() {
        tokio::time::sleep(PAUSE_MOST.saturating_sub(checked_at.elapsed())).await;
    }
    loop {
        check_access(&hub, &room).await;
        if room.end_check() {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MOST);
        if !hub.upstream.is_up() {
            // Meanwhile nothing of the room comes here either.
            hub.upstream.wait_up().await;
        }
    }
}

/// Asks once for everybody who is paused in this room, and again for those whose answer was out of
/// date when it came.
pub(crate) async fn check_access(hub: &Hub, room: &Room) {
    for _ in 0..2 {
        let AccessCheck { epoch, users } = room.access_check();
        for users in users.chunks(USERS_PER_CALL) {
            let commands =
                users.iter().map(|user| commands::room(&room.name, Reader::User(user))).collect();
            let (mut granted, mut denied) = (Vec::new(), Vec::new());
            let mut pending_flush = PendingFlush::new();
            for (user, reply) in users.iter().zip(hub.upstream.call(commands).await) {
                match read_access(reply) {
                    Access::Granted => granted.push(user.clone()),
                    Access::Denied(error) => denied.push((user.clone(), error)),
                    Access::Unknown(_) => {}
                }
            }
            for connection in room.deny(epoch, &denied, &mut pending_flush) {
                presence::end_in_background(hub, &connection, &room.name);
            }
            let behind = room.grant(epoch, &granted, &mut pending_flush);
            hub.flush(pending_flush);
            for behind in behind {
                catch_up(hub, room, epoch, behind).await;
            }
        }
        if room.access_check().epoch == epoch {
            return;
        }
    }
}

/// Brings a connection that is far behind to where the room is, as far as Redis answers.
async fn catch_up(hub: &Hub, room: &Room, epoch: u64, mut behind: LaggingConnection) {
    for _ in 0..PAGES {
        let user = Reader::User(&behind.connection.user);
        let command = sync_command(&room.name, behind.position, user);
        let Ok(value) = hub.upstream.call_one(command).await else { return };
        let Ok(synced) = Synced::read(value) else { return };
        let mut pending_flush = PendingFlush::new();
        if !synced.recovered {
            room.require_rejoin(&behind.connection, &mut pending_flush);
            hub.flush(pending_flush);
            return;
        }
        let page = frames(&synced.events);
        let last = page.last().map_or(behind.position, |(id, _)| *id);
        let brought = room.catch_up(epoch, &behind, &page, last, synced.more, &mut pending_flush);
        hub.flush(pending_flush);
        match brought {
            CaughtUp::Done => return,
            CaughtUp::UpTo(position) => behind.position = position,
        }
    }
}

/// What `CHAT.ROOM_RO … AS user` says about access.
#[derive(Debug)]
pub(crate) enum Access {
    /// The user may read, or there is no room whose reading could be denied.
    Granted,
    /// The user may not read.
    Denied(Error),
    /// It was not answered. Whoever asks must not take this for a yes.
    Unknown(CommandError),
}

/// Judges the reply of `CHAT.ROOM_RO … AS user`.
pub(crate) fn read_access(reply: Reply) -> Access {
    match reply {
        Ok(_) => Access::Granted,
        Err(CommandError::Refused(error)) => match &*error.code {
            "NOROOM" | "WRONGTYPE" => Access::Granted,
            "NOTMEMBER" | "BANNED" | "DENIED" => Access::Denied(error),
            _ => Access::Unknown(CommandError::Refused(error)),
        },
        Err(error) => Access::Unknown(error),
    }
}
