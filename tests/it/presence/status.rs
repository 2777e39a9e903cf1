//! The shown status of a user with several devices, and when a user was last seen.

use chat_tests::at_once::at_once;
use chat_tests::checking::people::{events_of, online, shown};
use chat_tests::checking::subscriber::Subscriber;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use serde_json::json;

/// The steps of alice's devices: the device, its new status (`-`: it leaves), the status shown
/// then, and whether an event is published.
const DAY: &[(&str, &str, &str, bool)] = &[
    ("phone", "away", "away", true),
    ("laptop", "online", "online", true),
    ("phone", "dnd", "online", false),
    ("laptop", "away", "dnd", true),
    ("tablet", "lunch", "lunch", true),
    ("laptop", "train", "train", true),
    ("tablet", "lunch", "train", false),
    ("laptop", "-", "lunch", true),
    ("tablet", "-", "dnd", true),
    ("phone", "", "online", true),
    ("phone", "online", "online", false),
    ("watch", "away", "online", false),
    ("phone", "-", "away", true),
];

#[test]
fn the_most_present_status_of_several_devices_is_shown_and_published_on_change() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.SEND", "lobby", "owner", "hi").ok();
    let channel = Subscriber::new(&redis, &["lobby"]);
    cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "phone", "STATUS", "dnd").ok();
    let join = eventually("the join", LATER, || {
        events_of(&channel, "lobby", "presence").first().cloned().ok_or_else(String::new)
    });
    assert_eq!((&join["kind"], &join["status"]), (&json!("join"), &json!("dnd")));
    let mut expected = 1;
    for (device, status, now_shown, is_told) in DAY {
        // Statuses set in the same millisecond count as set at the same time.
        let before = redis.clock_ms();
        eventually("a later millisecond", LATER, || match redis.clock_ms() {
            now if now > before => Ok(()),
            now => Err(now.to_string()),
        });
        match *status {
            "-" => cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", device, "OFF").ok(),
            status => cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", device, "STATUS", status).ok(),
        };
        let step = format!("{device} {status:?}");
        assert_eq!(shown(&mut wire, "lobby", "alice").as_deref(), Some(*now_shown), "{step}");
        expected += usize::from(*is_told);
        // An event that is certainly published after it.
        cmd!(wire, "CHAT.SIGNAL", "lobby", "*", "mark", json!({"after": step}).to_string()).ok();
        eventually("the mark", LATER, || {
            let marks = events_of(&channel, "lobby", "signal");
            let found = marks.iter().any(|mark| mark["data"]["after"] == *step);
            if found { Ok(()) } else { Err(format!("{marks:?}")) }
        });
        let events = events_of(&channel, "lobby", "presence");
        assert_eq!(events.len(), expected, "{step}: {:?}", events.last());
        if *is_told {
            let last = &events[expected - 1];
            assert_eq!((&last["kind"], &last["users"]), (&json!("status"), &json!(1)), "{step}");
            let status = last["status"].as_str().unwrap_or("online");
            assert_eq!(status, *now_shown, "{step}: {last}");
        }
    }
    cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "watch", "OFF").ok();
    assert_eq!(shown(&mut wire, "lobby", "alice"), None);
}

#[test]
fn a_beat_keeps_the_status_and_a_user_has_at_most_sixteen() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.SEND", "lobby", "owner", "hi").ok();
    for n in 0..16 {
        let (connection, status) = (format!("c{n}"), format!("word {n}"));
        cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", connection, "STATUS", status).ok();
    }
    let digest = cmd!(wire, "CHAT.WHO", "lobby");
    let more = cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "c16", "STATUS", "one more");
    assert!(more.error().starts_with("INVALID status"), "{more:?}");
    assert_eq!(cmd!(wire, "CHAT.WHO", "lobby"), digest, "nothing has changed");
    cmd!(wire, "CHAT.BEAT", "lobby", 60_000, "c0", "c15").ok();
    cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "c3").ok();
    let status = shown(&mut wire, "lobby", "alice");
    assert_eq!(status.as_deref(), Some("word 15"), "the newest status");
    // A device may change its status, and another may use one that exists.
    cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "c15", "STATUS", "another").ok();
    cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "c16", "STATUS", "word 3").ok();
    cmd!(wire, "CHAT.PRESENCE", "lobby", "bob", "d1", "STATUS", "his own").ok();
}

/// `last_seen` of a personal room.
fn last_seen(wire: &mut Wire, user: &str) -> i64 {
    let room = cmd!(wire, "CHAT.ROOM", format!("@{user}")).ok();
    room.get("last_seen").expect("a personal room has last_seen").int()
}

