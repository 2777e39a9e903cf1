//! CHAT.IMPORT: messages of the past, each under the number that the command names.

use chat_protocol::id::Id;
use chat_protocol::names::Actor;

use super::{World, code};
use crate::command_error::CommandError;
use crate::decide::import::{self, Import};
use crate::decide::read;
use crate::{Part, Room};

/// The bytes of the stored form of [`imported`], which every later version loads.
const STORED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/imported-v4.bin");

fn message<'a>(user: &'a str, ts: u64, text: &'a str, m: u64) -> Import<'a> {
    let user = Actor::parse(user.as_bytes()).expect("an actor");
    Import { user, ts, text: text.as_bytes(), m, kind: None, meta: None, reply: None }
}

fn run(world: &mut World, import: Import<'_>) -> Result<Option<String>, CommandError> {
    let name = world.name.clone();
    let id = world.run(&name, |c, d| import::decide(c, import, d))?;
    Ok(id.map(|id| id.to_string()))
}

/// A room with two members, three imported messages, the second of them deleted, and a sent one.
fn imported() -> World {
    let mut world = World::new("lobby");
    for user in ["alice", "bob"] {
        world.join(user, None, Some("*")).expect("joined");
    }
    for (m, user, ts) in [(1, "alice", 1_000), (2, "bob", 1_000), (3, "carol", 2_000)] {
        run(&mut world, message(user, ts, "long ago", m)).expect("imported");
    }
    let id = world.room.messages.get(2).expect("stored").id.to_string();
    let name = world.name.clone();
    let delete = crate::decide::edit::Delete {
        user: Actor::Backend,
        id: id.as_bytes(),
        reason: None,
        whose: Default::default(),
    };
    world.run(&name, |c, d| crate::decide::edit::delete(c, delete, d)).expect("deleted");
    world.send("alice", "now").expect("sent");
    world
}

fn unread(world: &World, user: &str) -> (u64, u64) {
    let name = world.name.clone();
    let state = read::read_state(world.context(&name), user).expect("a member");
    (state.unread.messages, state.cursor.n)
}

#[test]
fn a_number_is_imported_once_and_in_order() {
    let mut world = World::new("lobby");
    let now = world.now;
    let first = run(&mut world, message("alice", 5, "one", 1)).expect("imported");
    let second = run(&mut world, message("bob", 5, "two", 2)).expect("imported");
    let before = world.room.encode(Part::Durable);
    for (what, import, expected) in [
        ("a repeat", message("alice", 5, "one", 1), Ok(&first)),
        ("a repeat, whatever it says", message("carol", now + 9, "x", 2), Ok(&second)),
        ("no number", message("bob", 6, "x", 0), Err("INVALID at")),
        ("a number left out", message("bob", 6, "x", 4), Err("INVALID at")),
        ("before the newest", message("bob", 4, "x", 3), Err("INVALID ts")),
        ("in the future", message("bob", now + 1_001, "x", 3), Err("INVALID ts")),
        ("nothing to see", message("bob", 6, " ", 3), Err("INVALID text")),
        (
            "a user's system message",
            Import { kind: Some("system"), ..message("bob", 6, "x", 3) },
            Err("DENIED backend"),
        ),
        (
            "a reply to nothing",
            Import { reply: Some(Id { ms: 7, n: 7 }), ..message("bob", 6, "x", 3) },
            Err("NOMSG no such message"),
        ),
    ] {
        let result = run(&mut world, import);
        assert_eq!(result.as_ref().map_err(code), expected.map_err(str::to_owned), "{what}");
        assert_eq!(world.room.encode(Part::Durable), before, "{what}");
    }
    // As far ahead of the clock may be the time of a message on the server that it comes from.
    let last = message("*", now + 1_000, "the last", 3);
    run(&mut world, last).expect("a second is no future");
    assert_eq!(world.room.member_count(), 0, "authors do not become members");
    world.check_copies();
}

