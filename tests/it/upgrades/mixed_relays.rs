//! Relays of two versions on one Redis: users do not notice whose relay they are at.

use chat_protocol::close_code;
use chat_tests::checking::checker::Checker;
use chat_tests::checking::faults::{OPTIONS, addresses, relays, relays_of};
use chat_tests::clients::client::Client;
use chat_tests::seed::{rounds, seeded};
use chat_tests::servers::artefacts::{module, old_relay, relay};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::LATER;
use serde_json::{Value, json};

/// An old relay and a new one, on one Redis with the new module.
fn both() -> (Redis, Relay, Relay) {
    let redis = Redis::with_module(module(), &[]);
    let [old, new] = [("old", old_relay()), ("new", relay())].map(|(name, program)| {
        let relay = Relay::of_program(program, name, &redis.url(), OPTIONS);
        relay.wait_ready();
        relay
    });
    (redis, old, new)
}

fn send(client: &Client, room: &str, text: &str) -> Value {
    client.ok(json!({"op": "send", "room": room, "text": text}))["id"].clone()
}

// upgrades.md: **Two versions of the relay**
#[test]
fn users_at_relays_of_two_versions_see_each_other() {
    let (_redis, old, new) = both();
    for (here, there, room) in [(&old, &new, "lobby"), (&new, &old, "hall")] {
        let (alice, bob) = (here.connect("alice"), there.connect("bob"));
        alice.ok(json!({"op": "join", "room": room}));
        bob.ok(json!({"op": "join", "room": room}));
        let of = |user: &'static str, kind: &'static str| {
            move |event: &Value| {
                event["type"] == "presence" && event["user"] == user && event["kind"] == kind
            }
        };
        alice.next_where(room, "bob who comes", of("bob", "join"));
        let id = send(&alice, room, "from here");
        assert_eq!(bob.next_of(room, "message").json["id"], id);
        let edit = json!({"op": "edit", "room": room, "id": id, "text": "from here!"});
        alice.ok(edit);
        assert_eq!(bob.next_of(room, "edit").json["text"], "from here!");
        bob.ok(json!({"op": "react", "room": room, "id": id, "emoji": "👍"}));
        assert_eq!(alice.next_of(room, "react").json["user"], "bob");
        bob.ok(json!({"op": "signal", "room": room, "name": "typing"}));
        alice.next_where(room, "bob's typing", |event| event["name"] == "typing");
        bob.ok(json!({"op": "send", "room": "dm:alice,bob", "text": "psst"}));
        alice.wait_frame("a notice", |frame| frame["type"] == "notice");
        let there = |who: Value| who["list"].as_array().map(Vec::len);
        for client in [&alice, &bob] {
            assert_eq!(there(client.ok(json!({"op": "who", "room": room}))), Some(2));
        }
        bob.ok(json!({"op": "leave", "room": room}));
        alice.next_where(room, "bob who goes", of("bob", "leave"));
    }
}

// upgrades.md: **A client that resumes**
// upgrades.md: **A relay that ends**
// upgrades.md: **Relays go back at any time**
#[test]
fn a_client_resumes_at_a_relay_of_the_other_version() {
    let (_redis, old, new) = both();
    let mut pair = [old, new];
    for _ in 0..2 {
        let [first, second] = &mut pair;
        let (alice, bob) = (first.connect("alice"), second.connect("bob"));
        for client in [&alice, &bob] {
            client.ok(json!({"op": "join", "room": "lobby"}));
        }
        let seen = send(&bob, "lobby", "before");
        alice.next_where("lobby", "the message before", |event| event["id"] == seen);
        drop(alice);
        let missed = send(&bob, "lobby", "missed");
        let again = second.connect("alice");
        let answer = again.ok(json!({"op": "resume", "rooms": {"lobby": seen}}));
        let room = &answer["rooms"]["lobby"];
        assert_eq!(room["recovered"], true, "{answer}");
        let ids: Vec<&Value> =
            room["events"].as_array().into_iter().flatten().map(|event| &event["id"]).collect();
        assert!(ids.contains(&&missed) && !ids.contains(&&seen), "{answer}");
        pair.reverse();
    }
    // What a client of a relay that ends is told.
    let [old, _] = &mut pair;
    let client = old.connect("carol");
    client.ok(json!({"op": "join", "room": "lobby"}));
    old.process().terminate();
    let close = client.wait_closed(LATER);
    assert_eq!(close.code, close_code::DRAIN.number, "{close:?}");
    let reason: Value = serde_json::from_str(&close.reason).expect("JSON");
    assert!(reason["retry_ms"].is_u64(), "{reason}");
}

// upgrades.md: **Two versions of the relay**
#[test]
fn readers_at_relays_of_two_versions_receive_the_same() {
    let mut redis = Redis::with_module(module(), &[]);
    let url = redis.url();
    let mut running = relays_of(old_relay(), &url, &["old1", "old2"]);
    running.extend(relays(&url, &["new1"]));
    let checker = Checker { messages: rounds(100), readers: 6, ..Checker::default() };
    let known = addresses(&running);
    let effects = checker.run(seeded("mixed relays"), &known, &mut redis, |progress, _| {
        progress.wait(0.5);
        known.set(&running[1..].iter().map(Relay::address).collect::<Vec<_>>());
        running[0].process().kill();
    });
    assert_eq!((effects.reloads, effects.lost), (0, 0), "{effects:?}");
}
