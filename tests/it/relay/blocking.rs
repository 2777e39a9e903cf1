//! Blocking: the block in the personal room, its copy in the direct room, and what finds a block that
//! is in the personal room alone.

use chat_tests::clients::client::Client;
use chat_tests::clients::http::Http;
use chat_tests::clients::reply::Reply;
use chat_tests::cmd;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::store::Store;
use chat_tests::wait::{SOON, eventually};
use serde_json::{Value, json};

const DIRECT: &str = "dm:alice,bob";

fn message(text: &str) -> Value {
    json!({"op": "send", "room": DIRECT, "text": text})
}

fn block(owner: &str, action: &str, user: &str) -> Value {
    json!({"op": "mod", "room": format!("@{owner}"), "action": action, "user": user})
}

/// The mute of a user in the direct room: its end, 0 for ever. None: there is none.
fn muted_until(redis: &Redis, user: &str) -> Option<i64> {
    let reply = cmd!(redis, "CHAT.SANCTIONS", DIRECT).ok();
    let rows = reply.list()[1].list();
    let row = rows.iter().find(|row| row.list()[0].text() == user)?;
    match &row.list()[2] {
        Reply::Nil => None,
        until => Some(until.int()),
    }
}

#[track_caller]
fn assert_blocked(client: &Client, op: Value) {
    let error = client.call(op.clone()).expect_err("blocked");
    assert_eq!(error["code"], "BANNED", "{op}: {error}");
}

/// How often Redis has run this command.
fn calls(redis: &Redis, command: &str) -> u64 {
    let info = cmd!(redis, "INFO", "commandstats").text().to_owned();
    let line = info.lines().find(|line| line.starts_with(&format!("cmdstat_{command}:")));
    let calls = line.and_then(|line| line.split("calls=").nth(1)?.split(',').next()?.parse().ok());
    calls.unwrap_or(0)
}

#[test]
fn a_block_and_its_end_are_written_in_both_rooms() {
    let redis = Redis::start();
    let [r1, r2] = Relay::pair(&redis);
    let (alice, bob) = (r1.connect("alice"), r2.connect("bob"));
    alice.ok(message("before"));
    alice.ok(message("the connection has checked"));
    assert_eq!(bob.ok(block("bob", "ban", "alice")), json!({"changed": true}));
    assert_eq!(muted_until(&redis, "alice"), Some(0));
    assert_blocked(&alice, message("x"));
    bob.ok(message("the other direction"));
    assert_eq!(bob.ok(block("bob", "ban", "alice")), json!({"changed": false}));
    // In turn: each has a block of their own.
    assert_eq!(alice.ok(block("alice", "ban", "bob")), json!({"changed": true}));
    assert_blocked(&bob, message("x"));
    assert_eq!(bob.ok(block("bob", "unban", "alice")), json!({"changed": true}));
    assert_eq!((muted_until(&redis, "alice"), muted_until(&redis, "bob")), (None, Some(0)));
    alice.ok(message("again"));
    assert_blocked(&bob, message("x"));
    assert_eq!(alice.ok(block("alice", "unban", "bob")), json!({"changed": true}));
    assert_eq!(alice.ok(block("alice", "unban", "bob")), json!({"changed": false}));
    bob.ok(message("again"));
}

