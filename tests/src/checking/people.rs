//! Who is online: by a room's replies and by the events of its channel.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::checking::subscriber::Subscriber;
use crate::checking::view::all_pages;
use crate::clients::wire::Wire;
use crate::cmd;

/// The number of users online in a room (CHAT.ONLINE).
#[track_caller]
pub fn online(wire: &mut Wire, room: &str) -> i64 {
    cmd!(wire, "CHAT.ONLINE", room).list()[0].int()
}

/// The users online in a room (CHAT.WHO, page by page); empty if there is no such room.
///
/// # Panics
/// If a user is listed twice.
#[track_caller]
pub fn who(wire: &mut Wire, room: &str) -> BTreeSet<String> {
    if cmd!(wire, "EXISTS", room).int() == 0 {
        return BTreeSet::new();
    }
    let rows = all_pages(wire, &["CHAT.WHO", room], 7);
    let users: Vec<&str> = rows.iter().map(|row| row.list()[0].text()).collect();
    let distinct: BTreeSet<String> = users.iter().map(|user| (*user).to_owned()).collect();
    assert_eq!(users.len(), distinct.len(), "a user is listed twice: {users:?}");
    distinct
}

/// The status that CHAT.WHO shows for a user; `None`: offline.
#[track_caller]
pub fn shown(wire: &mut Wire, room: &str, user: &str) -> Option<String> {
    let rows = all_pages(wire, &["CHAT.WHO", room], 100);
    let row = rows.iter().find(|row| row.list()[0].text() == user)?;
    Some(row.list()[1].text().to_owned())
}

/// All events of `kind` that a subscriber received in `room`, in order.
pub fn events_of(channel: &Subscriber, room: &str, kind: &str) -> Vec<Value> {
    let texts = channel.all().into_iter().filter(|(name, _)| name == room);
    let events = texts.filter_map(|(_, text)| serde_json::from_str::<Value>(&text).ok());
    events.filter(|event| event["type"] == kind).collect()
}

/// The presence leaves that a subscriber received in `room`.
pub fn leaves(channel: &Subscriber, room: &str) -> Vec<Value> {
    let events = events_of(channel, room, "presence").into_iter();
    events.filter(|event| event["kind"] == "leave").collect()
}

/// The server's time of an event, in milliseconds.
#[track_caller]
pub fn ts(event: &Value) -> u64 {
    event["ts"].as_u64().unwrap_or_else(|| panic!("no ts: {event}"))
}

/// The users online after these `presence` events, for a subscriber that received all of them from
/// the start.
///
/// # Panics
/// If a user joins who is online, leaves who is not, or the count is wrong.
#[track_caller]
pub fn replayed(events: &[Value]) -> BTreeSet<String> {
    replayed_from(BTreeSet::new(), events)
}

/// As [`replayed`], for a subscriber that started with a list of users.
#[track_caller]
pub fn replayed_from(mut here: BTreeSet<String>, events: &[Value]) -> BTreeSet<String> {
    for event in events {
        let user = event["user"].as_str().unwrap_or_default().to_owned();
        let fits = match event["kind"].as_str() {
            Some("join") => here.insert(user),
            Some("leave") => here.remove(&user),
            Some("status") => here.contains(&user),
            _ => false,
        };
        assert!(fits, "{event} while these are here: {here:?}");
        assert_eq!(event["users"], here.len(), "{event} leaves these: {here:?}");
    }
    here
}
