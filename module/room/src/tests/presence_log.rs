//! Durable events of presence (`chat.presence-log`): they alternate, every join gets its leave, and
//! only the newest are kept.

use chat_protocol::limits::PRESENCE_ENTRIES_MAX;
use chat_protocol::names::Actor;
use proptest::prelude::*;
use serde_json::Value;

use super::{World, digest, send};
use crate::decide::moderate::{Action, Moderate};
use crate::decide::presence::Presence;
use crate::{Part, Room, decide};

/// The bytes of the stored form of [`stored`], which every later version loads.
const STORED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/logged-v5.bin");

fn personal() -> World {
    let mut world = World::new("@alice");
    world.limits.presence_log = true;
    world
}

impl World {
    fn come(&mut self, connection: &str) {
        let name = self.name.clone();
        let presence = Presence { user: "alice", connection, ttl: Some(5_000), status: None };
        let came = self.run(&name, |c, d| decide::presence::connect(c, presence, d));
        came.expect("online");
    }

    fn go(&mut self, connection: &str) {
        let name = self.name.clone();
        let went =
            self.run(&name, |c, d| decide::presence::disconnect(c, "alice", connection, None, d));
        went.expect("offline");
    }

    /// The server starts again from an append-only file, which holds no connections.
    fn restart(&mut self) {
        self.room = Room::decode(&self.room.encode(Part::Durable)).expect("loads");
        self.copy = Room::decode(&self.copy.encode(Part::Durable)).expect("loads");
    }

    /// The durable events of presence published since the last call: kind, reason, since.
    fn logged(&mut self) -> Vec<String> {
        let events = std::mem::take(&mut self.published).into_iter();
        let events = events.map(|event| serde_json::from_str::<Value>(&event).expect("JSON"));
        let durable = events.filter(|e| e["type"] == "presence" && e.get("id").is_some());
        durable.map(|e| format!("{} {} {}", e["kind"], e["reason"], e["since"])).collect()
    }
}

#[test]
fn the_first_connection_and_the_last_one_are_logged() {
    let mut world = personal();
    let came = world.now;
    world.come("c1");
    world.now += 10;
    world.come("c2");
    let events = world.published.clone();
    assert_eq!(events.len(), 2, "the durable event, then the ephemeral one: {events:?}");
    assert!(events[0].starts_with("{\"id\":") && events[1].starts_with("{\"last\":"));
    assert_eq!(world.logged(), ["\"join\" null null"]);
    world.go("c1");
    assert_eq!(world.logged(), [""; 0], "another connection stays");
    world.go("c2");
    assert_eq!(world.logged(), [format!("\"leave\" \"left\" {came}")]);
    world.check_copies();

    let came = world.now;
    world.come("c3");
    world.now += 5_000;
    world.expire(10);
    assert_eq!(world.logged()[1..], [format!("\"leave\" \"timeout\" {came}")]);
    let came = world.now;
    world.come("c4");
    let name = world.name.clone();
    let kick = Moderate {
        actor: Actor::Backend,
        action: Action::Kick,
        user: "alice",
        duration: None,
        reason: None,
    };
    world.run(&name, |c, d| decide::moderate::decide(c, kick, d)).expect("kicked");
    assert_eq!(world.logged()[1..], [format!("\"leave\" \"kicked\" {came}")]);
    world.check_copies();
}

#[test]
fn only_personal_rooms_log_and_only_with_the_setting() {
    let mut world = World::new("@alice");
    world.come("c1");
    assert_eq!((world.logged().len(), world.room.last().n), (0, 0));
    world.limits.presence_log = true;
    world.come("c2");
    world.go("c1");
    world.go("c2");
    assert_eq!(world.logged(), [""; 0], "a leave without its join");
    world.come("c1");
    world.limits.presence_log = false;
    world.go("c1");
    assert_eq!(world.logged().len(), 2, "a join has its leave, whatever the setting is now");

    let mut world = World::new("lobby");
    world.limits.presence_log = true;
    world.send("alice", "hello").expect("sent");
    world.come("c1");
    world.go("c1");
    assert_eq!(world.logged(), [""; 0]);
}