#[test]
fn last_seen_is_when_the_last_device_left_and_survives_every_way_of_storing() {
    let ways: [(&str, &[&str], bool); 3] = [
        ("snapshot", &["save 3600 1"], false),
        ("append-only file", &["appendonly yes", "appendfsync always"], false),
        ("rewritten file", &["appendonly yes", "aof-use-rdb-preamble no"], true),
    ];
    at_once(&ways, |(way, settings, rewrite)| {
        let mut redis = Redis::with(settings);
        let mut wire = redis.wire();
        cmd!(wire, "CHAT.FOLLOW", "@carol", "lobby").ok();
        assert_eq!(last_seen(&mut wire, "carol"), 0, "{way}: never");
        let before = redis.clock_ms() as i64;
        cmd!(wire, "CHAT.PRESENCE", "@alice", "alice", "phone").ok();
        let came = last_seen(&mut wire, "alice");
        assert!((before..before + 5_000).contains(&came), "{way}: {before} {came}");
        cmd!(wire, "CHAT.PRESENCE", "@alice", "alice", "laptop").ok();
        cmd!(wire, "CHAT.PRESENCE", "@alice", "alice", "phone", "OFF").ok();
        assert_eq!(last_seen(&mut wire, "alice"), came, "{way}: the laptop is still there");
        eventually("a later millisecond", LATER, || match redis.clock_ms() as i64 {
            now if now > came => Ok(()),
            now => Err(now.to_string()),
        });
        cmd!(wire, "CHAT.PRESENCE", "@alice", "alice", "laptop", "OFF").ok();
        cmd!(wire, "CHAT.PRESENCE", "@bob", "bob", "phone", "TTL", 1_000).ok();
        let went = last_seen(&mut wire, "alice");
        assert!(went > came, "{way}: {came} {went}");
        // Bob leaves by timeout.
        let bob_came = last_seen(&mut wire, "bob");
        eventually("bob's time to end", LATER, || match online(&mut wire, "@bob") {
            0 => Ok(()),
            _ => Err("he is here".into()),
        });
        let bob_went = last_seen(&mut wire, "bob");
        // His deadline is on the monotonic clock, the report on the wall clock: whole milliseconds
        // of both.
        assert!(bob_went >= bob_came + 998, "{way}: {bob_came} {bob_went}");
        let replica = Redis::replica(&redis, &["replica-read-only no"]);
        let mut copy = replica.wire();
        assert_eq!(last_seen(&mut copy, "alice"), went, "{way}: on a replica");
        assert_eq!(last_seen(&mut copy, "bob"), bob_went, "{way}: on a replica");
        if *rewrite {
            cmd!(wire, "BGREWRITEAOF").ok();
            redis.wait_rewritten();
        }
        redis.stop();
        redis.restart();
        let mut wire = redis.wire();
        let kept = ["alice", "bob", "carol"].map(|user| last_seen(&mut wire, user));
        assert_eq!(kept, [went, bob_went, 0], "{way}");
    });
}

#[test]
fn the_status_of_a_socket_is_published_in_all_its_rooms_and_in_later_ones() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let (alice, second) = (relay.connect("alice"), relay.connect("alice"));
    alice.ok(json!({"op": "join", "room": "one"}));
    alice.ok(json!({"op": "status", "status": "dnd"}));
    alice.ok(json!({"op": "join", "room": "two"}));
    let mut wire = redis.wire();
    for room in ["one", "two"] {
        assert_eq!(shown(&mut wire, room, "alice").as_deref(), Some("dnd"), "{room}");
    }
    // In the personal room the other socket is online too, without a status.
    assert_eq!(shown(&mut wire, "@alice", "alice").as_deref(), Some("online"));
    second.ok(json!({"op": "status", "status": "away"}));
    assert_eq!(shown(&mut wire, "@alice", "alice").as_deref(), Some("dnd"));
    second.ok(json!({"op": "join", "room": "two"}));
    assert_eq!(shown(&mut wire, "two", "alice").as_deref(), Some("dnd"));
    second.ok(json!({"op": "status", "status": "online"}));
    assert_eq!(shown(&mut wire, "two", "alice").as_deref(), Some("online"));
    // A refused status changes nothing.
    let long = "x".repeat(65);
    assert_eq!(alice.refused(json!({"op": "status", "status": long})), "TOOBIG");
    assert_eq!(shown(&mut wire, "one", "alice").as_deref(), Some("dnd"));
}