#[test]
fn nothing_is_imported_while_somebody_is_online() {
    let mut world = imported();
    let name = world.name.clone();
    let presence = crate::decide::presence::Presence {
        user: "bob",
        connection: "c1",
        ttl: Some(60_000),
        status: None,
    };
    world.run(&name, |c, d| crate::decide::presence::connect(c, presence, d)).expect("online");
    let now = world.now;
    let refused = run(&mut world, message("bob", now, "x", 5)).expect_err("bob is online");
    assert_eq!(code(&refused), "DENIED online");
    assert!(run(&mut world, message("bob", now, "x", 4)).is_ok(), "a repeat changes nothing");
}

#[test]
fn cursors_move_along_with_imported_messages() {
    let mut world = World::new("lobby");
    for user in ["alice", "bob"] {
        world.join(user, None, Some("*")).expect("joined");
    }
    world.set("topic", "imported", None).expect("set");
    for m in 1..=3 {
        run(&mut world, message("carol", m, "long ago", m)).expect("imported");
        assert_eq!(unread(&world, "alice"), (0, m + 1), "message {m}");
    }
    world.check_copies();
    // Bob has a message to read; what is imported behind it is unread too.
    world.send("alice", "now").expect("sent");
    assert_eq!((unread(&world, "alice"), unread(&world, "bob")), ((0, 4), (1, 4)));
    let name = world.name.clone();
    let last = world.room.last();
    world.run(&name, |c, d| read::read(c, "alice", last, d)).expect("read");
    let now = world.now;
    // A copy that was loaded in between knows no run and has the same cursors.
    world.copy = Room::decode(&world.copy.encode(Part::Durable)).expect("loads");
    for m in 5..=6 {
        run(&mut world, message("bob", now, "forgotten", m)).expect("imported");
    }
    assert_eq!((unread(&world, "alice"), unread(&world, "bob")), ((0, m_event(6)), (1, 4)));
    world.check_copies();
    world.send("carol", "hello").expect("sent");
    assert_eq!((unread(&world, "alice").0, unread(&world, "bob").0), (1, 2));
    let last = world.room.last();
    for user in ["alice", "bob"] {
        world.run(&name, |c, d| read::read(c, user, last, d)).expect("read");
        assert_eq!(unread(&world, user).0, 0, "{user}");
    }
    world.check_copies();
}

/// The event number of message `m` in the test above: the topic came first.
fn m_event(m: u64) -> u64 {
    m + 1
}

#[test]
fn retention_goes_by_the_time_of_the_message() {
    let mut world = World::new("lobby");
    let now = world.now;
    for (m, age) in [(1, 9_000), (2, 8_000), (3, 3_000), (4, 0)] {
        run(&mut world, message("alice", now - age, "text", m)).expect("imported");
    }
    world.set("history_ttl", "5000", None).expect("set");
    let name = world.name.clone();
    assert_eq!(world.context(&name).first_visible(), 3, "the first two are too old");
    world.expire(10);
    assert_eq!(world.room.messages.first(), 3);
    assert_eq!(run(&mut world, message("alice", 1, "text", 1)), Ok(None), "no longer stored");
    let next = world.room.next_deadline(&world.limits, world.time());
    assert_eq!(next, Some(world.time().monotonic_ms + 2_000), "the third is next");
    // A removed message before the search's first one does not hide the others.
    world.now += 2_000;
    assert_eq!(world.context(&name).first_visible(), 4);
    world.check_copies();
}

#[test]
fn a_stored_room_with_imported_messages_loads() {
    let world = imported();
    world.check_copies();
    let bytes = world.room.encode(Part::Durable);
    if std::env::var_os("UPDATE_FIXTURES").is_some() && !std::path::Path::new(STORED).exists() {
        std::fs::write(STORED, &bytes).expect("writable");
    }
    let stored = std::fs::read(STORED).expect("readable; UPDATE_FIXTURES=1 writes it once");
    let room = Room::decode(&stored).expect("every stored version loads");
    assert_eq!(room.encode(Part::Durable), bytes);
    let times: Vec<u64> = room.messages.iter().map(|one| room.message_time(one)).collect();
    assert_eq!(times, [1_000, 1_000, 2_000, world.time().unused_ms]);
}
