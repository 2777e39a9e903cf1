//! Rooms: the stored form and records. What is accepted can be used, stored and loaded again.

use chat_protocol::names::{Actor, RoomName};
use chat_room::decide::history::{self, Anchor};
use chat_room::decide::send::{self, Send};
use chat_room::decide::{self, expire, sync};
use chat_room::limits::Limits;
use chat_room::{CommandError, Downtime, Now, Outcome, Part, Record, Room};
use chat_room::{Context, Decision};

const NOW: Now = Now {
    ms: 1_800_000_000_000,
    id_ms: 1_800_000_000_000,
    unused_ms: 1_800_000_000_000,
    monotonic_ms: 1_900_000_000_000,
};

/// Bytes of a stored room.
pub fn stored(bytes: &[u8]) {
    if let Ok(mut room) = Room::decode(bytes) {
        room.restore_deadlines(NOW, Downtime::Counted);
        exercise(room);
    }
}

/// Bytes of records, applied to a room with some messages and members.
pub fn records(bytes: &[u8]) {
    let Ok(records) = Record::read_all(bytes) else { return };
    let mut written = Vec::new();
    records.iter().for_each(|record| record.write(&mut written));
    let again = Record::read_all(&written).expect("what was read and written is read again");
    assert_eq!(again, records);
    let mut room = Room::default();
    for text in ["one", "two", "three"] {
        say(&mut room, text).expect("stored");
    }
    for record in &records {
        room.apply(record, NOW.monotonic_ms);
    }
    exercise(room);
}

fn name() -> RoomName<'static> {
    RoomName::parse(b"lobby").expect("a name")
}

fn say(room: &mut Room, text: &str) -> Result<(), CommandError> {
    let limits = Limits::default();
    let mut decision = Decision::on(room);
    let send = Send::plain(Actor::Backend, text.as_bytes());
    let context = Context { room, name: name(), now: NOW, limits: &limits };
    send::decide(context, &send, &mut decision)?;
    decision.check_numbers(room)?;
    let steps = decision.steps;
    let mut outcome = Outcome::default();
    room.execute("lobby", NOW, &steps, &mut outcome);
    for event in outcome.events.iter() {
        strict(event);
    }
    Ok(())
}

fn strict(event: &[u8]) {
    let read = serde_json::from_slice::<serde_json::Value>(event);
    assert!(read.is_ok(), "an event is strict JSON: {}", String::from_utf8_lossy(event));
}

/// Stores and loads it: both are equal.
fn reload(room: &Room) {
    let stored = room.encode(Part::Everything(NOW));
    let again = Room::decode(&stored).expect("what is stored can be loaded");
    assert_eq!(again.encode(Part::Durable), room.encode(Part::Durable));
    assert_eq!(again.connections(), room.connections());
}

/// Uses a room in every way.
fn exercise(mut room: Room) {
    reload(&room);
    let limits = Limits::default();
    let context = Context { room: &room, name: name(), now: NOW, limits: &limits };
    let pages = [
        history::answer(context, Anchor::Newest, 1000, None).map(|page| page.events),
        history::answer(context, Anchor::Around(room.last()), 1000, Some("alice"))
            .map(|page| page.events),
        sync::answer(context, room.last(), 1000, None).map(|sync| sync.events),
        sync::answer(context, chat_protocol::id::Id::ZERO, 1000, None).map(|sync| sync.events),
    ];
    for events in pages.iter().flatten() {
        events.iter().for_each(strict);
    }
    // Whether they are refused is not the question.
    let _ = decide::who::answer(context, None, 1000, None);
    let _ = decide::read::read_states(context, &["alice", "bob"]);
    let _ = (room.memory(), room.free_effort());
    let mut decision = Decision::on(&room);
    expire::decide(context, expire::ConnectionExpiry::Enabled, 100, &mut decision);
    let steps = decision.steps;
    room.execute("lobby", NOW, &steps, &mut Outcome::default());
    let said = say(&mut room, "and on");
    if said.is_ok() || room.is_plausible() {
        reload(&room);
    }
}
