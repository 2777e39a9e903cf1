//! Rooms with events, and a stream.

use std::collections::BTreeMap;

use chat_tests::checking::view::sync;
use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};

/// The key of the stream.
pub(super) const KEY: &str = "dm:events";

/// An entry of the stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) room: String,
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) event: Option<String>,
}

/// All entries of the stream, in order.
#[track_caller]
pub(super) fn entries(wire: &mut Wire) -> Vec<Entry> {
    let reply = cmd!(wire, "XRANGE", KEY, "-", "+").ok();
    reply.list().iter().map(entry).collect()
}

pub(super) fn entry(row: &Reply) -> Entry {
    let fields = row.list()[1].list();
    let field = |wanted: &str| {
        let found = fields.chunks_exact(2).find(|pair| pair[0].text() == wanted);
        found.map(|pair| pair[1].text().to_owned())
    };
    Entry {
        room: field("room").expect("a room"),
        kind: field("type").expect("a type"),
        id: field("id").expect("an id"),
        event: field("event"),
    }
}

/// The ids of the events of each room, from its beginning. What is read later differs in its text:
/// it is as edited since.
#[track_caller]
pub(super) fn events_of_rooms(wire: &mut Wire, rooms: &[String]) -> BTreeMap<String, Vec<String>> {
    let events = |room: &String| {
        let answer = sync(wire, room, "0-0", &["COUNT", "1000"]);
        assert!(answer.recovered && !answer.more, "{room}");
        (room.clone(), answer.ids().into_iter().map(str::to_owned).collect())
    };
    rooms.iter().map(events).collect()
}

/// The ids of the events in the stream, by room, in order.
#[track_caller]
pub(super) fn events_of_stream(wire: &mut Wire) -> BTreeMap<String, Vec<String>> {
    let mut rooms: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in entries(wire) {
        let event = entry.event.unwrap_or_else(|| panic!("{} of {}", entry.kind, entry.room));
        assert!(event.contains(&entry.id), "{}: {event}", entry.id);
        rooms.entry(entry.room).or_default().push(entry.id);
    }
    rooms
}

/// Waits until the stream has exactly the events of the rooms.
#[track_caller]
pub(super) fn await_all(wire: &mut Wire, expected: &BTreeMap<String, Vec<String>>, what: &str) {
    eventually(what, LATER, || {
        let found = events_of_stream(wire);
        let count =
            |rooms: &BTreeMap<String, Vec<String>>| -> usize { rooms.values().map(Vec::len).sum() };
        match count(&found) >= count(expected) {
            true => Ok(()),
            false => Err(format!("{} of {} events", count(&found), count(expected))),
        }
    });
    assert_eq!(events_of_stream(wire), *expected, "{what}");
}

/// The URL of the stream at this server.
pub(super) fn to(redis: &Redis) -> String {
    format!("{}/{KEY}", redis.url())
}

/// Names of rooms.
pub(super) fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("room{at}")).collect()
}

/// A message to each room, and an edit in some. What is refused, or has no answer, is left out.
pub(super) fn talk(wire: &mut Wire, rooms: &[String], text: &str) {
    for (at, room) in rooms.iter().enumerate() {
        let Ok(sent) = wire.try_call(&["CHAT.SEND", room, "alice", text]) else { return };
        if let (0, Reply::Text(id)) = (at % 3, &sent) {
            let id = String::from_utf8_lossy(id).into_owned();
            let _ = wire.try_call(&["CHAT.EDIT", room, "alice", &id, "changed"]);
        }
    }
}
