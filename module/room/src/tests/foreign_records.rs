//! After any accepted records in any order, the room can be stored, loaded and used.

use chat_protocol::id::Id;
use chat_protocol::limits::*;
use proptest::prelude::*;

use super::World;
use crate::codec::record_content::{End, Erasure, NewMessage, NewSettings};
use crate::decide::{self, presence::Presence};
use crate::state::limits::*;
use crate::state::log::journal::Journal;
use crate::state::log::message_body::{Body, Mentions};
use crate::state::numbers::{END, FULL, PLAUSIBLE_END};
use crate::state::settings::kind::Access;
use crate::state::settings::table::Setting;
use crate::state::users::members::{MemberAction, MemberChange, Role};
use crate::{CommandError, Part, Record, Room};

/// Numbers at and near the bounds, and ordinary ones.
fn edge_number() -> impl Strategy<Value = u64> {
    let edges = [0, 1, FULL, PLAUSIBLE_END, END, 1 << 48, u64::MAX];
    let edge = prop::sample::select(edges.to_vec());
    prop_oneof![4 => 1_u64..40, 1 => (edge, 0_u64..3).prop_map(|(edge, by)| edge.wrapping_sub(by))]
}

fn id() -> impl Strategy<Value = Id> {
    (prop_oneof![6 => 1_u64..9, 1 => edge_number()], edge_number()).prop_map(|(ms, n)| Id { ms, n })
}

fn user() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["alice", "bob", "*", "a,b"])
}

fn text(most: usize) -> impl Strategy<Value = String> {
    prop_oneof![
        Just("hi".to_owned()),
        Just("\"".repeat(most)),
        Just("x".repeat(most + 1)),
        Just(String::new())
    ]
}

fn setting() -> impl Strategy<Value = Setting<'static>> {
    prop_oneof![
        text(TOPIC_MAX).prop_map(|text| Setting::Topic(text.into())),
        text(DESCRIPTION_MAX).prop_map(|text| Setting::Description(text.into())),
        text(AVATAR_MAX).prop_map(|text| Setting::Avatar(text.into())),
        edge_number().prop_map(|number| Setting::HistoryMax(Some(number))),
        Just(Setting::Access(Access::Members)),
    ]
}

/// The bytes of a random record, valid or not.
fn record() -> impl Strategy<Value = Vec<u8>> {
    fn bytes(record: &Record<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        record.write(&mut out);
        out
    }
    let message = (id(), user(), text(MAX_TEXT.max as usize), any::<bool>());
    let message = message.prop_map(|(id, author, text, nonce)| {
        let nonce = nonce.then_some("n");
        let body = Body {
            since_previous: 0,
            kind: "text",
            text: &text,
            meta: None,
            reply: None,
            mentions: Mentions::default(),
            nonce,
            edited: None,
            deleted: None,
            imported: None,
        };
        let digest = nonce.map(|_| 7);
        bytes(&Record::Message(NewMessage { id, author, body, digest }))
    });
    let settings = (id(), user(), prop::collection::vec(setting(), 0..6));
    let settings = settings
        .prop_map(|(id, by, changes)| bytes(&Record::Settings(NewSettings { id, by, changes })));
    let join = (user(), edge_number(), prop::option::of(id()));
    let join = join.prop_map(|(user, ms, logged)| {
        bytes(&Record::Join { user, role: Role::Owner, by: None, ms, logged })
    });
    let moderate = (id(), user(), prop::sample::select(MemberAction::ALL.to_vec()), edge_number());
    let moderate = moderate.prop_map(|(id, user, action, until)| {
        let change =
            MemberChange { until: Some(until), ..MemberChange::plain(user, None, action, None) };
        bytes(&Record::Moderate { id, change })
    });
    let target = (id(), user(), id(), text(32), any::<bool>());
    let target = target.prop_map(|(id, user, message, emoji, removed)| {
        let react = Record::React { id, user, message, emoji: &emoji, removed };
        let edit = Record::Edit { id, user, message, text: &emoji, meta: None };
        let delete = Record::Delete { id, user, message, reason: Some(&emoji) };
        bytes(match (id.n % 3, removed) {
            (0, _) => &edit,
            (1, true) => &delete,
            _ => &react,
        })
    });
    let read = (user(), id()).prop_map(|(user, read)| bytes(&Record::Read { user, read }));
    let trim = (edge_number(), edge_number(), edge_number()).prop_map(
        |(messages_from, journal_from, nonces_from)| {
            bytes(&Record::Trim { messages_from, journal_from, nonces_from })
        },
    );
    let present = (user(), 0..30_u8, edge_number(), edge_number(), text(STATUS_MAX));
    let present = present.prop_map(|(user, connection, ttl, now, status)| {
        let connection = format!("c{connection}");
        let status = Some(status.as_str());
        bytes(&Record::Present { connection: &connection, user, ttl, now, status })
    });
    let others =
        (edge_number(), text(ROOM_NAME_MAX), any::<u8>()).prop_map(|(number, room, which)| {
            let id = Id { ms: number, n: number };
            bytes(&match which % 8 {
                5 => Record::LogOnline { id, user: "alice" },
                6 => Record::LogOffline { id, since: number, user: "alice", reason: &room },
                7 => Record::ForgetOnline,
                0 => Record::Create { ms: number },
                1 => Record::Seen { ms: number },
                2 => Record::Follow { room: &room, since: number },
                3 => Record::Unfollow { room: &room },
                _ => Record::Absent { connections: vec!["c1".into(), room.into()] },
            })
        });
    let pair = || (edge_number(), edge_number());
    let end = prop::sample::select(vec![End::None, End::All, End::ButBan]);
    let erase = (id(), user(), 0..3_u64, id(), pair(), pair(), edge_number(), end).prop_map(
        |(id, user, alias, up_to, messages, nonces, journal_from, end)| {
            let part = Erasure { id, user, alias, up_to, messages, nonces, journal_from, end };
            bytes(&Record::Erase(part))
        },
    );
    prop_oneof![message, settings, join, moderate, target, read, trim, present, erase, others]
}

