//! Messages, texts repeated by edits, and reactions are removed by themselves when they are too
//! old, also in rooms that nobody uses, and their memory is freed.

use chat_tests::checking::view::{history, sync};
use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, SOON, eventually};

fn holds(wire: &mut Wire, room: &str, secret: &str) -> bool {
    let payload = cmd!(wire, "DUMP", room);
    payload.bytes().windows(secret.len()).any(|part| part == secret.as_bytes())
}

/// Waits until nothing of `secret` is stored. Reads the stored bytes only: any command for the room
/// might itself remove old messages.
#[track_caller]
fn wait_gone(redis: &Redis, room: &str, secret: &str) {
    let mut wire = redis.wire();
    eventually(&format!("{secret} to go from {room}"), SOON, || {
        if holds(&mut wire, room, secret) { Err("it is stored".into()) } else { Ok(()) }
    });
}

#[test]
fn a_quiet_room_removes_old_messages_by_itself() {
    let settings = ["rdbcompression no", "chat.history-ttl 1500", "replica-read-only no"];
    let primary = Redis::with(&settings);
    let replica = Redis::replica(&primary, &settings);
    let mut wire = primary.wire();
    let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", "first-text").text().to_owned();
    cmd!(wire, "CHAT.EDIT", "lobby", "alice", &id, "edited-text").ok();
    cmd!(wire, "CHAT.REACT", "lobby", "alice", &id, "reaction").ok();
    cmd!(wire, "CHAT.SEND", "@bob", "bob", "personal-text").ok();
    cmd!(wire, "CHAT.SEND", "dm:alice,bob", "bob", "direct-text").ok();
    assert!(holds(&mut wire, "lobby", "edited-text") && holds(&mut wire, "lobby", "reaction"));
    replica.catch_up(&primary);
    for redis in [&primary, &replica] {
        for (room, secret) in [
            ("lobby", "first-text"),
            ("lobby", "edited-text"),
            ("lobby", "reaction"),
            ("@bob", "personal-text"),
            ("dm:alice,bob", "direct-text"),
        ] {
            wait_gone(redis, room, secret);
        }
    }
    // The room exists, continues its ids, and accepts messages.
    let page = history(&mut wire, "lobby", &[]);
    assert!(page.events.is_empty() && !page.newest.starts_with("0-"), "{page:?}");
    let next = cmd!(wire, "CHAT.SEND", "lobby", "alice", "next").text().to_owned();
    assert!(next.ends_with("-4"), "{next}");
    assert_eq!(history(&mut wire, "lobby", &[]).events[0].json["m"], 2);
    replica.catch_up(&primary);
    eventually("equal data", SOON, || {
        let (here, there) = (primary.digest(), replica.digest());
        if here == there { Ok(()) } else { Err(format!("{here} {there}")) }
    });
}

#[test]
fn an_edit_neither_extends_its_messages_age_nor_outlives_it() {
    let redis = Redis::with(&["rdbcompression no", "chat.history-ttl 2000"]);
    let mut wire = redis.wire();
    let old = cmd!(wire, "CHAT.SEND", "lobby", "alice", "old").text().to_owned();
    let start = std::time::Instant::now();
    // Edited all the time until it is removed.
    let mut edits = 0;
    eventually("the edited message to go", LATER, || {
        let reply = cmd!(wire, "CHAT.EDIT", "lobby", "alice", &old, format!("late-edit-{edits}"));
        match reply {
            Reply::Error(line) if line.starts_with("NOMSG") => Ok(()),
            other => {
                edits += 1;
                Err(format!("{other:?}"))
            }
        }
    });
    let took = start.elapsed().as_millis();
    assert!((1900..4000).contains(&took) && edits > 10, "{edits} edits in {took} ms");
    wait_gone(&redis, "lobby", "late-edit");
    let answer = sync(&mut wire, "lobby", "0-0", &[]);
    assert!(answer.texts().is_empty(), "{:?}", answer.texts());
    for (command, more) in [("CHAT.REACT", Some("👍")), ("CHAT.DELETE", None)] {
        let mut call = vec![command, "lobby", "alice", old.as_str()];
        call.extend(more);
        assert!(wire.call(&call).error().starts_with("NOMSG"), "{command}");
    }
}