#[test]
fn a_block_for_a_time_is_a_mute_for_that_time() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let (alice, bob) = (relay.connect("alice"), relay.connect("bob"));
    alice.ok(message("before"));
    let mut timed = block("bob", "ban", "alice");
    timed["for_ms"] = json!(60_000);
    bob.ok(timed.clone());
    let until = muted_until(&redis, "alice").expect("muted");
    let error = alice.call(message("x")).expect_err("blocked");
    assert_eq!((&error["code"], error["until_ms"].as_i64().is_some()), (&json!("BANNED"), true));
    assert!(until > 0, "{until}");
    timed["for_ms"] = json!(100);
    bob.ok(timed);
    eventually("the end of the block", SOON, || {
        alice.call(message("after")).map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn a_block_in_the_personal_room_alone_is_found_once_and_copied() {
    let redis = Redis::start();
    let [r1, r2] = Relay::pair(&redis);
    let (alice, bob) = (r1.connect("alice"), r2.connect("bob"));
    let id = alice.ok(message("before"))["id"].clone();
    bob.ok(json!({"op": "subscribe", "room": DIRECT}));
    cmd!(redis, "CHAT.MOD", "@bob", "*", "BAN", "alice").ok();
    assert_eq!(muted_until(&redis, "alice"), None);
    // Whatever a connection does first there: another relay, and after a reconnect.
    for relay in [&r2, &r1] {
        cmd!(redis, "CHAT.MOD", DIRECT, "*", "UNMUTE", "alice").ok();
        for op in [
            message("x"),
            json!({"op": "send", "room": DIRECT, "text": "x", "ephemeral": true}),
            json!({"op": "edit", "room": DIRECT, "id": id, "text": "x"}),
            json!({"op": "react", "room": DIRECT, "id": id, "emoji": "x"}),
            json!({"op": "signal", "room": DIRECT, "name": "typing"}),
            json!({"op": "delete", "room": DIRECT, "id": id, "reason": "for you"}),
        ] {
            cmd!(redis, "CHAT.MOD", DIRECT, "*", "UNMUTE", "alice").ok();
            assert_blocked(&relay.connect("alice"), op.clone());
            assert_eq!(muted_until(&redis, "alice"), Some(0), "{op}");
        }
    }
    // Now also on the connection that had checked before.
    assert_blocked(&alice, message("x"));
    let events = bob.events(DIRECT);
    let written = |frame: &Value| frame["user"] == "alice" && frame["type"] != "member";
    assert!(!events.iter().any(|frame| written(&frame.json)), "{}", bob.arrived());
    bob.ok(block("bob", "unban", "alice"));
    alice.ok(message("again"));
}

#[test]
fn a_block_before_the_first_message_creates_no_room_and_holds() {
    let redis = Redis::start();
    let [r1, r2] = Relay::pair(&redis);
    let (alice, bob) = (r1.connect("alice"), r2.connect("bob"));
    assert_eq!(bob.ok(block("bob", "ban", "alice")), json!({"changed": true}));
    assert_eq!(cmd!(redis, "EXISTS", DIRECT).int(), 0);
    for _ in 0..2 {
        assert_blocked(&alice, message("x"));
    }
    assert_eq!(cmd!(redis, "EXISTS", DIRECT).int(), 0);
    // Bob may write; then alice's next attempt copies the block.
    bob.ok(message("I do not want to hear from you"));
    assert_blocked(&alice, message("x"));
    assert_eq!(muted_until(&redis, "alice"), Some(0));
    assert_eq!(bob.ok(block("bob", "unban", "alice")), json!({"changed": true}));
    alice.ok(message("hi"));
}

#[test]
fn a_deleted_direct_room_takes_the_answer_with_it() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let (alice, bob) = (relay.connect("alice"), relay.connect("bob"));
    for text in ["one", "two", "three"] {
        alice.ok(message(text));
    }
    cmd!(redis, "DEL", DIRECT).ok();
    alice.ok(message("the room is new"));
    alice.ok(message("and known"));
    bob.ok(block("bob", "ban", "alice"));
    cmd!(redis, "DEL", DIRECT).ok();
    assert_blocked(&alice, message("x"));
    assert_eq!(cmd!(redis, "EXISTS", DIRECT).int(), 0);
}

#[test]
fn a_connection_asks_once_and_a_request_without_connection_each_time() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let (alice, _bob) = (relay.connect("alice"), relay.connect("bob"));
    // The first creates the room, the second finds it.
    for text in ["one", "two"] {
        alice.ok(message(text));
    }
    let before = ["chat.room_ro", "chat.history", "chat.send"].map(|name| calls(&redis, name));
    for n in 0..20 {
        alice.ok(message(&n.to_string()));
    }
    let after = ["chat.room_ro", "chat.history", "chat.send"].map(|name| calls(&redis, name));
    assert_eq!(after[..2], before[..2], "nothing but the message and its notice");
    assert_eq!(after[2] - before[2], 20);
    // A backend's block is not found by a connection that has asked, but by any other way.
    cmd!(redis, "CHAT.MOD", "@bob", "*", "BAN", "alice").ok();
    alice.ok(message("stored: the documents name this"));
    let http = Http::new(relay.address()).query("user=alice");
    let body = json!({"text": "x"});
    let answer = http.call("POST", "/v1/rooms/dm:alice,bob/messages", Some(&body));
    assert_eq!(answer.status, 403, "{}", answer.body);
    assert_blocked(&alice, message("x"));
}

