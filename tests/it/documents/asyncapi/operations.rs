//! The tour's part of operations in rooms: each is asked for what it can answer, and refused in every
//! way.

use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use serde_json::{Value, json};

use super::tour::Tour;

/// A relay that does not limit a tour.
pub(super) fn relay(redis: &Redis, options: &[&str]) -> Relay {
    let options = [&["--operations-per-second", "10000"], options].concat();
    let relay = Relay::with("r1", &redis.url(), &options);
    relay.wait_ready();
    relay
}

/// A request for the room `lobby`, with further members.
pub(super) fn lobby(op: &str, further: Value) -> Value {
    let mut request = json!({"op": op, "room": "lobby"});
    for (name, value) in further.as_object().into_iter().flatten() {
        request[name] = value.clone();
    }
    request
}

/// Messages, and reading them.
pub(super) fn of_messages(tour: &mut Tour) {
    let redis = Redis::start();
    let relay = relay(&redis, &[]);
    let (alice, bob) = (relay.connect("alice"), relay.connect("bob"));
    tour.ok(&alice, lobby("join", json!({})));
    tour.ok(&bob, lobby("join", json!({"since": "0-0"})));
    let hello = json!({"text": "hello", "nonce": "n1"});
    let first = tour.ok(&alice, lobby("send", hello))["id"].clone();
    let mut whole = json!({
        "text": "hi", "kind": "poll", "meta": {"n": 1}, "reply": first, "mentions": ["alice"],
    });
    let second = tour.ok(&bob, lobby("send", whole.clone()))["id"].clone();
    whole["ephemeral"] = true.into();
    assert_eq!(tour.ok(&bob, lobby("send", whole))["id"], Value::Null);
    let react = json!({"id": first, "emoji": "👍"});
    tour.ok(&bob, lobby("react", react.clone()));
    let page = tour.ok(&bob, lobby("history", json!({"before": second, "count": 10})));
    assert_eq!(page["events"][0]["reactions"][0]["count"], 1, "{page}");
    tour.ok(&bob, lobby("react", json!({"id": first, "emoji": "👍", "remove": true})));
    tour.ok(&alice, lobby("edit", json!({"id": first, "text": "hello, all", "meta": {}})));
    tour.ok(&alice, lobby("delete", json!({"id": second, "reason": "a mistake"})));
    tour.ok(&bob, lobby("signal", json!({"name": "typing", "data": {"n": 1}})));
    tour.ok(&bob, lobby("history", json!({"after": "0-0"})));
    let page = tour.ok(&bob, lobby("history", json!({"around": second})));
    assert!(page["events"][1]["deleted"].is_u64(), "{page}");
    let missed = tour.ok(&bob, lobby("subscribe", json!({"since": first})));
    assert_eq!(missed["recovered"], true);
    let reload = tour.ok(&bob, lobby("subscribe", json!({"since": "1-1"})));
    assert_eq!(reload["recovered"], false);
    tour.ok(&bob, lobby("read", json!({"id": second})));
    let page = json!({"cursor": null, "count": 10});
    tour.ok(&bob, lobby("members", json!({"cursor": null, "count": 10, "prefix": "a"})));
    tour.ok(&bob, lobby("who", page.clone()));
    tour.ok(&alice, lobby("sanctions", page));
    tour.ok(&bob, json!({"op": "rooms", "match": "l*", "cursor": null, "count": 10}));
    for op in ["online", "unread"] {
        tour.ok(&bob, json!({"op": op, "rooms": ["lobby", "nowhere"]}));
    }
    let inbox = tour.ok(&bob, json!({"op": "inbox", "cursor": null, "count": 10}));
    assert_eq!(inbox["rooms"][0]["room"], "lobby", "{inbox}");
    tour.ok(&bob, json!({"op": "ping", "ts": 5}));
    tour.ok(&bob, lobby("unsubscribe", json!({})));
    tour.ok(&bob, lobby("leave", json!({})));
    tour.note_all(&[&alice, &bob]);
}