#[test]
fn a_room_has_its_own_age_limit_and_a_change_applies_at_once() {
    let redis = Redis::with(&["rdbcompression no"]);
    let mut wire = redis.wire();
    for room in ["short", "long", "server"] {
        cmd!(wire, "CHAT.SEND", room, "alice", "some-text").ok();
    }
    cmd!(wire, "CHAT.ROOM", "long", "SET", "history_ttl", 3_600_000).ok();
    cmd!(wire, "CHAT.ROOM", "short", "SET", "history_ttl", 1000).ok();
    wait_gone(&redis, "short", "some-text");
    assert!(holds(&mut wire, "long", "some-text") && holds(&mut wire, "server", "some-text"));
    cmd!(wire, "CONFIG", "SET", "chat.history-ttl", 1000).ok();
    wait_gone(&redis, "server", "some-text");
    assert!(holds(&mut wire, "long", "some-text"), "a room's own setting goes before");
    cmd!(wire, "CHAT.ROOM", "long", "SET", "history_ttl", "default").ok();
    wait_gone(&redis, "long", "some-text");
}

#[test]
fn messages_that_expired_while_the_server_was_down_are_removed_after_the_start() {
    let settings = ["rdbcompression no", "chat.history-ttl 1000", "save 3600 1"];
    let mut redis = Redis::with(&settings);
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "some-text").ok();
    redis.save();
    redis.kill();
    redis.restart();
    wait_gone(&redis, "lobby", "some-text");
    assert!(history(&mut redis.wire(), "lobby", &[]).events.is_empty());
}

#[test]
fn many_quiet_rooms_free_their_memory() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let before: u64 = redis.info("memory", "used_memory").parse().expect("a number");
    let text = "x".repeat(2000);
    for batch in 0..20 {
        let sends: Vec<_> = (0..100)
            .map(|n| chat_tests::args!["CHAT.SEND", format!("room{batch}:{n}"), "alice", &text])
            .collect();
        for reply in wire.pipeline(&sends) {
            reply.ok();
        }
    }
    let used = || -> u64 {
        redis.info("memory", "used_memory").parse::<u64>().expect("a number").saturating_sub(before)
    };
    let full = used();
    assert!(full > 4_000_000, "{full}");
    // Set only now: on a busy machine the first messages would expire while the last are sent.
    cmd!(wire, "CONFIG", "SET", "chat.history-ttl", 1).ok();
    eventually("the texts' memory", LATER, || {
        let now = used();
        if now + 3_900_000 < full { Ok(()) } else { Err(format!("{now} of {full} bytes")) }
    });
}

/// The memory of the room as CHAT.ROOM reports it.
fn usage(wire: &mut Wire, room: &str) -> i64 {
    cmd!(wire, "MEMORY", "USAGE", room).int()
}

#[test]
fn a_lowered_bound_applies_to_rooms_without_writes() {
    let settings = ["chat.history-max 100000"];
    let primary = Redis::with(&settings);
    let replica = Redis::replica(&primary, &settings);
    let mut wire = primary.wire();
    let text = "x".repeat(200);
    let rooms = ["of-server", "of-room", "of-bytes"];
    for room in rooms {
        let sends = vec![chat_tests::args!["CHAT.SEND", room, "alice", &text]; 9_000];
        for reply in wire.pipeline(&sends) {
            reply.ok();
        }
        cmd!(wire, "CHAT.JOIN", room, "bob", "BY", "*").ok();
    }
    cmd!(wire, "CHAT.ROOM", "of-room", "SET", "history_max", 500).ok();
    cmd!(wire, "CHAT.ROOM", "of-bytes", "SET", "room_bytes", "1048576").ok();
    for room in ["of-room", "of-bytes"] {
        eventually(&format!("{room} to shrink"), SOON, || {
            let bytes = usage(&mut wire, room);
            let most = if room == "of-room" { 250_000 } else { 1_200_000 };
            if bytes < most { Ok(()) } else { Err(format!("{bytes} bytes")) }
        });
    }
    assert!(usage(&mut wire, "of-server") > 1_500_000, "its bound is as it was");
    cmd!(wire, "CONFIG", "SET", "chat.history-max", 500).ok();
    eventually("the last one to shrink", SOON, || {
        let bytes = usage(&mut wire, "of-server");
        if bytes < 250_000 { Ok(()) } else { Err(format!("{bytes} bytes")) }
    });
    for room in rooms {
        let page = history(&mut wire, room, &["COUNT", "1000"]);
        assert!((400..=1000).contains(&page.events.len()), "{room}: {}", page.events.len());
    }
    replica.catch_up(&primary);
    assert_eq!(replica.digest(), primary.digest());
    let (mut here, mut there) = (primary.wire(), replica.wire());
    for room in rooms {
        assert!((usage(&mut here, room) - usage(&mut there, room)).abs() < 20_000, "{room}");
    }
}

