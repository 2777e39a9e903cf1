//! The tour's part of outages: Redis is away, or does not serve some rooms.

use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use serde_json::json;

use super::operations::{lobby, relay};
use super::tour::Tour;

/// Redis is away, and comes back.
pub(super) fn of_redis(tour: &mut Tour) {
    let mut redis = Redis::durable();
    let relay = Relay::with("r1", &redis.url(), &["--offline", "local"]);
    relay.wait_ready();
    let alice = relay.connect("alice");
    tour.ok(&alice, lobby("join", json!({})));
    redis.kill();
    relay.wait_unready();
    let text = "x".repeat(5_000);
    alice.ask(lobby("send", json!({"text": "hi", "meta": {"n": 1}, "reply": "1-1"})));
    alice.ask(lobby("send", json!({"text": text, "nonce": "n1"})));
    alice.next_where("lobby", "a local message", |event| event["nonce"] == "n1");
    alice.wait_frame("that Redis is away", |frame| frame["state"] == "away");
    redis.restart();
    alice.next_where("lobby", "an end", |event| {
        event["type"] == "withdraw" && event["nonce"] == "n1"
    });
    tour.note_all(&[&alice]);
}

/// A cluster of one node lacks a slot, then another.
pub(super) fn of_a_part(tour: &mut Tour) {
    let redis = Redis::with(&["cluster-enabled yes", "cluster-require-full-coverage no"]);
    let mut wire = redis.wire();
    let slot = cmd!(wire, "CLUSTER", "KEYSLOT", "lost").int();
    for (first, last) in [(0, slot - 1), (slot + 1, 16_383)] {
        cmd!(wire, "CLUSTER", "ADDSLOTSRANGE", first.to_string(), last.to_string()).ok();
    }
    eventually("the server", LATER, || {
        let joined = cmd!(wire, "CHAT.JOIN", "kept", "dora");
        if joined.is_error() { Err(format!("{joined:?}")) } else { Ok(()) }
    });
    cmd!(wire, "CHAT.FOLLOW", "@dora", "kept", "lost").ok();
    let relay = relay(&redis, &[]);
    let dora = relay.connect("dora");
    let rooms = json!({"op": "unread", "rooms": ["kept", "lost"]});
    eventually("an answer with a part only", LATER, || match tour.ask(&dora, rooms.clone()) {
        Ok(ok) if ok["rooms"]["lost"]["error"].is_object() => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let inbox = tour.ok(&dora, json!({"op": "inbox"}));
    assert_eq!(inbox["rooms"][1]["error"]["code"], "UNAVAILABLE", "{inbox}");
    assert_eq!(tour.ok(&dora, json!({"op": "rooms"}))["incomplete"], true);
    tour.ok(&dora, json!({"op": "subscribe", "room": "kept"}));
    let slot = cmd!(wire, "CLUSTER", "KEYSLOT", "kept").int();
    cmd!(wire, "CLUSTER", "DELSLOTS", slot.to_string()).ok();
    dora.wait_frame("that its room is away", |frame| frame["rooms"] == json!(["kept"]));
    tour.note_all(&[&dora]);
}
