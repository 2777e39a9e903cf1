//! Trimming: the oldest items are removed first, in bounded steps, and readers see no difference
//! between the steps.

use chat_protocol::id::Id;
use chat_protocol::names::Actor;

use super::{World, code};
use crate::decide::context::Judging;
use crate::decide::decision::Decision;
use crate::decide::edit::{Delete, Edit, MessageScope};
use crate::decide::react::Reaction;
use crate::decide::{self, expire, read, sync};
use crate::state::limits::Limits;
use crate::state::log::message_run::VISITED;
use crate::state::room::PENDING_TRIM_MAX;

/// The most items of one step of the timer.
const STEP: usize = 128;

/// A room with many messages of two users. The second one has read nothing.
fn filled(messages: u64) -> World {
    let mut world = World::new("lobby");
    world.limits.history_max = 1_000_000;
    world.join("alice", None, None).expect("made");
    world.join("bob", None, None).expect("joined");
    for at in 0..messages {
        let user = if at % 3 == 0 { "bob" } else { "alice" };
        world.send(user, &format!("message {at}")).expect("sent");
        world.now += 1;
    }
    world
}

/// Runs one step of the timer. True: there is more to do.
fn step(world: &mut World) -> bool {
    let name = world.name.clone();
    let mut decision = Decision::on(&world.room);
    expire::decide(world.context(&name), expire::ConnectionExpiry::Enabled, STEP, &mut decision);
    let unfinished = decision.unfinished;
    world.finish(&name, decision.steps);
    unfinished
}

/// The unread messages of bob, and how many messages were visited to count them.
fn unread(world: &World) -> (u64, usize) {
    let name = world.name.clone();
    VISITED.set(0);
    let read_state = read::read_state(world.context(&name), "bob").expect("a member");
    (read_state.unread.messages, VISITED.get())
}

/// The unread messages of bob, counted one by one.
fn unread_one_by_one(world: &World) -> u64 {
    let name = world.name.clone();
    let from = world.context(&name).first_visible();
    let bob = world.room.users.find("bob").expect("a user");
    let messages = world.room.messages.range(from, u64::MAX);
    messages.filter(|message| message.author != bob && !message.is_deleted()).count() as u64
}

#[test]
fn a_lowered_bound_is_applied_in_bounded_steps() {
    let lower: [(&str, fn(&mut Limits, u64)); 3] = [
        ("history-max", |limits, _| limits.history_max = 50),
        ("history-ttl", |limits, now| limits.history_ttl = now - 1_795_225_200_000 - 5_950),
        ("room-bytes", |limits, _| limits.room_bytes = 5_000),
    ];
    for (bound, lower) in lower {
        let mut world = filled(6_000);
        lower(&mut world.limits, world.now);
        assert!(world.room.is_beyond_bounds(&world.limits) || bound == "history-ttl", "{bound}");
        // The first command removes a part, and reports that there is more.
        let name = world.name.clone();
        let before = world.room.messages.len();
        let mut decision = Decision::on(&world.room);
        let send = super::send("alice", "one more", None);
        decide::send::decide(world.context(&name), &send, &mut decision).expect("sent");
        assert!(decision.unfinished, "{bound}");
        world.finish(&name, decision.steps);
        let removed = before + 1 - world.room.messages.len();
        assert!((1..=256).contains(&removed), "{bound}: {removed} at once");
        let mut steps = 0;
        loop {
            let (published, visited) = unread(&world);
            assert!(visited as u64 <= PENDING_TRIM_MAX + 8, "{bound}: looked at {visited}");
            assert_eq!(published, unread_one_by_one(&world), "{bound}, after {steps} steps");
            let before = world.room.messages.len();
            let unfinished = step(&mut world);
            assert!(before - world.room.messages.len() <= STEP, "{bound}");
            steps += 1;
            if !unfinished {
                break;
            }
        }
        assert!((30..60).contains(&steps), "{bound}: {steps} steps");
        assert_eq!(unread(&world).0, unread_one_by_one(&world), "{bound}");
        assert!(!world.room.is_beyond_bounds(&world.limits), "{bound}");
        assert!(!step(&mut world), "{bound}: nothing is left to do");
        let left = world.room.messages.len();
        assert!((10..=150).contains(&left), "{bound}: {left} messages are left");
        world.check_copies();
    }
}