/// Settings, and every code of an error but those of sanctions.
pub(super) fn of_settings(tour: &mut Tour) {
    let redis = Redis::start();
    let relay = relay(&redis, &[]);
    let (alice, bob) = (relay.connect("alice"), relay.connect("bob"));
    tour.ok(&alice, lobby("join", json!({})));
    tour.ok(&bob, lobby("join", json!({})));
    let set = json!({
        "topic": "tea", "description": "all about tea", "max_text": 10, "slow": "60000",
        "history_max": 100, "history_ttl": "86400000", "room_bytes": 2_000_000,
        "log_joins": true, "frozen": "no", "access": "open",
    });
    tour.ok(&alice, lobby("room", json!({"set": set})));
    let own = json!({"name": "Alice", "avatar": "a.png", "status": "here"});
    tour.ok(&alice, json!({"op": "room", "room": "@alice", "set": own}));
    tour.refused(&alice, lobby("room", json!({"set": {"hook": true}})), "DENIED");
    let void = json!({"op": "room", "room": "@alice", "set": {"tokens_after": "now"}});
    tour.refused(&alice, void, "DENIED");
    cmd!(redis, "CHAT.ROOM", "lobby", "SET", "hook", "yes").ok();
    cmd!(redis, "CHAT.ROOM", "@alice", "SET", "tokens_after", 1_000_000_000_000_u64).ok();

    tour.ok(&bob, lobby("send", json!({"text": "once", "nonce": "n1"})));
    tour.refused(&bob, lobby("send", json!({"text": "other", "nonce": "n1"})), "INVALID");
    tour.refused(&bob, lobby("send", json!({"text": "twice"})), "RATELIMIT");
    tour.refused(&alice, lobby("send", json!({"text": "too long for it"})), "TOOBIG");
    tour.ok(&alice, lobby("room", json!({"set": {"frozen": true}})));
    tour.refused(&bob, lobby("send", json!({"text": "frozen"})), "FROZEN");
    tour.refused(&bob, json!({"op": "history", "room": "nowhere"}), "NOROOM");
    cmd!(redis, "SET", "text", "x").ok();
    tour.refused(&bob, json!({"op": "history", "room": "text"}), "WRONGTYPE");
    tour.note_all(&[&alice, &bob]);
}

/// More than fits into one reply.
pub(super) fn that_do_not_fit(tour: &mut Tour) {
    let redis = Redis::with(&["chat.max-text 200000"]);
    let relay = relay(&redis, &["--max-frame", "2000000"]);
    let alice = relay.connect("alice");
    for room in ["long", "longer"] {
        cmd!(redis, "CHAT.SEND", room, "carol", "first").text();
        cmd!(redis, "CHAT.SEND", room, "carol", "x".repeat(150_000)).text();
    }
    let cursors = json!({"long": null, "longer": "0-0", "nowhere": null, "@bob": null});
    let resumed = tour.ok(&alice, json!({"op": "resume", "rooms": cursors}));
    assert_eq!(resumed["rooms"]["longer"]["more"], true, "{resumed:.300}");
    // A quote takes two bytes.
    let names: Vec<String> = (0..1_000).map(|n| format!("{n:0>4}{}", "\"".repeat(196))).collect();
    let unread = tour.ok(&alice, json!({"op": "unread", "rooms": names}));
    assert_eq!(unread["more"], true);
    let users: Vec<String> = (0..100).map(|n| format!("{n:0>3}{}", "\"".repeat(93))).collect();
    let mut wire = redis.wire();
    for user in &users {
        let (room, text) = (format!("@{user}"), "\"".repeat(1_024));
        let (name, status) = (&text[..128], &text[..128]);
        cmd!(wire, "CHAT.ROOM", &room, "SET", "name", name, "avatar", &text, "status", status).ok();
    }
    let profiles = tour.ok(&alice, json!({"op": "profiles", "users": users}));
    assert_eq!(profiles["more"], true);
    tour.note_all(&[&alice]);
}
