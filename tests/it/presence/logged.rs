//! `chat.presence-log`: joins and leaves of users are durable events of their personal rooms, they
//! alternate, and a join whose connections are lost gets its leave.

use std::time::Duration;

use chat_tests::checking::subscriber::Subscriber;
use chat_tests::checking::view::sync;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually, never};
use serde_json::{Value, json};

/// `chat.presence-grace` of most of these servers, in milliseconds.
const GRACE: u64 = 1_000;
const SETTINGS: [&str; 2] = ["chat.presence-log yes", "chat.presence-grace 1000"];
/// A grace in which a user certainly comes back.
const LONG_GRACE: &str = "chat.presence-grace 5000";

fn server(more: &[&str]) -> Redis {
    Redis::with(&[&SETTINGS[..], more].concat())
}

/// The stored joins and leaves of a room.
fn logged(wire: &mut Wire, room: &str) -> Vec<Value> {
    let answer = sync(wire, room, "0-0", &[]);
    let events = answer.events.into_iter().map(|event| event.json);
    events.filter(|event| event["type"] == "presence").collect()
}

/// The kind of each, a leave with its reason.
fn words(events: &[Value]) -> Vec<String> {
    let word = |event: &Value| match event["reason"].as_str() {
        Some(reason) => format!("{} {reason}", event["kind"].as_str().unwrap_or_default()),
        None => event["kind"].as_str().unwrap_or_default().to_owned(),
    };
    events.iter().map(word).collect()
}

/// Waits until these joins and leaves are stored, and returns them.
#[track_caller]
fn wait_logged(wire: &mut Wire, room: &str, expected: &[&str]) -> Vec<Value> {
    eventually("joins and leaves", LATER, || {
        let events = logged(wire, room);
        if words(&events) == expected { Ok(events) } else { Err(format!("{room}: {events:?}")) }
    })
}

#[test]
fn every_join_has_its_leave_after_a_crash() {
    let mut redis = server(&["appendonly yes", "appendfsync always"]);
    redis.set(LONG_GRACE);
    let mut wire = redis.wire();
    for user in ["alice", "bob", "carol"] {
        cmd!(wire, "CHAT.PRESENCE", format!("@{user}"), user, "c1", "TTL", 3_600_000).ok();
    }
    cmd!(wire, "CHAT.PRESENCE", "@carol", "carol", "c1", "OFF").ok();
    let came = logged(&mut wire, "@alice")[0]["ts"].clone();
    redis.kill();
    redis.restart();
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.PRESENCE", "@bob", "bob", "c2", "TTL", 3_600_000).ok();
    // The present grace goes on. On a busy machine a standstill would add another long one.
    cmd!(wire, "CONFIG", "SET", "chat.presence-grace", 0).ok();
    let events = wait_logged(&mut wire, "@alice", &["join", "leave restart"]);
    assert_eq!(events[1]["user"], "alice");
    // The event of the join dates itself by its id, which may be a millisecond ahead of the clock.
    let (since, came) = (events[1]["since"].as_u64(), came.as_u64());
    assert!(since <= came && came <= since.map(|since| since + 2), "{since:?}, came {came:?}");
    assert_eq!(words(&logged(&mut wire, "@bob")), ["join"], "bob came back in time");
    assert_eq!(words(&logged(&mut wire, "@carol")), ["join", "leave left"]);

    cmd!(wire, "CHAT.PRESENCE", "@alice", "alice", "c3").ok();
    cmd!(wire, "CHAT.PRESENCE", "@bob", "bob", "c2", "OFF", "REASON", "bye").ok();
    assert_eq!(words(&logged(&mut wire, "@alice")), ["join", "leave restart", "join"]);
    assert_eq!(words(&logged(&mut wire, "@bob")), ["join", "leave bye"]);
    // The same after another restart, which replays the records.
    let before = ["@bob", "@carol"].map(|room| logged(&mut wire, room));
    redis.set("chat.presence-grace 0");
    redis.kill();
    redis.restart();
    let mut wire = redis.wire();
    let all = ["join", "leave restart", "join", "leave restart"];
    wait_logged(&mut wire, "@alice", &all);
    assert_eq!(["@bob", "@carol"].map(|room| logged(&mut wire, room)), before);
}