#[test]
fn connections_that_were_lost_get_their_leave_from_the_timer() {
    let mut world = personal();
    let came = world.now;
    world.come("c1");
    world.restart();
    world.logged();
    let due = world.room.next_deadline(&world.limits, world.time());
    assert_eq!(due, Some(world.time().monotonic_ms), "the timer looks at it");
    world.come("c1");
    world.expire(10);
    assert_eq!(world.logged(), [""; 0], "the user is online again");
    let came_again = world.now;
    assert_eq!(came_again, came);
    world.restart();
    world.now += 20_000;
    world.expire(10);
    assert_eq!(world.logged(), [format!("\"leave\" \"restart\" {came}")]);
    assert_eq!(world.room.next_deadline(&world.limits, world.time()), None);
    world.expire(10);
    assert_eq!(world.logged(), [""; 0]);
    world.check_copies();
}

#[test]
fn a_room_with_another_kind_of_name_forgets_without_an_event() {
    let mut world = personal();
    world.come("c1");
    world.restart();
    world.name = "attic".into();
    world.logged();
    world.expire(10);
    assert_eq!(world.logged(), [""; 0]);
    assert!(!world.room.lacks_leave(), "or the timer would look for ever");
    world.check_copies();
}

#[test]
fn the_newest_events_of_presence_are_kept() {
    let mut world = personal();
    let name = world.name.clone();
    world.run(&name, |c, d| decide::send::decide(c, &send("*", "welcome", None), d)).expect("sent");
    for status in 0..700 {
        world.set("status", &format!("s{status}"), Some("alice")).expect("set");
    }
    for at in 0..200 {
        world.come("c");
        if at % 3 == 0 {
            world.now += 5_000;
            world.expire(1_000);
        } else {
            world.go("c");
        }
        assert!(world.room.journal.presence_entries() <= PRESENCE_ENTRIES_MAX || at < 40);
    }
    let entries = world.room.journal.entries_from(0).filter(|entry| entry.is_presence()).count();
    assert_eq!(entries, PRESENCE_ENTRIES_MAX);
    assert_eq!(world.room.journal.presence_entries(), PRESENCE_ENTRIES_MAX);
    assert_eq!(world.room.messages.len(), 1, "messages stay");
    world.check_copies();
}

/// A room with a join and a leave in its journal, whose user is online again.
fn stored() -> World {
    let mut world = personal();
    world.come("c1");
    world.now += 1_000;
    world.go("c1");
    world.come("c2");
    world
}

#[test]
fn a_stored_room_that_logged_presence_loads() {
    let world = stored();
    world.check_copies();
    let bytes = world.room.encode(Part::Durable);
    if std::env::var_os("UPDATE_FIXTURES").is_some() && !std::path::Path::new(STORED).exists() {
        std::fs::write(STORED, &bytes).expect("writable");
    }
    let fixture = std::fs::read(STORED).expect("readable; UPDATE_FIXTURES=1 writes it once");
    let room = Room::decode(&fixture).expect("every stored version loads");
    assert_eq!(room.encode(Part::Durable), bytes);
    assert!(room.lacks_leave());
    assert_eq!(room.journal.presence_entries(), 3);
    let mut forgotten = room.clone();
    forgotten.apply(&crate::Record::ForgetOnline, 0);
    assert_ne!(digest(&forgotten), digest(&room), "the digest covers the bit");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn joins_and_leaves_alternate(steps in proptest::collection::vec((0..6_u8, 0..3_u8), 1..200)) {
        let mut world = personal();
        let mut kinds = Vec::new();
        for (step, connection) in steps {
            let connection = format!("c{connection}");
            match step {
                0 | 1 => world.come(&connection),
                2 if !world.room.is_blank() => world.go(&connection),
                3 => world.now += 2_000,
                4 if !world.room.is_blank() => world.expire(2),
                5 if !world.room.is_blank() => world.restart(),
                _ => {}
            }
            kinds.extend(world.logged());
            prop_assert!(world.room.journal.presence_entries() <= PRESENCE_ENTRIES_MAX);
        }
        world.now += 10_000;
        if !world.room.is_blank() {
            world.expire(100);
            world.check_copies();
        }
        kinds.extend(world.logged());
        let leaves = kinds.iter().map(|kind| kind.starts_with("\"leave")).collect::<Vec<_>>();
        for (at, leave) in leaves.iter().enumerate() {
            prop_assert_eq!(*leave, at % 2 == 1, "{:?}", kinds);
        }
        prop_assert_eq!(leaves.len() % 2, 0, "every join has its leave: {:?}", kinds);
    }
}