/// Checks that the room can be stored and loaded, now and after further commands.
fn loads_for_ever(mut room: Room) {
    for _ in 0..2 {
        let mut world = World::new("lobby");
        let stored = room.encode(Part::Everything(world.time()));
        let again = match Room::decode(&stored) {
            Ok(again) => again,
            Err(error) => panic!("{error}: last {}", room.last()),
        };
        assert_eq!(again.encode(Part::Durable), room.encode(Part::Durable));
        world.room = room;
        let full = world.room.is_full();
        assert_eq!(world.send("*", "and on").is_err(), full);
        // Other users may be refused for other reasons.
        assert!(world.join("newcomer", None, None).is_err() || !full);
        room = world.room;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn any_records_that_are_accepted_leave_a_room_that_loads(
        records in prop::collection::vec(record(), 1..40)
    ) {
        let mut world = World::new("lobby");
        world.send("alice", "hi").expect("made");
        let mut room = world.room;
        for bytes in &records {
            for record in Record::read_all(bytes).unwrap_or_default() {
                room.apply(&record, 7);
            }
        }
        loads_for_ever(room);
    }
}

#[test]
fn records_bring_no_event_number_near_the_bound() {
    let room = {
        let mut world = World::new("lobby");
        world.send("alice", "hi").expect("made");
        world.room
    };
    let leave = |n| {
        let mut bytes = Vec::new();
        let id = Id { ms: room.last().ms, n };
        Record::Leave { id, user: "bob", by: None }.write(&mut bytes);
        bytes
    };
    for n in [END - 1, END - 2, PLAUSIBLE_END] {
        assert!(Record::read_all(&leave(n)).is_err(), "{n}");
    }
    for n in [2, FULL - 1, FULL, PLAUSIBLE_END - 1] {
        let bytes = leave(n);
        let mut taken = room.clone();
        for record in Record::read_all(&bytes).expect("accepted") {
            assert!(taken.accepts(&record));
            taken.apply(&record, 7);
            assert!(!taken.accepts(&record), "not twice");
        }
        assert_eq!((taken.last().n, taken.is_full()), (n, n >= FULL));
        loads_for_ever(taken);
    }
}

#[test]
fn a_snapshot_record_has_the_bounds_of_restore() {
    for (n, accepted) in [(FULL, true), (PLAUSIBLE_END - 1, true), (PLAUSIBLE_END, false)] {
        let mut world = World::new("lobby");
        world.send("alice", "hi").expect("made");
        let id = Id { ms: world.room.last.ms, n };
        world.room.last = id;
        world.room.journal = Journal::starting_after(id).into();
        let stored = world.room.encode(Part::Durable);
        assert_eq!(Room::decode(&stored).is_ok_and(|room| room.is_plausible()), accepted);
        let mut bytes = Vec::new();
        Record::Snapshot { stored: stored.into() }.write(&mut bytes);
        assert_eq!(Record::read_all(&bytes).is_ok(), accepted);
    }
}

#[test]
fn a_room_without_numbers_left_only_lets_users_leave() {
    let mut world = World::new("lobby");
    world.send("alice", "hi").expect("made");
    world.join("bob", None, None).expect("joined");
    let presence = Presence { user: "bob", connection: "c1", ttl: None, status: None };
    let name = world.name.clone();
    world.run(&name, |c, d| decide::presence::connect(c, presence, d)).expect("here");
    world.room.members.restore_next(FULL);
    world.copy = world.room.clone();
    let code = |result: Result<String, CommandError>| super::code(&result.expect_err("refused"));
    assert_eq!(code(world.send("alice", "more")), "INVALID room");
    assert_eq!(code(world.join("carol", None, None).map(|_| String::new())), "INVALID room");
    let off = world.run(&name, |c, d| decide::presence::disconnect(c, "bob", "c1", None, d));
    off.expect("gone");
    world.check_copies();
}
