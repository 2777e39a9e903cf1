//! Who may watch what.

use chat_tests::clients::client::Client;
use chat_tests::clients::http::Http;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::Issuer;
use chat_tests::wait::{SOON, eventually};
use serde_json::{Value, json};

use super::{ids, servers, watch};

#[track_caller]
fn denied(client: &Client, pattern: &str) {
    let refused = client.call(json!({"op": "watch", "match": pattern})).expect_err(pattern);
    assert_eq!(
        (&refused["code"], &refused["what"]),
        (&json!("DENIED"), &json!("scope")),
        "{pattern}"
    );
}

#[test]
fn a_token_says_which_patterns_may_be_watched() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &["--jwt-backend", "--anonymous"]);
    let connect = |user: &str, further: Value| {
        Client::connect_with_token(relay.address(), user, &issuer.token_of(user, further))
    };
    // The claim `rooms` bounds what she receives, and does not bound what she watches.
    let alice = connect("alice", json!({"chat": {"watch": ["support:*", "status"], "rooms": []}}));
    watch(&alice, "support:*");
    watch(&alice, "support:eu:*");
    watch(&alice, "status");
    for pattern in ["*", "support*", "status*", "sales:*", "s"] {
        denied(&alice, pattern);
    }
    assert_eq!(alice.refused(json!({"op": "subscribe", "room": "support:1"})), "DENIED");
    let sent = cmd!(redis, "CHAT.SEND", "support:1", "bob", "hello").text().to_owned();
    eventually("the event", SOON, || match ids(&alice, "support:1") {
        found if found == [sent.clone()] => Ok(()),
        _ => Err(alice.arrived()),
    });
    // Without the claim nothing, with `chat:backend` everything.
    denied(&connect("bob", json!({"chat": {}})), "support:*");
    denied(&connect("bob", json!({"scope": "chat:read chat:moderate"})), "support:*");
    watch(&connect("bot", json!({"scope": "chat:backend"})), "*");
    denied(&Client::connect_as_guest(relay.address()), "support:*");
}

#[test]
fn a_newer_token_without_the_claim_ends_watching_at_once() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &[]);
    let token = |watch: Value| issuer.token_of("alice", json!({"chat": {"watch": watch}}));
    let alice = Client::connect_with_token(relay.address(), "alice", &token(json!(["a*", "b*"])));
    watch(&alice, "a*");
    watch(&alice, "b1");
    let send = |room: &str| cmd!(redis, "CHAT.SEND", room, "bob", "hello").text().to_owned();
    alice.ok(json!({"op": "auth", "token": token(json!(["b*"]))}));
    let ended = eventually("the end of the first", SOON, || {
        let frames = alice.frames_from(0);
        let frame = frames.into_iter().find(|frame| frame.json["type"] == "watch");
        frame.ok_or_else(|| alice.arrived())
    });
    let expected = json!({"type": "watch", "match": "a*", "code": "DENIED", "what": "scope"});
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(ended.json[name], *value, "{}", ended.text);
    }
    let (_, kept) = (send("a1"), send("b1"));
    eventually("what is still watched", SOON, || match ids(&alice, "b1") {
        found if found == [kept.clone()] => Ok(()),
        _ => Err(alice.arrived()),
    });
    assert!(ids(&alice, "a1").is_empty());
    denied(&alice, "a*");
}

#[test]
fn only_sockets_watch() {
    let (_redis, relay) = servers();
    let answer = Http::new(relay.address()).call("POST", "/v1/watch", Some(&json!({"match": "a"})));
    assert_eq!(answer.status, 404, "{answer:?}");
}

#[test]
fn a_relay_whose_user_may_not_ask_for_changes_serves_all_the_rest() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.relay_user(), &[]);
    relay.wait_ready();
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "a"}));
    for _ in 0..3 {
        assert_eq!(alice.refused(json!({"op": "watch", "match": "a*"})), "UNAVAILABLE");
        // The server is still good for everything else.
        alice.ok(json!({"op": "send", "room": "a", "text": "hello"}));
        assert_eq!(relay.get("/readyz").0, 200);
    }
}