#[test]
fn copies_and_renamed_rooms_get_a_leave_one_grace_later() {
    let redis = server(&[]);
    let mut wire = redis.wire();
    let channel = Subscriber::new(&redis, &["@copy", "@new", "@moved", "attic"]);
    for user in ["alice", "bob", "carol", "dora"] {
        cmd!(wire, "CHAT.PRESENCE", format!("@{user}"), user, "c1", "TTL", 3_600_000).ok();
    }
    let dump = cmd!(wire, "DUMP", "@alice").bytes().to_vec();
    let begun = redis.clock_ms();
    assert_eq!(cmd!(wire, "COPY", "@alice", "@copy").int(), 1);
    cmd!(wire, "RENAME", "@bob", "@new").ok();
    cmd!(wire, "RENAME", "@carol", "attic").ok();
    assert_eq!(cmd!(wire, "MOVE", "@dora", 1).int(), 1);
    // A dump holds the connections, so nothing is missing in this room.
    cmd!(wire, "RESTORE", "@restored", 0, dump).ok();
    for (room, user) in [("@copy", "copy"), ("@new", "new")] {
        let events = wait_logged(&mut wire, room, &["join", "leave restart"]);
        assert!(events[1]["ts"].as_u64() >= Some(begun + GRACE), "{events:?} {begun}");
        assert_eq!(events[1]["user"], user);
        // The subscriber reads on a connection of its own, so it may hear of them later.
        eventually("both forms, once", LATER, || {
            let heard = channel.all();
            let heard =
                heard.iter().filter(|(at, text)| at == room && text.contains("\"restart\""));
            let stored: Vec<bool> = heard.map(|(_, text)| text.starts_with("{\"id\"")).collect();
            if stored == [true, false] { Ok(()) } else { Err(format!("{:?}", channel.all())) }
        });
    }
    assert_eq!(words(&logged(&mut wire, "@alice")), ["join"]);
    assert_eq!(words(&logged(&mut wire, "@restored")), ["join"]);
    assert_eq!(words(&logged(&mut wire, "attic")), ["join"], "no user is named by this room");
    cmd!(wire, "SELECT", 1).ok();
    wait_logged(&mut wire, "@dora", &["join", "leave restart"]);
    // The timer has nothing left to do in any of them.
    never("a further event", Duration::from_millis(2 * GRACE), || {
        let count = channel.all().iter().filter(|(_, text)| text.contains("leave")).count();
        if count <= 4 { Ok(()) } else { Err(format!("{:?}", channel.all())) }
    });
}

#[test]
fn replicas_agree_and_go_on_after_a_promotion() {
    let primary = server(&[]);
    let replica = Redis::replica(&primary, &SETTINGS);
    let mut wire = primary.wire();
    for n in 0..100 {
        cmd!(wire, "CHAT.PRESENCE", "@alice", "alice", "c1").ok();
        cmd!(wire, "CHAT.PRESENCE", "@alice", "alice", "c1", "OFF", "REASON", n).ok();
    }
    let events = logged(&mut wire, "@alice");
    assert!(events.is_empty(), "the beginning is trimmed: recovered 0");
    cmd!(wire, "CHAT.PRESENCE", "@alice", "alice", "c1", "TTL", 1_000).ok();
    replica.catch_up(&primary);
    assert_eq!(primary.digest(), replica.digest());
    let last = sync(&mut wire, "@alice", "0-0", &[]).newest;
    let mut wire = replica.wire();
    cmd!(wire, "REPLICAOF", "NO", "ONE").ok();
    let left = eventually("the leave", LATER, || {
        let events = sync(&mut wire, "@alice", &last, &[]).events;
        events.first().map(|event| event.json.clone()).ok_or("no event".to_owned())
    });
    assert_eq!((&left["kind"], &left["reason"]), (&json!("leave"), &json!("timeout")));
}

#[test]
fn a_contact_gets_the_ephemeral_event_and_the_user_the_durable_one() {
    let redis = server(&[]);
    let relay = Relay::with("r1", &redis.url(), &["--presence-ttl", "2s", "--grace", "1s"]);
    relay.wait_ready();
    let mut wire = redis.wire();
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "subscribe", "room": "@bob"}));
    let bob = relay.connect("bob");
    let come = |kind: &'static str| {
        move |event: &Value| event["type"] == "presence" && event["kind"] == kind
    };
    let join = alice.next_where("@bob", "a join", come("join")).json;
    assert_eq!((&join["users"], join.get("id")), (&json!(1), None), "{join}");
    // The server loses bob's connection; the relay sets it again with its next beat.
    let connection = bob.hello["connection"].as_str().expect("its name").to_owned();
    cmd!(wire, "CHAT.PRESENCE", "@bob", "bob", &connection, "OFF", "REASON", "lost").ok();
    for kind in ["leave", "join"] {
        let own = bob.next_where("@bob", kind, come(kind)).json;
        assert!(own.get("id").is_some() && own.get("users").is_none(), "{own}");
        let others = alice.next_where("@bob", kind, come(kind)).json;
        assert!(others.get("id").is_none() && others.get("users").is_some(), "{others}");
    }
    bob.ok(json!({"op": "status", "status": "away"}));
    bob.next_where("@bob", "a status", come("status"));
    alice.next_where("@bob", "a status", come("status"));
    let twice = |client: &chat_tests::clients::client::Client, member: &str| {
        let events =
            client.events("@bob").into_iter().filter(|frame| frame.json["type"] == "presence");
        events.filter(|frame| frame.json.get(member).is_some()).count()
    };
    assert_eq!((twice(&bob, "id"), twice(&bob, "users")), (2, 1), "{}", bob.arrived());
    assert_eq!((twice(&alice, "id"), twice(&alice, "users")), (0, 4), "{}", alice.arrived());
}