#[test]
fn one_message_and_very_many_edits_of_it_take_little_memory() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let used = || redis.info("memory", "used_memory").parse::<i64>().expect("a number");
    let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", "first").text().to_owned();
    let (text, meta) = ("t".repeat(4_000), format!("{{\"m\":\"{}\"}}", "x".repeat(16_000)));
    let before = used();
    for _ in 0..20 {
        let edits =
            vec![chat_tests::args!["CHAT.EDIT", "lobby", "alice", &id, &text, "META", &meta]; 250];
        for reply in wire.pipeline(&edits) {
            reply.ok();
        }
    }
    let (grown, reported) = (used() - before, usage(&mut wire, "lobby"));
    assert!(grown < 3_000_000, "{grown} bytes for 5,000 edits of 20 KB");
    assert!(reported < 3_000_000, "{reported} bytes by MEMORY USAGE");
}

#[test]
fn bytes_are_bounded_and_a_message_that_can_never_fit_is_refused() {
    let settings = ["chat.room-bytes 1mb", "chat.max-text 1mb"];
    let primary = Redis::with(&settings);
    let replica = Redis::replica(&primary, &settings);
    let mut wire = primary.wire();
    for len in [524_289, 1_048_576] {
        let refused = cmd!(wire, "CHAT.SEND", "lobby", "alice", "x".repeat(len));
        assert!(refused.error().starts_with("TOOBIG 524288"), "{refused:?}");
    }
    let mut id = String::new();
    for n in 0..300_usize {
        let text = "x".repeat(n * 7_919 % 50_000 + 1);
        id = cmd!(wire, "CHAT.SEND", "lobby", "alice", &text).text().to_owned();
        let meta = format!("{{\"m\":\"{}\"}}", "y".repeat(n % 10_000));
        cmd!(wire, "CHAT.EDIT", "lobby", "alice", &id, "edited", "META", &meta).ok();
        cmd!(wire, "CHAT.ROOM", "lobby", "SET", "description", "z".repeat(n % 3_000)).ok();
        let bytes = usage(&mut wire, "lobby");
        assert!(bytes < 1_300_000, "{bytes} bytes after {n}");
    }
    let edited = cmd!(wire, "CHAT.EDIT", "lobby", "alice", &id, "x".repeat(524_289));
    assert!(edited.error().starts_with("TOOBIG 524288"), "{edited:?}");
    // Events take at most a quarter of the bytes, however many there are.
    for _ in 0..40 {
        let sets: Vec<_> = (0..200)
            .map(|n| chat_tests::args!["CHAT.ROOM", "lobby", "SET", "topic", format!("topic {n}")])
            .collect();
        wire.pipeline(&sets).into_iter().for_each(|reply| drop(reply.ok()));
    }
    let page = history(&mut wire, "lobby", &["COUNT", "1000"]);
    assert!(page.events.len() >= 100, "the messages stay: {}", page.events.len());
    assert!(!sync(&mut wire, "lobby", &id, &[]).recovered, "the events did not all stay");
    replica.catch_up(&primary);
    assert_eq!(replica.digest(), primary.digest());
}
