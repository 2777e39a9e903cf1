//! Expiry, run by the timer: connections without beats, expired messages and nonces, and what is
//! beyond a lowered bound.

use std::collections::BTreeMap;

use crate::decide::context::Context;
use crate::decide::decision::Decision;
use crate::decide::trim::trim_in_slices;
use crate::state::numbers::UserNumber;
use crate::state::presence::connection::Connection;

/// Whether connections expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionExpiry {
    /// They expire at their deadline.
    Enabled,
    /// They do not: after a restart or a promotion the relays get time to send beats first.
    Suspended,
}

/// Decides what expires now: at most `most` connections, messages, events and nonces. Users are
/// removed in the order of their arrival, with one event each.
pub fn decide<'a>(
    context: Context<'_, 'a>,
    connections: ConnectionExpiry,
    most: usize,
    decision: &mut Decision<'a>,
) {
    if connections == ConnectionExpiry::Enabled {
        if context.room.lacks_leave() {
            context.log_lost(decision);
        }
        expire_connections(context, most, decision);
    }
    trim_in_slices(context, most, decision);
}

fn expire_connections<'a>(context: Context<'_, 'a>, most: usize, decision: &mut Decision<'a>) {
    let room = context.room;
    let mut due: BTreeMap<u64, (UserNumber, Vec<&Connection>)> = BTreeMap::new();
    for connection in room.presence.due(context.now.monotonic_ms, most) {
        let entry = room.users.get(connection.user);
        let place = entry
            .and_then(|entry| room.presence.online(connection.user, entry))
            .map_or(0, |o| o.place());
        due.entry(place).or_insert((connection.user, Vec::new())).1.push(connection);
    }
    let mut users = room.online();
    for (user, connections) in due.into_values() {
        users = context.remove(user, &connections, "timeout", users, decision);
    }
    context.publish_occupancy(users, decision);
}
