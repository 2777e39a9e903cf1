//! Damaged bytes: snapshots and records are read or refused, and a room that is read works.

use chat_protocol::id::Id;
use chat_protocol::names::Actor;
use proptest::prelude::*;

use super::World;
use crate::decide::context::Judging;
use crate::decide::decision::Decision;
use crate::decide::edit::{Delete, Edit, MessageScope};
use crate::decide::history::{self, Anchor};
use crate::decide::moderate::{Action, Moderate};
use crate::decide::presence::Presence;
use crate::decide::{self, expire, sync};
use crate::state::users::members::{MemberAction, MemberChange, Role};
use crate::{Outcome, Part, Record, Room};

pub(super) fn sample() -> World {
    let mut world = World::new("lobby");
    world.join("alice", None, None).expect("made");
    world.set("log_joins", "yes", None).expect("set");
    world.set("topic", "all of it", None).expect("set");
    world.join("bob", Some("moderator"), Some("alice")).expect("joined");
    for at in 0..12 {
        world.now += 3;
        let nonce = format!("n{at}");
        let nonce = (at % 3 == 0).then_some(nonce.as_str());
        world.send_with(["alice", "bob", "*"][at % 3], "some text", nonce).expect("stored");
    }
    let name = world.name.clone();
    for (verb, back) in [("edit", 3), ("react", 3), ("react", 6), ("delete", 6), ("edit", 9)] {
        let m = world.room.messages.last() - back;
        let id = world.room.messages.get(m).map(|message| message.id).expect("there").to_string();
        let (user, id, whose) = (Actor::Backend, id.as_bytes(), MessageScope::Permitted);
        let done = world.run(&name, |c, d| match verb {
            "edit" => {
                let edit = Edit {
                    user,
                    id,
                    text: b"better",
                    meta: Some(b"{}"),
                    whose,
                    judging: Judging::Done,
                };
                decide::edit::edit(c, edit, d).map(drop)
            }
            "react" => {
                let add = decide::react::Reaction::Add;
                decide::react::decide(c, user, id, "👍", add, d).map(drop)
            }
            _ => {
                let delete = Delete { user, id, reason: Some("why"), whose };
                decide::edit::delete(c, delete, d).map(drop)
            }
        });
        done.expect("done");
    }
    let last = world.room.last();
    world.run(&name, |c, d| decide::read::read(c, "alice", last, d)).expect("read");
    for action in [Action::Mute, Action::Ban] {
        let (actor, user) = (Actor::Backend, "eve");
        let moderate = Moderate { actor, action, user, duration: Some(9_000), reason: None };
        world.run(&name, |c, d| decide::moderate::decide(c, moderate, d)).expect("done");
    }
    world.leave("bob").expect("left");
    for (user, connection) in [("alice", "c1"), ("alice", "c2"), ("carol", "c3")] {
        let presence = Presence { user, connection, ttl: None, status: Some("busy") };
        world.run(&name, |c, d| decide::presence::connect(c, presence, d)).expect("here");
    }
    world
}

/// Runs all commands on a room. Nothing may panic for any content.
fn exercise(room: Room) {
    let mut world = World::new("lobby");
    world.room = room;
    let plausible = world.room.is_plausible();
    let reloaded =
        Room::decode(&world.room.encode(Part::Everything(world.time()))).expect("it was accepted");
    assert_eq!(reloaded.encode(Part::Durable), world.room.encode(Part::Durable));
    let name = world.name.clone();
    let last = world.room.last();
    let context = world.context(&name);
    let _ = history::answer(context, Anchor::Newest, 1000, None);
    let _ = history::answer(context, Anchor::Around(last), 10, Some("alice"));
    let _ = sync::answer(context, last, 1000, None);
    let _ = sync::answer(context, world.room.journal.base(), 1000, None);
    let _ = decide::members::answer(context, None, 1000, b"", None);
    let _ = decide::who::answer(context, None, 1000, None);
    let _ = (world.room.memory(), world.room.free_effort());
    let mut outcome = Outcome::default();
    let mut decision = Decision::on(&world.room);
    expire::decide(context, expire::ConnectionExpiry::Enabled, 10, &mut decision);
    world.room.execute(&name, world.time(), &decision.steps, &mut outcome);
    let send = super::send("alice", "hi", Some("n"));
    let mut decision = Decision::on(&world.room);
    if decide::send::decide(world.context(&name), &send, &mut decision).is_ok() {
        world.room.execute(&name, world.time(), &decision.steps, &mut outcome);
    }
    if plausible {
        let _ = world.join("newcomer", None, None);
    }
    for event in outcome.events.iter() {
        serde_json::from_slice::<serde_json::Value>(event).expect("every event is strict JSON");
    }
    if plausible {
        let again = Room::decode(&world.room.encode(Part::Everything(world.time())));
        assert!(again.is_ok(), "what was accepted and used can be loaded again: {again:?}");
    }
}

