//! Long work is postponed: a big room is freed in the background, and the rooms of an emptied
//! database are announced one by one.

use chat_tests::checking::subscriber::Subscriber;
use chat_tests::clients::wire::{Command, Wire};
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};
use chat_tests::{args, cmd};

/// More than Redis frees at once.
const MANY: usize = 100;

fn run(wire: &mut Wire, commands: Vec<Command>) {
    wire.pipeline(&commands).into_iter().for_each(|reply| drop(reply.ok()));
}

/// Fills a room with many of one thing, one call each.
fn many(wire: &mut Wire, command: impl Fn(usize) -> Command) {
    run(wire, (0..MANY).map(command).collect());
}

/// A room with many of one thing: its name, and the call that adds one.
type Shape = (&'static str, fn(&mut Wire, &str));

const SHAPES: &[Shape] = &[
    ("messages of users", |wire, room| {
        many(wire, |n| args!["CHAT.SEND", room, format!("u{n}"), "hi"]);
    }),
    ("long messages", |wire, room| {
        let text = "x".repeat(4000);
        (0..10).for_each(|_| many(wire, |_| args!["CHAT.SEND", room, "*", &text]));
    }),
    ("members", |wire, room| many(wire, |n| args!["CHAT.JOIN", room, format!("u{n}")])),
    ("log entries", |wire, room| {
        many(wire, |n| args!["CHAT.ROOM", room, "SET", "topic", format!("topic {n}")]);
    }),
    ("sanctions", |wire, room| {
        many(wire, |n| args!["CHAT.MOD", room, "*", "BAN", format!("u{n}")]);
        // The log entries go; the sanctions stay.
        cmd!(wire, "CHAT.SEND", room, "*", "hi").ok();
    }),
    ("reactions", |wire, room| {
        for _ in 0..MANY / 2 {
            let id = cmd!(wire, "CHAT.SEND", room, "*", "hi").text().to_owned();
            cmd!(wire, "CHAT.REACT", room, "*", id, "👍").ok();
        }
    }),
    ("nonces", |wire, room| {
        many(wire, |n| args!["CHAT.SEND", room, "*", "hi", "NONCE", n]);
    }),
    ("connections", |wire, room| {
        many(wire, |n| args!["CHAT.PRESENCE", room, "alice", format!("a-relay-of-a-name-{n}")]);
    }),
    ("rooms followed", |wire, _| {
        many(wire, |n| args!["CHAT.FOLLOW", "@alice", format!("room{n}")]);
    }),
    ("paces", |wire, room| {
        many(wire, |n| args!["CHAT.SIGNAL", room, format!("u{n}"), "typing"]);
    }),
];

#[test]
fn a_room_of_many_of_anything_is_freed_in_the_background() {
    // Few log entries and messages are kept, so that each shape has many of one thing only.
    let settings = ["chat.rate-limit 10/1s", "chat.journal-max 64", "chat.history-max 64"];
    for (what, fill) in SHAPES {
        let keeps = ["long messages", "messages of users", "log entries"].contains(what);
        let redis = Redis::with(if keeps { &[] } else { &settings });
        let mut wire = redis.wire();
        let room = if *what == "rooms followed" { "@alice" } else { "lobby" };
        cmd!(wire, "CHAT.SEND", room, "*", "first").ok();
        fill(&mut wire, room);
        assert_eq!(redis.info("memory", "lazyfreed_objects"), "0");
        cmd!(wire, "UNLINK", room).ok();
        eventually(what, LATER, || match redis.info("memory", "lazyfreed_objects").as_str() {
            "1" => Ok(()),
            other => Err(format!("{other} freed in the background")),
        });
    }
}

/// The number of `drop` events on these rooms, in any order.
fn drops(channel: &Subscriber, rooms: &[String]) -> Vec<usize> {
    let all = channel.all();
    let drop_count = |room: &String| {
        let of_room = all.iter().filter(|(channel, _)| channel == room);
        of_room.filter(|(_, text)| text.contains(r#""type":"drop""#)).count()
    };
    rooms.iter().map(drop_count).collect()
}

#[test]
fn every_room_of_an_emptied_database_is_announced_once_before_events_of_a_new_one() {
    for (how, target) in [("FLUSHALL", 0), ("FLUSHDB", 0), ("FLUSHALL", 1), ("FLUSHDB", 1)] {
        let redis = Redis::start();
        let mut wire = redis.wire();
        let rooms: Vec<String> = (0..3000).map(|n| format!("room{n}")).collect();
        run(&mut wire, rooms.iter().map(|room| args!["CHAT.SEND", room, "alice", "hi"]).collect());
        let names: Vec<&str> = rooms.iter().map(String::as_str).collect();
        let channel = Subscriber::new(&redis, &names);
        let recreated: Vec<&String> = rooms.iter().step_by(100).collect();
        // In one transaction, so that no event is published in between; perhaps in a database that
        // was swapped.
        let mut commands = vec![args!["MULTI"], args![how, "ASYNC"]];
        if target == 1 {
            commands.extend([args!["SWAPDB", 0, 1], args!["SELECT", 1]]);
        }
        commands.extend(recreated.iter().map(|room| args!["CHAT.SEND", room, "alice", "again"]));
        commands.push(args!["EXEC"]);
        run(&mut wire, commands);
        eventually("a drop of every room", LATER, || {
            let counts = drops(&channel, &rooms);
            match counts.iter().filter(|count| **count == 0).count() {
                0 => Ok(()),
                missing => Err(format!("{missing} are not")),
            }
        });
        assert!(drops(&channel, &rooms).iter().all(|count| *count == 1), "{how}: published twice");
        for room in &recreated {
            let all = channel.all();
            let texts: Vec<_> = all.iter().filter(|(other, _)| other == *room).collect();
            let last = texts.len() - 1;
            assert!(texts[0].1.contains("drop") && texts[last].1.contains("again"), "{texts:?}");
        }
        assert_eq!(redis.info("chat", "chat_rooms"), recreated.len().to_string());
    }
}

#[test]
fn a_replica_forgets_the_rooms_of_an_emptied_database_and_knows_the_new_ones() {
    let primary = Redis::start();
    let mut wire = primary.wire();
    let rooms: Vec<String> = (0..1000).map(|n| format!("room{n}")).collect();
    let fill: Vec<Command> =
        rooms.iter().map(|room| args!["CHAT.SEND", room, "alice", "hi"]).collect();
    run(&mut wire, fill.clone());
    let replica = Redis::replica(&primary, &[]);
    cmd!(wire, "FLUSHALL", "ASYNC").ok();
    run(&mut wire, fill);
    replica.catch_up(&primary);
    assert_eq!(replica.digest(), primary.digest());
    let names: Vec<&str> = rooms.iter().map(String::as_str).collect();
    let channel = Subscriber::new(&replica, &names);
    cmd!(replica, "REPLICAOF", "NO", "ONE").ok();
    cmd!(replica, "CHAT.SEND", "room0", "alice", "promoted").ok();
    cmd!(replica, "DEL", "room999").ok();
    eventually("the drop of a room", LATER, || match drops(&channel, &rooms).last() {
        Some(1) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(drops(&channel, &rooms).iter().sum::<usize>(), 1, "and none that is there");
    assert_eq!(replica.info("chat", "chat_rooms"), "999");
}
