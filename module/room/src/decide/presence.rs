//! CHAT.PRESENCE and CHAT.BEAT: connections come, are kept, and go.

use std::borrow::Cow;

use chat_protocol::limits::{TTL_MAX, TTL_MIN};
use chat_protocol::names::{Actor, RoomKind};

use super::{Context, Creation, Decision};
use crate::codec::event_ephemeral::Ephemeral;
use crate::codec::record::Record;
use crate::collections::work;
use crate::command_error::CommandError;
use crate::state::numbers::UserNumber;
use crate::state::presence::connection::Connection;
use crate::state::presence::status_counts::ONLINE;
use crate::state::room::OCCUPANCY_INTERVAL;

/// CHAT.PRESENCE room user connection [TTL ms] [STATUS s], as it came.
#[derive(Clone, Copy, Debug)]
pub struct Presence<'a> {
    /// Whose connection.
    pub user: &'a str,
    /// Its name.
    pub connection: &'a str,
    /// Milliseconds until it ends unless beaten; absent: `chat.presence-ttl`.
    pub ttl: Option<u64>,
    /// The connection's status, empty for `online`; absent: as it was, at first `online`.
    pub status: Option<&'a str>,
}

/// Decides CHAT.PRESENCE of a connection that is here. Makes a personal room, no other.
///
/// Errors: `INVALID ttl`, `INVALID connection` if the name is another user's connection, `INVALID
/// status` if the user's connections had too many different ones, `NOROOM`, `NOTMEMBER`, `DENIED`.
pub fn here<'a>(
    context: Context<'_, 'a>,
    presence: Presence<'a>,
    decision: &mut Decision<'a>,
) -> Result<(), CommandError> {
    let Presence { user, connection, ttl, status } = presence;
    let status = status.map(|status| if status.is_empty() { ONLINE } else { status });
    let ttl = time_to_live(ttl.unwrap_or(context.limits.presence_ttl))?;
    context.check_admission(user)?;
    if context.name.kind == RoomKind::Personal(user) {
        context.create_room(Actor::User(user), Creation::Allowed, decision)?;
    } else {
        context.readable(Some(user))?;
    }
    let room = context.room;
    let known = room.presence.find(connection);
    if known.is_some_and(|known| room.users.name(known.user) != user) {
        return Err(CommandError::invalid("connection", "a name in use by another user"));
    }
    let now = context.now.ms;
    let online = room.presence_of(user);
    let Some(online) = online else {
        context.record_seen(decision);
        let status = status.filter(|status| *status != ONLINE);
        decision.record(Record::Present { connection, user, ttl, now, status });
        let users = room.online() + 1;
        context.publish_presence(users, Ephemeral::Online { user: user.into() }, decision);
        context.publish_occupancy(users, decision);
        return Ok(());
    };
    let before = known.map(|known| online.statuses.name(known.status));
    let status = status.filter(|status| before.unwrap_or(ONLINE) != *status);
    decision.record(Record::Present { connection, user, ttl, now, status });
    let as_before = status.is_none() && (known.is_some() || online.statuses.is_plain());
    if !as_before {
        let mut statuses = online.statuses.clone();
        if let Some(known) = known {
            statuses.remove(known.status);
        }
        statuses.add(status.unwrap_or(before.unwrap_or(ONLINE)), now);
        if statuses.are_too_many() {
            return Err(CommandError::invalid("status", "at most 16 different ones at once"));
        }
        if statuses.shown() != online.statuses.shown() {
            let event = Ephemeral::Status { user: user.into() };
            context.publish_presence(room.online(), event, decision);
        }
    }
    Ok(())
}

/// Whether this connection is new to the room, so that it costs memory.
pub fn is_new(context: Context<'_, '_>, connection: &str) -> bool {
    !context.room.presence.contains(connection)
}