#[test]
fn if_nearly_all_is_expired_the_visible_rest_is_counted() {
    let mut world = filled(6_000);
    for left in [0, 7, 900] {
        world.limits.history_ttl = 1 + left;
        let (published, visited) = unread(&world);
        assert_eq!(published, unread_one_by_one(&world), "{left} left");
        assert!(visited as u64 <= PENDING_TRIM_MAX + 8, "{left} left: looked at {visited}");
    }
}

#[test]
fn a_message_between_many_events_is_removed_in_bounded_steps() {
    let mut world = filled(3);
    let name = world.name.clone();
    let id = world.send("alice", "liked").expect("sent");
    for _ in 0..2_500 {
        for reaction in [Reaction::Add, Reaction::Remove] {
            let (user, id) = (Actor::User("bob"), id.as_bytes());
            world
                .run(&name, |c, d| decide::react::decide(c, user, id, "👍", reaction, d))
                .expect("done");
        }
    }
    (0..3).for_each(|at| drop(world.send("alice", &format!("later {at}")).expect("sent")));
    for bound in ["messages", "events"] {
        let mut world =
            World { room: world.room.clone(), copy: world.copy.clone(), ..World::new("lobby") };
        match bound {
            "messages" => world.limits.history_max = 1,
            _ => world.limits.journal_max = 100,
        }
        let entries = |world: &World| world.room.journal.entries_from(0).count();
        let mut most = 0;
        loop {
            let before = entries(&world);
            let unfinished = step(&mut world);
            most = most.max(before - entries(&world));
            if !unfinished {
                break;
            }
        }
        assert_eq!(most, STEP, "{bound}");
        assert!(entries(&world) <= 100, "{bound}: {} are left", entries(&world));
        if bound == "messages" {
            assert_eq!(world.room.messages.len(), 1);
        }
        world.check_copies();
    }
}

#[test]
fn bytes_are_bounded_for_every_kind_of_content() {
    let object = format!("{{\"meta\":\"{}\"}}", "x".repeat(2_000));
    let topic = "t".repeat(200);
    let mut world = filled(0);
    world.limits.room_bytes = 200_000;
    let name = world.name.clone();
    let mut last = world.send("alice", "first").expect("sent");
    for at in 0..3_000_u64 {
        let before = world.room.bytes();
        match at / 300 % 4 {
            0 => last = world.send("alice", &"y".repeat((at % 500) as usize + 1)).expect("sent"),
            1 => {
                let (user, id, meta) =
                    (Actor::User("alice"), last.as_bytes(), Some(object.as_bytes()));
                let (text, whose, judging) = (b"other", MessageScope::Permitted, Judging::Done);
                let edit = Edit { user, id, text, meta, whose, judging };
                world.run(&name, |c, d| decide::edit::edit(c, edit, d)).expect("edited");
            }
            2 => world.set("topic", &format!("{topic}{at}"), None).expect("set"),
            _ => {
                let reaction = if at % 2 == 0 { Reaction::Add } else { Reaction::Remove };
                let (user, id) = (Actor::User("bob"), last.as_bytes());
                world
                    .run(&name, |c, d| decide::react::decide(c, user, id, "👍", reaction, d))
                    .expect("done");
            }
        }
        let bytes = world.room.bytes();
        assert!(bytes <= 200_000 + 2_500, "{bytes} after {before}");
        assert!(world.room.journal.bytes() <= 50_000 + 500, "events take a quarter at most");
        assert!(world.room.messages.find(Id::parse(last.as_bytes()).expect("an id")).is_some());
    }
    world.check_copies();
    let loaded = crate::Room::decode(&world.room.encode(crate::Part::Durable)).expect("loads");
    assert_eq!(loaded.messages.bytes(), world.room.messages.bytes());
    assert_eq!(loaded.journal.bytes(), world.room.journal.bytes(), "as counted from nothing");
}

