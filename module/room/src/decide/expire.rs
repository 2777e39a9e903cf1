//! What ends by itself: connections that were not beaten, messages past their age, nonces past
//! their window, and what a lowered bound has left beyond it.

use std::collections::BTreeMap;

use crate::decide::context::Context;
use crate::decide::decision::Decision;
use crate::decide::trim::trim_in_slices;
use crate::state::numbers::UserNumber;
use crate::state::presence::connection::Connection;

/// Whether connections may end yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionExpiry {
    /// They end when their time has passed.
    Enabled,
    /// Their relays are to be heard first.
    Suspended,
}

/// Decides what ends now: at most `most` connections, messages, events and nonces at once. Users go
/// in the order in which they came, each told in one event.
pub fn decide<'a>(
    context: Context<'_, 'a>,
    connections: ConnectionExpiry,
    most: usize,
    decision: &mut Decision<'a>,
) {
    if connections == ConnectionExpiry::Enabled {
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
