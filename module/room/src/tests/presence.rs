//! Presence: users online, their statuses, what is published, and expiry.

use chat_protocol::names::RoomName;

use super::rules::lobby;
use super::{World, code};
use crate::command_error::CommandError;
use crate::decide::{self, presence::Presence};
use crate::state::room::Room;

impl World {
    /// CHAT.PRESENCE for 5 seconds.
    fn here(
        &mut self,
        user: &str,
        connection: &str,
        status: Option<&str>,
    ) -> Result<(), CommandError> {
        let name = self.name.clone();
        let presence = Presence { user, connection, ttl: Some(5_000), status };
        self.run(&name, |c, d| decide::presence::connect(c, presence, d))
    }

    /// CHAT.PRESENCE … OFF.
    fn off(&mut self, user: &str, connection: &str) -> Result<(), CommandError> {
        let name = self.name.clone();
        self.run(&name, |c, d| decide::presence::disconnect(c, user, connection, None, d))
    }

    /// Runs the timer.
    fn run_timer(&mut self) {
        let now = self.time();
        self.room.requeue_beaten(now, 1000);
        self.expire(1000);
    }

    /// The events published since the last call, without their first fields.
    fn published(&mut self) -> Vec<String> {
        let tail = |event: String| {
            let from = event.find("\"type\":").unwrap_or_default();
            let event = event[from..].replace('"', "");
            event.split(',').filter(|part| !part.starts_with("ts:")).collect::<Vec<_>>().join(" ")
        };
        std::mem::take(&mut self.published).into_iter().map(tail).collect()
    }
}

#[test]
fn presence_counts_users_and_publishes_first_and_last_connection() {
    let mut world = lobby("members");
    let here = |world: &mut World, user: &str, connection: &str, status: Option<&str>| {
        let name = world.name.clone();
        let presence = Presence { user, connection, ttl: None, status };
        world.run(&name, |c, d| decide::presence::connect(c, presence, d))?;
        Ok::<_, CommandError>(world.published.last().cloned().unwrap_or_default())
    };
    assert_eq!(here(&mut world, "out", "c0", None), Err(CommandError::NotMember));
    let came = here(&mut world, "mia", "c1", None).expect("here");
    assert!(came.contains("\"kind\":\"join\",\"status\":\"online\",\"users\":1"), "{came}");
    let count = world.published.len();
    here(&mut world, "mia", "c2", None).expect("here");
    assert_eq!(world.published.len(), count, "a second connection is no news");
    here(&mut world, "mia", "c2", Some("away")).expect("here");
    assert_eq!(world.published.len(), count, "the other one is more present");
    let status = here(&mut world, "mia", "c1", Some("dnd")).expect("here");
    assert!(status.contains("\"kind\":\"status\",\"status\":\"dnd\",\"users\":1"), "{status}");
    assert_eq!(code(&here(&mut world, "mo", "c1", None).unwrap_err()), "INVALID connection");
    world.check_copies();

    let off = |world: &mut World, user: &str, connection: &str| {
        let name = world.name.clone();
        world.run(&name, |c, d| decide::presence::disconnect(c, user, connection, None, d))
    };
    assert!(off(&mut world, "mo", "c1").is_err(), "another user's connection");
    let count = world.published.len();
    off(&mut world, "mia", "c9").expect("an unknown one is nothing");
    assert_eq!(world.published.len(), count);
    off(&mut world, "mia", "c1").expect("off");
    let status = world.published.last().expect("published");
    assert!(status.contains("\"kind\":\"status\",\"status\":\"away\",\"users\":1"), "{status}");
    off(&mut world, "mia", "c2").expect("off");
    let went = world.published.last().expect("published");
    assert!(went.contains("\"kind\":\"leave\",\"users\":0,\"reason\":\"left\""), "{went}");
    world.check_copies();
}

#[test]
fn a_connection_without_beats_expires_once_and_one_with_beats_stays() {
    let mut world = lobby("open");
    let name = world.name.clone();
    for (user, connection) in [("mia", "c1"), ("mia", "c2"), ("mo", "c3")] {
        let presence = Presence { user, connection, ttl: Some(5_000), status: None };
        world.run(&name, |c, d| decide::presence::connect(c, presence, d)).expect("here");
    }
    world.now += 4_000;
    let beat = world.run(&name, |c, d| decide::presence::beat(c, 5_000, vec!["c3", "c4"], d));
    assert_eq!(beat.expect("ok"), ["c4"], "unknown ones are named");
    world.now += 1_000;
    let count = world.published.len();
    world.expire(100);
    assert_eq!(world.published.len(), count + 1, "one leave for mia's two connections");
    let went = world.published.last().expect("published");
    assert!(
        went.contains("\"user\":\"mia\",\"kind\":\"leave\",\"users\":1,\"reason\":\"timeout\"")
    );
    world.expire(100);
    assert_eq!(world.published.len(), count + 1, "and nothing more");
    let now = world.time();
    world.room.requeue_beaten(now, 100);
    let next = world.room.next_deadline(&world.limits, now);
    assert_eq!(next, Some(now.monotonic_ms + 4_000));
    world.check_copies();
}