#[test]
fn every_cut_and_every_flipped_bit_of_a_stored_room_is_loaded_or_refused() {
    let stored = {
        let world = sample();
        world.room.encode(Part::Everything(world.time()))
    };
    for cut in 0..stored.len() {
        assert!(Room::decode(&stored[..cut]).is_err(), "cut at {cut}");
    }
    let mut loaded = 0;
    for bit in 0..stored.len() * 8 {
        let mut flipped = stored.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(room) = Room::decode(&flipped) {
            loaded += 1;
            exercise(room);
        }
    }
    assert!(loaded > 0, "a flipped letter of a text still loads");
}

#[test]
fn numbers_at_the_bounds_are_refused_or_leave_a_usable_room() {
    let edges = [(1 << 46) - 1, 1 << 46, (1 << 47) - 1, 1 << 47, (1 << 48) - 1, u64::MAX];
    for edge in edges {
        let alter: [fn(&mut Room, u64); 4] = [
            |room, edge| room.members.restore_next(edge),
            |room, edge| room.presence.arrivals.restore_next(edge),
            |room, edge| room.settings.get_or_insert_default().max_text = Some(edge),
            |room, edge| {
                let id = Id { ms: room.last.ms, n: edge };
                room.last = id;
                room.journal = crate::state::log::journal::Journal::starting_after(id).into();
            },
        ];
        for alter in alter {
            let mut room = sample().room;
            alter(&mut room, edge);
            if let Ok(room) = Room::decode(&room.encode(Part::Everything(sample().time()))) {
                exercise(room);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn random_damage_is_loaded_or_refused(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut stored = { let world = sample(); world.room.encode(Part::Everything(world.time())) };
        for (at, byte) in changes {
            let at = at.index(stored.len());
            stored[at] = byte;
        }
        if let Ok(room) = Room::decode(&stored) {
            exercise(room);
        }
    }

    #[test]
    fn random_bytes_are_no_records(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(records) = Record::read_all(&bytes) {
            let mut room = sample().room;
            for record in records {
                room.apply(&record, 7);
            }
            exercise_loosely(room);
        }
    }
}

#[test]
fn records_that_no_primary_sends_leave_a_room_that_loads() {
    let join = |user| Record::Join { user, role: Role::Member, by: None, ms: 9, logged: None };
    let mut bytes = Vec::new();
    join("*").write(&mut bytes);
    assert!(Record::read_all(&bytes).is_err(), "the backend is no member");
    let change = MemberChange::plain("*", None, MemberAction::Ban, None);
    bytes.clear();
    Record::Moderate { id: Id { ms: 9, n: 9 }, change }.write(&mut bytes);
    assert!(Record::read_all(&bytes).is_err(), "nobody bans the backend");

    let sample = || sample().room;
    let message = sample().messages.iter().last().map(|message| message.id).expect("messages");
    let last = sample().last();
    let marks: Vec<String> = (0..40).map(|n| format!("mark{n}")).collect();
    let trims = [u64::MAX, sample().messages.last() + 2]
        .map(|messages_from| vec![Record::Trim { messages_from, journal_from: 0, nonces_from: 0 }]);
    let reactions = (1..).zip(&marks).map(|(n, emoji)| {
        let id = Id { ms: last.ms, n: last.n + n };
        Record::React { id, user: "alice", message, emoji, removed: false }
    });
    let statuses = marks.iter().map(|mark| {
        let (connection, status) = (&**mark, Some(&**mark));
        Record::Present { connection, user: "alice", ttl: 9_000, now: 7, status }
    });
    let changes = marks.iter().map(|mark| {
        let status = Some(&**mark);
        Record::Present { connection: "mark1", user: "alice", ttl: 9_000, now: 7, status }
    });
    let present: Vec<_> = statuses.chain(changes).collect();
    for records in trims.into_iter().chain([reactions.collect(), present]) {
        let mut room = sample();
        records.iter().for_each(|record| room.apply(record, 7));
        let now = World::new("lobby").time();
        let again = Room::decode(&room.encode(Part::Everything(now)));
        let again = again.unwrap_or_else(|error| panic!("{error} after {:?}", records.first()));
        assert_eq!(again.encode(Part::Durable), room.encode(Part::Durable));
        assert_eq!(again.connections(), room.connections());
    }
    let mut blank = Room::default();
    blank.apply(&Record::Create { ms: 5 }, 7);
    let id = Id { ms: 0, n: 1 };
    blank.apply(&Record::Leave { id, user: "alice", by: None }, 7);
    assert_eq!(blank.last(), Id::ZERO, "no event is of the year 1970");
}

/// [`exercise`] for a room that accepted records that no primary sends.
fn exercise_loosely(room: Room) {
    let mut world = World::new("lobby");
    world.room = room;
    let name = world.name.clone();
    let context = world.context(&name);
    let _ = history::answer(context, Anchor::Newest, 1000, None);
    let _ = sync::answer(context, world.room.last(), 1000, None);
    expire::decide(context, expire::ConnectionExpiry::Enabled, 10, &mut Decision::on(&world.room));
    let _ = Room::decode(&world.room.encode(Part::Everything(world.time())));
}

#[test]
fn a_room_stored_by_the_first_version_loads() {
    let stored = include_bytes!("../../fixtures/room-v1.bin");
    let room = Room::decode(stored).expect("every stored version loads");
    assert_eq!((room.online(), room.connections(), room.member_count()), (2, 3, 1));
    assert_eq!(room.messages.last(), 12);
    let alice = room.presence_of("alice");
    assert_eq!(alice.map(|online| online.statuses.shown()), Some("busy"));
    reloads(&room);
}

#[test]
fn rooms_stored_by_the_second_version_load() {
    let stored = include_bytes!("../../fixtures/room-v2.bin");
    let room = Room::decode(stored).expect("every stored version loads");
    assert_eq!((room.online(), room.connections(), room.member_count()), (3, 4, 2));
    assert_eq!(room.messages.last(), 12);
    let settings = room.settings();
    assert_eq!((&*settings.topic, settings.slow, settings.frozen), ("all of it", Some(5), true));
    assert_eq!(settings.tokens_after, None);
    assert_eq!((room.sanctions.len(), room.sanctions.ban("fill\u{3164}er", 1)), (2, Some(0)));
    assert_eq!(room.role("❤\u{fe0f}"), Some(Role::Member), "names hold what they could hold");
    reloads(&room);

    let stored = include_bytes!("../../fixtures/personal-v2.bin");
    let room = Room::decode(stored).expect("every stored version loads");
    let profile = room.settings();
    assert_eq!((&*profile.name, &*profile.status), ("Anna ❤\u{fe0f}", "\u{3164}"));
    let follows: Vec<&str> =
        room.follows.from(std::ops::Bound::Unbounded).map(|(room, _)| room).collect();
    assert_eq!(follows, ["bra\u{2800}ille", "dm:a\u{115f},b", "lobby"]);
    reloads(&room);
}

/// Checks that storing and loading the room gives an equal room.
#[track_caller]
fn reloads(room: &Room) {
    let again = Room::decode(&room.encode(Part::Everything(sample().time())))
        .expect("and as it is stored now");
    assert_eq!(again.encode(Part::Durable), room.encode(Part::Durable));
}

#[test]
fn misplaced_or_malformed_records_change_nothing() {
    let mut world = World::new("lobby");
    world.send("moritz", "hello").expect("sent");
    let name = world.name.clone();
    let send = super::send("moritz", "again", None);
    let mut decision = Decision::on(&world.room);
    decide::send::decide(world.context(&name), &send, &mut decision).expect("sent");
    let mut outcome = Outcome::default();
    world.room.execute(&name, world.time(), &decision.steps, &mut outcome);
    let stored = world.room.encode(Part::Durable);
    for record in Record::read_all(&outcome.durable).expect("as written") {
        world.room.apply(&record, 0);
    }
    assert_eq!(world.room.encode(Part::Durable), stored, "a record applied twice");
    let at = outcome.durable.windows(6).position(|window| window == b"moritz").expect("there");
    for (place, byte) in [(at + 4, b' '), (at, b'@'), (at + 2, 0)] {
        let mut damaged = outcome.durable.clone();
        damaged[place] = byte;
        assert!(Record::read_all(&damaged).is_err(), "{byte}");
    }
}

#[test]
fn a_room_stored_by_the_third_version_loads() {
    let stored = include_bytes!("../../fixtures/room-v3.bin");
    let room = Room::decode(stored).expect("every stored version loads");
    assert_eq!((room.online(), room.connections(), room.member_count()), (2, 3, 1));
    assert_eq!((room.messages.last(), room.sanctions.len()), (12, 1));
    reloads(&room);
}
