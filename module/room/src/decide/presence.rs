//! CHAT.PRESENCE and CHAT.BEAT: connections come, are kept, and go.

use std::borrow::Cow;

use super::{Context, Decision};
use crate::event::Ephemeral;
use crate::limits::{TTL_MAX, TTL_MIN};
use crate::names::{Actor, RoomKind};
use crate::record::Record;
use crate::refusal::Refusal;

/// CHAT.PRESENCE room user connection [TTL ms] [STATUS s], as it came.
#[derive(Clone, Copy, Debug)]
pub struct Presence<'a> {
    /// Whose connection.
    pub user: &'a str,
    /// Its name.
    pub connection: &'a str,
    /// Milliseconds until it ends unless beaten; absent: `chat.presence-ttl`.
    pub ttl: Option<u64>,
    /// The user's status; absent: as it was.
    pub status: Option<&'a str>,
}

/// Decides CHAT.PRESENCE of a connection that is here. Makes a personal room, no other.
///
/// Errors: `INVALID ttl`, `INVALID connection` if the name is another user's connection,
/// `NOROOM`, `NOTMEMBER`, `DENIED`.
pub fn here<'a>(
    context: Context<'_, 'a>,
    presence: Presence<'a>,
) -> Result<Decision<'a, ()>, Refusal> {
    let Presence { user, connection, ttl, status } = presence;
    let ttl = time_to_live(ttl.unwrap_or(context.limits.presence_ttl))?;
    let mut decision = Decision::new(&context, ());
    context.named_for(user)?;
    if context.name.kind == RoomKind::Personal(user) {
        context.make(Actor::User(user), &mut decision)?;
    } else {
        context.readable(Some(user))?;
    }
    let room = context.room;
    let entry = room.users.by_name(user);
    let online = entry.and_then(|entry| entry.online.as_ref());
    if let Some(known) = room.presence.find(connection)
        && room.users.name(known.user) != user
    {
        return Err(Refusal::invalid("connection", "a name in use by another user"));
    }
    let now = context.now.ms;
    let new_status = status.filter(|status| {
        online.map_or(crate::presence::ONLINE, |online| online.status()) != *status
    });
    let deadline = now.saturating_add(ttl);
    decision.record(Record::Present { connection, user, deadline, now, status: new_status });
    match (online, new_status) {
        (None, _) => decision.event(Ephemeral::Came { user }),
        (Some(_), Some(_)) => decision.event(Ephemeral::Status { user }),
        (Some(_), None) => {}
    }
    Ok(decision)
}

/// Whether this connection is new to the room, so that it costs memory.
pub fn is_new(context: Context<'_, '_>, connection: &str) -> bool {
    context.room.presence.find(connection).is_none()
}

/// Decides CHAT.PRESENCE … OFF. A connection the room does not know changes nothing.
pub fn off<'a>(
    context: Context<'_, 'a>,
    user: &'a str,
    connection: &'a str,
    reason: Option<&'a str>,
) -> Result<Decision<'a, ()>, Refusal> {
    context.named_for(user)?;
    let room = context.room;
    let mut decision = Decision::new(&context, ());
    let Some(known) = room.presence.find(connection) else { return Ok(decision) };
    if room.users.name(known.user) != user {
        return Err(Refusal::invalid("connection", "a name in use by another user"));
    }
    decision.record(Record::Absent { connections: vec![Cow::Borrowed(connection)] });
    let online = room.users.get(known.user).and_then(|entry| entry.online.as_ref());
    if online.is_some_and(|online| online.connections == 1) {
        let reason = reason.unwrap_or("left");
        decision.event(Ephemeral::Went { user: user.into(), reason });
    }
    Ok(decision)
}

/// Decides CHAT.BEAT. Reply: the connections the room does not know.
pub fn beat<'a>(
    context: Context<'_, 'a>,
    ttl: u64,
    connections: Vec<&'a str>,
) -> Result<Decision<'a, Vec<&'a str>>, Refusal> {
    let deadline = context.now.ms.saturating_add(time_to_live(ttl)?);
    let known = |name: &&str| context.room.presence.find(name).is_some();
    let (known, unknown): (Vec<_>, Vec<_>) = connections.into_iter().partition(known);
    let mut decision = Decision::new(&context, unknown);
    if !known.is_empty() {
        decision.record(Record::Beat { deadline, connections: known });
    }
    Ok(decision)
}

fn time_to_live(ms: u64) -> Result<u64, Refusal> {
    let ok = (TTL_MIN..=TTL_MAX).contains(&ms);
    ok.then_some(ms).ok_or(Refusal::invalid("ttl", "1000 to 3600000 milliseconds"))
}