#[test]
fn a_large_number_of_users_is_published_once_a_second() {
    let mut world = lobby("open");
    world.limits.presence_announce = 3;
    world.published.clear();
    for user in ["a", "b", "c"] {
        world.here(user, user, None).expect("here");
    }
    assert_eq!(world.published().len(), 3, "one by one up to the bound");
    world.here("d", "d", None).expect("here");
    assert_eq!(world.published(), ["type:occupancy users:4}"], "then at once by number");
    for user in ["e", "f", "g"] {
        world.now += 100;
        world.here(user, user, Some("dnd")).expect("here");
    }
    world.here("a", "a", Some("away")).expect("here");
    world.run_timer();
    assert_eq!(world.published(), [""; 0], "but not again within a second, and no status");
    let due = world.room.next_deadline(&world.limits, world.time()).expect("something is due");
    assert_eq!(due, world.time().monotonic_ms + 700);
    world.now += 700;
    world.run_timer();
    assert_eq!(world.published(), ["type:occupancy users:7}"], "the newest number is published");
    assert_ne!(world.room.occupancy_deadline(&world.limits), Some(0));
    world.off("g", "g").expect("off");
    world.off("f", "f").expect("off");
    world.off("e", "e").expect("off");
    assert_eq!(world.published(), [""; 0]);
    world.off("d", "d").expect("off");
    assert_eq!(
        world.published(),
        ["type:presence user:d kind:leave users:3 reason:left}"],
        "names again, with the count"
    );
    world.now += 9_000;
    world.run_timer();
    assert_eq!(world.published().len(), 3, "all gone, and no occupancy is owed");
    assert_eq!(world.room.next_deadline(&world.limits, world.time()), None);
    world.check_copies();
}

#[test]
fn a_personal_room_knows_when_its_user_was_last_seen() {
    let mut world = World::new("@alice");
    let came = world.now;
    world.here("alice", "c1", None).expect("here");
    world.now += 1_000;
    world.here("alice", "c2", None).expect("here");
    assert_eq!(world.room.last_seen, came, "since when she is here");
    world.off("alice", "c1").expect("off");
    assert_eq!(world.room.last_seen, came);
    world.now += 6_000;
    world.run_timer();
    assert_eq!(world.room.last_seen, world.now, "until when she was");
    assert_eq!(world.copy.last_seen, world.now);
    world.check_copies();
}

#[test]
fn the_different_statuses_of_a_user_are_bounded() {
    let mut world = lobby("open");
    for at in 0..16 {
        world.here("mia", &format!("c{at}"), Some(&format!("word {at}"))).expect("here");
    }
    let refused = world.here("mia", "c99", Some("one more"));
    assert_eq!(refused.map_err(|error| code(&error)), Err("INVALID status".into()));
    world.here("mia", "c0", Some("one more")).expect("instead of another");
    world.here("mia", "c99", Some("")).expect("empty is online");
    world.check_copies();
}

#[test]
fn a_room_under_another_name_has_no_presence() {
    let mut world = lobby("open");
    world.here("mia", "c1", None).expect("here");
    world.here("guest", "c2", None).expect("here");
    let users = world.room.users.len();
    world.room.detach_presence();
    assert_eq!((world.room.online(), world.room.connections()), (0, 0));
    while world.room.free_pending(1) {}
    assert_eq!(world.room.users.len(), users - 1, "the guest is known by nothing else");
    assert_eq!(world.room.next_deadline(&world.limits, world.time()), None);
}

#[test]
fn a_user_online_who_follows_one_room_takes_little_memory() {
    let mut world = World::new("@a-user-name");
    let room = RoomName::parse(b"a-room-name").expect("a name");
    world.run("@a-user-name", |c, d| decide::follow::follow(c, vec![room], d)).expect("followed");
    world.here("a-user-name", "r1-abcdef-1", None).expect("here");
    let memory = world.room.memory();
    assert!(memory <= 800, "{memory} bytes, of which {} for every room", size_of::<Room>());
}
