//! Access checks: who may still read a room.
//!
//! An event that removes a user takes effect when it is delivered (`room/delivery.rs`). This file
//! handles the rest: a member has left, the room's access has changed, or events were missed and
//! anything may have happened. In these cases the room has paused the connections in question. Each
//! user is checked with `CHAT.ROOM_RO … AS user`. Users who may read continue from their positions;
//! the others receive `gone`. Without an answer no connection continues: the check is repeated, and a
//! connection that waits too long must join again.

use std::sync::Arc;
use std::time::Duration;

use chat_protocol::event_header::{EventHeader, Place};

use crate::client::error::Error;
use crate::event;
use crate::hub::hub::Hub;
use crate::hub::logins::guests;
use crate::hub::presence;
use crate::hub::standing::sockets;
use crate::panics::restart_on_panic;
use crate::room::fetch::sync_command;
use crate::room::subscribers::PendingFlush;
use crate::room::{AccessCheck, CaughtUp, LaggingConnection, Owner, Room};
use crate::upstream::commands::{self, Reader};
use crate::upstream::replies::{Synced, frames};
use crate::upstream::{CommandError, Reply};

/// Users checked in one pipeline.
const USERS_PER_CALL: usize = 500;
/// The first and the longest pause before a check is repeated.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MOST: Duration = Duration::from_secs(1);
/// Pages that one paused connection may receive in one check.
const PAGES: usize = 16;

/// Updates the follow cache and ends presence, if a channel event says that somebody has left or
/// the room is gone.
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
        "erase" => {
            let user = event::text(head, "user").unwrap_or_default();
            hub.follow_cache.forget(&user, &room.name);
            end_removed_presence(hub, room);
        }
        "drop" => hub.follow_cache.forget_room(&room.name),
        _ => {}
    }
}

/// Ends the presence of connections that events have removed. Redis has ended it already, unless a
/// beat sent before the event renewed it.
pub(crate) fn end_removed_presence(hub: &Hub, room: &Room) {
    for connection in room.take_kicked() {
        presence::end_in_background(hub, &connection, &room.name);
    }
}

/// Starts to check the access of the room's paused connections, unless a task already does.
pub(crate) fn start_access_checks(hub: &Arc<Hub>, room: &Arc<Room>) {
    if room.begin_check(owner(hub, room)) {
        let (hub, room) = (hub.clone(), room.clone());
        let checking = move || run_access_checks(hub.clone(), room.clone());
        tokio::spawn(restart_on_panic("checking access", checking));
    }
}

fn owner(hub: &Hub, room: &Room) -> Owner {
    if sockets::is_in_doubt(hub, &room.name) { Owner::InDoubt } else { Owner::Settled }
}

/// Checks until no connection is paused, and no user in doubt, any more.
async fn run_access_checks(hub: Arc<Hub>, room: Arc<Room>) {
    let mut pause = PAUSE_FIRST;
    // At most one round of checks per room in this time, however often access changes.
    if let Some(checked_at) = room.checked_at() {
        tokio::time::sleep(PAUSE_MOST.saturating_sub(checked_at.elapsed())).await;
    }
    loop {
        check_access(&hub, &room).await;
        if room.end_check(owner(&hub, &room)) {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MOST);
        // While the room's node is unreachable, no event of the room arrives either.
        hub.upstream.wait_up(&room.name).await;
    }
}

/// Checks the access of all paused connections once, and again if the answers were outdated when
/// they arrived.
pub(crate) async fn check_access(hub: &Hub, room: &Room) {
    for _ in 0..2 {
        let owner_check = sockets::owner_check(hub, &room.name);
        let AccessCheck { epoch, is_subscribed, mut users } = room.access_check();
        if let Some(check) = &owner_check
            && let Err(place) = users.binary_search(&check.user)
        {
            users.insert(place, check.user.clone());
        }
        for users in users.chunks(USERS_PER_CALL) {
            let commands =
                users.iter().map(|user| commands::room(&room.name, Reader::User(user))).collect();
            let (mut granted, mut denied) = (Vec::new(), Vec::new());
            let mut pending_flush = PendingFlush::new();
            for (user, reply) in users.iter().zip(hub.upstream.call(commands).await) {
                if let Some(check) = owner_check.as_ref().filter(|check| check.user == *user) {
                    check.apply(hub, &reply, is_subscribed && room.epoch() == epoch);
                }
                let is_guests = guests::is_guests(hub, user);
                let reply = if is_guests { guests::only_open(reply) } else { reply };
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
        if room.epoch() == epoch {
            return;
        }
    }
}

/// Sends a paused connection the pages that it is missing, as far as Redis answers.
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
    /// The user may read, or the room does not exist.
    Granted,
    /// The user may not read.
    Denied(Error),
    /// There was no answer. Must not be treated as granted.
    Unknown(CommandError),
}

/// Reads access from the reply to `CHAT.ROOM_RO … AS user`.
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