#[test]
fn a_mute_in_the_direct_room_alone_is_a_block_there() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let (alice, bob) = (relay.connect("alice"), relay.connect("bob"));
    alice.ok(message("before"));
    let mute = |action: &str, user: &str| json!({"op": "mod", "room": DIRECT, "action": action, "user": user});
    assert_eq!(bob.ok(mute("mute", "alice")), json!({"changed": true}));
    assert_blocked(&alice, message("x"));
    assert_eq!(alice.refused(mute("unmute", "alice")), "DENIED");
    assert_eq!(alice.refused(mute("kick", "bob")), "INVALID");
    // Unblocking takes it back, too.
    assert_eq!(bob.ok(block("bob", "unban", "alice")), json!({"changed": true}));
    alice.ok(message("again"));
}

#[test]
fn a_block_and_its_end_at_once_leave_both_rooms_alike() {
    let redis = Redis::start();
    let [r1, r2] = Relay::pair(&redis);
    let (alice, bob, phone) = (r1.connect("alice"), r1.connect("bob"), r2.connect("bob"));
    alice.ok(message("before"));
    for turn in 0..40 {
        let (first, second) = if turn % 2 == 0 { ("ban", "unban") } else { ("unban", "ban") };
        let asked =
            [bob.ask(block("bob", first, "alice")), phone.ask(block("bob", second, "alice"))];
        eventually("both replies", SOON, || {
            let replies = [bob.reply(asked[0]), phone.reply(asked[1])];
            replies.iter().all(Option::is_some).then_some(()).ok_or("not yet".to_owned())
        });
        let banned = cmd!(redis, "CHAT.ROOM_RO", "@bob", "AS", "alice");
        let banned = banned.is_error() && banned.error().starts_with("BANNED");
        assert_eq!(muted_until(&redis, "alice").is_some(), banned, "turn {turn}");
    }
}

#[test]
fn a_block_whose_copy_fails_holds_and_can_be_repeated() {
    let redis = Redis::start();
    let [relay, _] = Relay::pair(&redis);
    let (alice, bob) = (relay.connect("alice"), relay.connect("bob"));
    cmd!(redis, "SET", DIRECT, "no room").ok();
    assert_eq!(bob.refused(block("bob", "ban", "alice")), "WRONGTYPE");
    cmd!(redis, "DEL", DIRECT).ok();
    let banned = cmd!(redis, "CHAT.ROOM_RO", "@bob", "AS", "alice");
    assert!(banned.error().starts_with("BANNED"), "the first write stays: {banned:?}");
    assert_blocked(&alice, message("x"));
    assert_eq!(cmd!(redis, "EXISTS", DIRECT).int(), 0, "what is refused creates no room");
    bob.ok(message("he may still write"));
    assert_eq!(muted_until(&redis, "alice"), None);
    assert_eq!(bob.ok(block("bob", "ban", "alice")), json!({"changed": true}), "the copy");
    assert_eq!(muted_until(&redis, "alice"), Some(0));
    assert_eq!(bob.ok(block("bob", "ban", "alice")), json!({"changed": false}));
}

#[test]
fn the_two_rooms_may_lie_on_different_nodes() {
    let shape = Shape { primaries: 3, replicas: 0, settings: &[], has_proxies: false };
    let cluster = Cluster::with(&shape);
    let relay = Relay::with("r1", &cluster.url(), &[]);
    relay.wait_for_answer(200, "ready\n");
    let alice = relay.connect("alice");
    // Of several others, not all personal rooms share a node with the direct room.
    for other in ["bob", "carol", "dave", "erin", "zoe"] {
        let (room, own) = (format!("dm:alice,{other}"), format!("@{other}"));
        let client = relay.connect(other);
        let send = json!({"op": "send", "room": room, "text": "x"});
        alice.ok(send.clone());
        client.next_where(&own, "a notice", |event| event["data"]["kind"] == "direct");
        client.ok(block(other, "ban", "alice"));
        assert_eq!(alice.refused(send.clone()), "BANNED");
        let rows = cmd!(cluster.wire_to(&room), "CHAT.SANCTIONS", &room);
        assert_eq!(rows.list()[1].list().len(), 1, "{rows:?}");
        client.ok(block(other, "unban", "alice"));
        alice.ok(send.clone());
        cmd!(cluster.wire_to(&own), "CHAT.MOD", &own, "*", "BAN", "alice").ok();
        assert_eq!(relay.connect("alice").refused(send), "BANNED", "found");
    }
}
