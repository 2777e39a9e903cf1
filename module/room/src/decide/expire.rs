//! What ends by itself: connections that were not beaten, messages past their age, nonces past
//! their window.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Context, Decision, expired_nonces};
use crate::event::Ephemeral;
use crate::record::Record;
use crate::users::UserNumber;

/// Decides what ends now: at most `most` connections, messages and nonces at once. Users go in the
/// order in which they came, each told in one event.
pub fn decide<'a>(context: Context<'_, 'a>, most: usize) -> Decision<'a, ()> {
    let (room, now) = (context.room, context.now.ms);
    let mut due: BTreeMap<u64, (UserNumber, Vec<&str>)> = BTreeMap::new();
    for connection in room.presence.iter().filter(|c| c.deadline <= now).take(most) {
        let entry = room.users.get(connection.user);
        let place = entry.and_then(|entry| entry.online.as_ref()).map_or(0, |o| o.place);
        due.entry(place).or_insert((connection.user, Vec::new())).1.push(&connection.name);
    }
    let mut decision = Decision::new(&context, ());
    for (user, mut names) in due.into_values() {
        let entry = room.users.get(user);
        let all = entry.and_then(|entry| entry.online.as_ref()).map_or(0, |o| o.connections);
        let last = names.len() as u32 >= all;
        names.sort_unstable();
        let connections = names.into_iter().map(|name| Cow::Owned(name.to_owned())).collect();
        decision.record(Record::Absent { connections });
        if last {
            let user = Cow::Owned(room.users.name(user).to_owned());
            decision.event(Ephemeral::Went { user, reason: "timeout" });
        }
    }
    let messages_from = context.first_visible().min(room.messages.first() + most as u64);
    let nonces = expired_nonces(context).min(most);
    let last = nonces.checked_sub(1).and_then(|last| room.nonces.iter().nth(last));
    let nonces_from = last.map_or(0, |nonce| nonce.id.n + 1);
    if messages_from > room.messages.first() || nonces_from > 0 {
        decision.record(Record::Trim { messages_from, journal_from: 0, nonces_from });
    }
    decision
}