#[test]
fn a_text_that_can_never_fit_is_refused() {
    let mut world = filled(0);
    world.limits.room_bytes = 5_000;
    world.limits.max_text = 4_000;
    let id = world.send("alice", &"x".repeat(2_500)).expect("half of it fits");
    let before = world.room.encode(crate::Part::Durable);
    let text = "x".repeat(2_501);
    assert_eq!(world.send("alice", &text).map_err(|error| code(&error)), Err("TOOBIG 2500".into()));
    assert_eq!(world.send("*", &text).map_err(|error| code(&error)), Err("TOOBIG 2500".into()));
    let name = world.name.clone();
    let edit = Edit {
        user: Actor::User("alice"),
        id: id.as_bytes(),
        text: text.as_bytes(),
        meta: None,
        whose: MessageScope::Permitted,
        judging: Judging::Done,
    };
    let edited = world.run(&name, |c, d| decide::edit::edit(c, edit, d));
    assert_eq!(edited.map_err(|error| code(&error)), Err("TOOBIG 2500".into()));
    assert_eq!(world.room.encode(crate::Part::Durable), before);
    // The setting of the room takes precedence over the server's.
    assert!(world.set("room_bytes", "1048576", None).is_ok());
    assert!(world.send("alice", &text).is_ok());
    let by_owner = world.set("room_bytes", "2097152", Some("alice"));
    assert_eq!(by_owner.map_err(|error| code(&error)), Err("DENIED backend".into()));
}

#[test]
fn annotations_of_a_removed_message_are_hidden_at_once_and_freed_in_steps() {
    const REACTIONS: usize = 3_000;
    for way in ["deleted", "trimmed"] {
        let mut world = filled(2);
        let name = world.name.clone();
        let id = world.send("alice", "liked").expect("sent");
        let cursor = world.room.last();
        for at in 0..REACTIONS {
            let user = format!("secret-user-{at}");
            world.join(&user, None, Some("*")).expect("joined");
            let (actor, id) = (Actor::User(&user), id.as_bytes());
            let add = Reaction::Add;
            world
                .run(&name, |c, d| decide::react::decide(c, actor, id, "👍", add, d))
                .expect("done");
            world.leave(&user).expect("left");
        }
        let before = (world.room.journal.bytes(), world.room.users.len());
        if way == "deleted" {
            let delete = Delete {
                user: Actor::Backend,
                id: id.as_bytes(),
                reason: None,
                whose: MessageScope::Permitted,
            };
            world.run(&name, |c, d| decide::edit::delete(c, delete, d)).expect("deleted");
        } else {
            world.limits.history_max = 1;
            world.send("alice", "later").expect("sent");
            while step(&mut world) {}
            assert_eq!(world.room.messages.len(), 1);
        }
        let stored = world.room.encode(crate::Part::Durable);
        let all = sync::answer(world.context(&name), cursor, 1000, None);
        let all = all.expect("a page");
        let secret = |bytes: &[u8]| bytes.windows(4).any(|part| part == "👍".as_bytes());
        assert!(!secret(&stored) && !all.events.iter().any(secret), "{way}: hidden at once");
        world.check_copies();
        // One copy has freed nothing, the other one everything: readers see no difference.
        let mut steps = 0;
        let mut more = world.room.has_pending_free();
        assert!(more, "{way}");
        while more {
            let before = world.room.users.len();
            more = world.room.free_pending(STEP);
            assert!(before - world.room.users.len() <= STEP, "{way}: freed at once");
            steps += 1;
        }
        let least = if way == "deleted" { 2 * REACTIONS / STEP } else { REACTIONS / STEP };
        assert!(steps >= least, "{way}: {steps} steps");
        assert_eq!(world.room.encode(crate::Part::Durable), stored, "{way}");
        assert_eq!(world.room.users.len(), 2, "{way}: {} before", before.1);
        if way == "deleted" {
            assert!(world.room.journal.bytes() < before.0 - (REACTIONS * 8) as u64, "{way}");
        }
        world.check_copies();
    }
}