/// Decides CHAT.PRESENCE … OFF. A connection the room does not know changes nothing.
pub fn off<'a>(
    context: Context<'_, 'a>,
    user: &'a str,
    connection: &'a str,
    reason: Option<&'a str>,
    decision: &mut Decision<'a>,
) -> Result<(), CommandError> {
    context.check_name_access(user)?;
    let room = context.room;
    let Some(known) = room.presence.find(connection) else { return Ok(()) };
    if room.users.name(known.user) != user {
        return Err(CommandError::invalid("connection", "a name in use by another user"));
    }
    let reason = reason.unwrap_or("left");
    let users = context.remove(known.user, &[known], reason, room.online(), decision);
    context.publish_occupancy(users, decision);
    Ok(())
}

impl<'r, 'a> Context<'r, 'a> {
    /// What takes away connections of one user, of `users` online: records and what is told.
    /// Answers how many users are online then.
    pub(super) fn remove(
        &self,
        user: UserNumber,
        connections: &[&Connection],
        reason: &'a str,
        users: usize,
        decision: &mut Decision<'a>,
    ) -> usize {
        let Some(entry) = self.room.users.get(user) else { return users };
        let Some(online) = self.room.presence.online(user, entry) else { return users };
        let name = || Cow::Owned(entry.name.to_string());
        let mut statuses = online.statuses.clone();
        connections.iter().for_each(|connection| statuses.remove(connection.status));
        let mut names: Vec<&str> = connections.iter().map(|connection| &*connection.name).collect();
        names.sort_unstable();
        let connections = names.into_iter().map(|name| Cow::Owned(name.to_owned())).collect();
        decision.record(Record::Absent { connections });
        if statuses.connections() > 0 {
            if statuses.shown() != online.statuses.shown() {
                self.publish_presence(users, Ephemeral::Status { user: name() }, decision);
            }
            return users;
        }
        self.record_seen(decision);
        let users = users.saturating_sub(1);
        self.publish_presence(users, Ephemeral::Offline { user: name(), reason }, decision);
        users
    }

    /// What keeps when the user of a personal room was seen, if this is one.
    fn record_seen(&self, decision: &mut Decision<'a>) {
        if matches!(self.name.kind, RoomKind::Personal(_)) {
            decision.record(Record::Seen { ms: self.now.ms });
        }
    }

    /// Tells what one user does, unless so many `users` are online that nobody could follow.
    fn publish_presence(&self, users: usize, event: Ephemeral<'a>, decision: &mut Decision<'a>) {
        if !self.room.announces_by_count(users, self.limits) {
            decision.event(event);
        }
    }

    /// Tells how many are here, if `users` are too many to name and it was not told just now.
    pub(super) fn publish_occupancy(&self, users: usize, decision: &mut Decision<'a>) {
        let (room, published) = (self.room, self.room.presence.published);
        let due =
            published.occupancy_at.saturating_add(OCCUPANCY_INTERVAL) <= self.now.monotonic_ms;
        if room.announces_by_count(users, self.limits) && published.users != users && due {
            decision.event(Ephemeral::Occupancy);
        }
    }
}

/// Decides CHAT.BEAT. Reply: the connections the room does not know.
pub fn beat<'a>(
    context: Context<'_, 'a>,
    ttl: u64,
    connections: Vec<&'a str>,
    decision: &mut Decision<'a>,
) -> Result<Vec<&'a str>, CommandError> {
    let ttl = time_to_live(ttl)?;
    work::visit(connections.len());
    let (mut known, mut unknown) = (connections, Vec::new());
    known.retain(|name| {
        let is_known = context.room.presence.contains(name);
        if !is_known {
            unknown.push(*name);
        }
        is_known
    });
    if !known.is_empty() {
        decision.record(Record::Beat { ttl, connections: known });
    }
    Ok(unknown)
}

fn time_to_live(ms: u64) -> Result<u64, CommandError> {
    let ok = (TTL_MIN..=TTL_MAX).contains(&ms);
    ok.then_some(ms).ok_or(CommandError::invalid("ttl", "1000 to 3600000 milliseconds"))
}
