//! `chat.create-limit`: how many rooms one user may create on a node.

use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::{Command, Wire};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use chat_tests::{args, cmd};
use serde_json::json;

/// The wait that an error reports, in milliseconds.
#[track_caller]
fn retry_ms(reply: &Reply) -> u64 {
    match reply.error().split_once(' ') {
        Some(("RATELIMIT", ms)) => ms.parse().expect("a number"),
        _ => panic!("{reply:?}"),
    }
}

/// The ways in which a user creates a room.
fn ways(room: &str, user: &str) -> Vec<Command> {
    vec![
        args!["CHAT.SEND", room, user, "hi"],
        args!["CHAT.JOIN", room, user],
        args!["CHAT.JOIN", room, "guest", "BY", user],
        args!["CHAT.ROOM", room, "SET", "topic", "tea", "BY", user],
    ]
}

#[test]
fn a_user_creates_rooms_up_to_the_limit_in_every_way_and_then_waits() {
    let redis = Redis::with(&["chat.create-limit 5/1h"]);
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.SEND", "dm:alice,zoe", "alice", "hi").ok();
    for (n, call) in ways("made", "alice").into_iter().enumerate() {
        cmd!(wire, "DEL", "made").ok();
        let reply = wire.call(&call);
        assert!(!reply.is_error(), "room {n} by {call:?}: {reply:?}");
    }
    let (digest, keys) = (redis.digest(), cmd!(wire, "DBSIZE"));
    let direct = ways("dm:alice,bob", "alice").into_iter().take(2);
    for call in ways("beyond", "alice").into_iter().chain(direct) {
        let wait = retry_ms(&wire.call(&call));
        // One more for each fifth of the hour.
        assert!((700_000..=720_000).contains(&wait), "{call:?}: {wait}");
    }
    assert_eq!((redis.digest(), cmd!(wire, "DBSIZE")), (digest, keys));
    // Existing rooms are used as before, and an error for another reason comes first.
    cmd!(wire, "CHAT.SEND", "made", "alice", "more").ok();
    let absent = cmd!(wire, "CHAT.SEND", "beyond", "alice", "hi", "NOCREATE");
    assert!(absent.error().starts_with("NOROOM"), "{absent:?}");
    // The user's own personal room, other users and the backend are not limited.
    for call in [
        args!["CHAT.PRESENCE", "@alice", "alice", "c1"],
        args!["CHAT.SEND", "bobs", "bob", "hi"],
        args!["CHAT.SEND", "notices", "*", "hi"],
        args!["CHAT.JOIN", "invited", "alice", "BY", "*"],
        args!["CHAT.ROOM", "configured", "SET", "topic", "tea"],
        args!["CHAT.SEND", "dm:alice,carol", "*", "hi"],
    ] {
        wire.call(&call).ok();
    }
    // Removing rooms restores nothing; without the setting nobody waits.
    cmd!(wire, "FLUSHALL").ok();
    retry_ms(&cmd!(wire, "CHAT.SEND", "made", "alice", "hi"));
    cmd!(wire, "CONFIG", "SET", "chat.create-limit", "0").ok();
    for n in 0..20 {
        cmd!(wire, "CHAT.SEND", format!("free-{n}"), "alice", "hi").ok();
    }
}

#[test]
fn rooms_not_created_are_not_counted_and_the_wait_is_exact() {
    let redis = Redis::with(&["chat.create-limit 1/1500ms"]);
    let mut wire = redis.wire();
    let make = |wire: &mut Wire, room: &str| cmd!(wire, "CHAT.SEND", room, "alice", "hi");
    for call in [
        args!["CHAT.SEND", "one", "alice", ""],
        args!["CHAT.ROOM", "one", "SET", "topic", "tea", "max_text", "x", "BY", "alice"],
        args!["CHAT.SEND", "@bob", "alice", "hi"],
        args!["CHAT.SEND", "one", "alice", "hi", "EPHEMERAL"],
    ] {
        assert!(wire.call(&call).is_error(), "{call:?}");
    }
    make(&mut wire, "one").ok();
    let refused_at = redis.clock_ms();
    let wait = retry_ms(&make(&mut wire, "two"));
    assert!((1..=1500).contains(&wait), "{wait}");
    eventually("the end of the wait", LATER, || match make(&mut wire, "two") {
        reply if reply.is_error() => Err(reply.error().to_owned()),
        _ => Ok(()),
    });
    let waited = redis.clock_ms() - refused_at;
    assert!(waited + 20 >= wait, "{waited} ms instead of {wait}");
}

#[test]
fn a_refused_direct_message_creates_no_room_for_the_recipient() {
    let redis = Redis::with(&["chat.create-limit 2/1h"]);
    let relay = Relay::start("r1", &redis);
    let alice = relay.connect("alice");
    let mut codes = Vec::new();
    for n in 0..10 {
        let room = format!("dm:alice,invented{n}");
        let sent = alice.call(json!({"op": "send", "room": room, "text": "hi"}));
        codes.push(sent.err().map(|error| error["code"].clone()));
    }
    assert_eq!(codes.iter().filter(|code| code.is_none()).count(), 2, "{codes:?}");
    assert!(codes.iter().flatten().all(|code| *code == "RATELIMIT"), "{codes:?}");
    let mut keys: Vec<String> =
        cmd!(redis, "KEYS", "*").list().iter().map(|key| key.text().to_owned()).collect();
    keys.sort();
    let expected =
        ["@alice", "@invented0", "@invented1", "dm:alice,invented0", "dm:alice,invented1"];
    assert_eq!(keys, expected);
    // The recipient has it in the list.
    let list = cmd!(redis, "CHAT.FOLLOWS", "@invented1");
    assert_eq!(list.list()[1].list()[0].list()[0].text(), "dm:alice,invented1");
}
