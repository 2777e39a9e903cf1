//! CHAT.PRESENCE and CHAT.BEAT: announcing, extending and removing connections.

use chat_protocol::limits::{TTL_MAX, TTL_MIN};
use chat_protocol::names::{Actor, RoomKind};

use crate::codec::event_ephemeral::Ephemeral;
use crate::codec::record::Record;
use crate::collections::work;
use crate::command_error::CommandError;
use crate::decide::context::{Context, Creation};
use crate::decide::decision::Decision;
use crate::decide::trim::trim_logged_presence;
use crate::state::presence::status_counts::ONLINE;

/// `CHAT.PRESENCE room user connection [TTL ms] [STATUS s]` with its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Presence<'a> {
    /// The user of the connection.
    pub user: &'a str,
    /// Its name.
    pub connection: &'a str,
    /// Milliseconds until it expires without a beat; absent: `chat.presence-ttl`.
    pub ttl: Option<u64>,
    /// The connection's status, empty for `online`; absent: unchanged, initially `online`.
    pub status: Option<&'a str>,
}

/// Decides CHAT.PRESENCE of a connection that is online. It creates a personal room, but no other.
///
/// Errors: `INVALID ttl`, `INVALID connection` if the name is another user's connection, `INVALID
/// status` if the user's connections would have too many different ones, `NOROOM`, `NOTMEMBER`,
/// `DENIED`.
pub fn connect<'a>(
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
        if context.limits.presence_log {
            context.log_online(decision);
        }
        let users = room.online() + 1;
        context.publish_presence(users, Ephemeral::Online { user: user.into() }, decision);
        context.publish_occupancy(users, decision);
        trim_logged_presence(context, decision);
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

/// Whether this connection is new to the room, so that it needs memory.
pub fn is_new(context: Context<'_, '_>, connection: &str) -> bool {
    !context.room.presence.contains(connection)
}

/// Decides CHAT.PRESENCE … OFF. A connection that is unknown to the room changes nothing.
pub fn disconnect<'a>(
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
    trim_logged_presence(context, decision);
    Ok(())
}

/// Decides CHAT.BEAT. Reply: the connections that are unknown to the room.
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
