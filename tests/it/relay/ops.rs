//! Every operation of the socket and its reply.

use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

/// Operations and the error of each.
fn wrong_operations() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"op": "dance"}), "INVALID"),
        (json!({"room": "lobby"}), "INVALID"),
        (json!({"op": 1}), "INVALID"),
        (json!({"op": "join"}), "INVALID"),
        (json!({"op": "join", "room": 7}), "INVALID"),
        (json!({"op": "join", "room": "a b"}), "INVALID"),
        (json!({"op": "join", "room": "lobby", "since": "yesterday"}), "INVALID"),
        (json!({"op": "join", "room": "@bob"}), "DENIED"),
        (json!({"op": "join", "room": "dm:bob,carol"}), "NOTMEMBER"),
        (json!({"op": "subscribe", "room": "nowhere"}), "NOROOM"),
        (json!({"op": "subscribe", "room": "closed"}), "NOTMEMBER"),
        (json!({"op": "resume"}), "INVALID"),
        (json!({"op": "resume", "rooms": ["lobby"]}), "INVALID"),
        (json!({"op": "send", "room": "lobby"}), "INVALID"),
        (json!({"op": "send", "room": "lobby", "text": ["x"]}), "INVALID"),
        (json!({"op": "send", "room": "lobby", "text": ""}), "INVALID"),
        (json!({"op": "send", "room": "lobby", "text": "x", "meta": []}), "INVALID"),
        (json!({"op": "send", "room": "lobby", "text": "x", "nonce": "a b"}), "INVALID"),
        (json!({"op": "send", "room": "lobby", "text": "x", "mentions": "bob"}), "INVALID"),
        (json!({"op": "send", "room": "lobby", "text": "x", "kind": "system"}), "DENIED"),
        (json!({"op": "send", "room": "lobby", "text": "x", "reply": "1-1"}), "NOMSG"),
        (json!({"op": "send", "room": "lobby", "text": "x".repeat(5000)}), "TOOBIG"),
        (json!({"op": "send", "room": "closed", "text": "x"}), "NOTMEMBER"),
        (json!({"op": "signal", "room": "lobby"}), "INVALID"),
        (json!({"op": "signal", "room": "lobby", "name": "a b"}), "INVALID"),
        (json!({"op": "signal", "room": "lobby", "name": "notice", "data": {}}), "DENIED"),
        (json!({"op": "signal", "room": "lobby", "name": "x", "data": 1}), "INVALID"),
        (json!({"op": "history", "room": "nowhere"}), "NOROOM"),
        (json!({"op": "history", "room": "closed"}), "NOTMEMBER"),
        (json!({"op": "history", "room": "lobby", "before": "x"}), "INVALID"),
        (json!({"op": "history", "room": "lobby", "count": 0}), "INVALID"),
        (json!({"op": "history", "room": "lobby", "count": "many"}), "INVALID"),
        (json!({"op": "members", "room": "closed"}), "NOTMEMBER"),
        (json!({"op": "who", "room": "closed"}), "NOTMEMBER"),
        (json!({"op": "online", "rooms": "lobby"}), "INVALID"),
        (json!({"op": "rooms", "count": -1}), "INVALID"),
        (json!({"op": "room", "room": "lobby", "set": {"colour": "red"}}), "INVALID"),
        (json!({"op": "room", "room": "lobby", "set": {"BY": "*"}}), "INVALID"),
        (
            json!({"op": "room", "room": "lobby", "set": {"topic": "x", "NOCREATE": "BY"}}),
            "INVALID",
        ),
        (json!({"op": "room", "room": "lobby", "set": {}}), "INVALID"),
        (json!({"op": "online", "rooms": vec!["lobby"; 1001]}), "INVALID"),
        (json!({"op": "unread", "rooms": vec!["lobby"; 1001]}), "INVALID"),
        (json!({"op": "room", "room": "other", "set": {"topic": "mine"}}), "NOTMEMBER"),
        (json!({"op": "status"}), "INVALID"),
        (json!({"op": "status", "status": "x".repeat(65)}), "TOOBIG"),
    ]
}

fn setting() -> (Redis, Relay, Client) {
    let redis = Redis::start();
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.SEND", "closed", "owner", "hidden").ok();
    cmd!(wire, "CHAT.ROOM", "closed", "SET", "access", "members").ok();
    cmd!(wire, "CHAT.SEND", "other", "owner", "open").ok();
    let relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "10000"]);
    relay.wait_ready();
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    (redis, relay, alice)
}

#[test]
fn every_operation_answers_as_documented() {
    let (redis, relay, alice) = setting();
    let bob = relay.connect("bob");
    bob.ok(json!({"op": "join", "room": "lobby"}));
    let id = alice.ok(json!({"op": "send", "room": "lobby", "text": "one"}))["id"].clone();
    let none = alice.ok(json!({"op": "send", "room": "lobby", "text": "two", "ephemeral": true}));
    assert_eq!(none["id"], Value::Null);

    alice.ok(json!({"op": "signal", "room": "lobby", "name": "typing", "data": {"on": true}}));
    let signal = bob.next_of("lobby", "signal").json;
    assert_eq!((&signal["user"], &signal["data"]), (&json!("alice"), &json!({"on": true})));

    let page = alice.ok(json!({"op": "history", "room": "lobby", "count": 10}));
    assert_eq!((&page["last"], &page["more"]), (&id, &json!(false)));
    assert_eq!(page["events"][0]["text"], "one");
    let page = alice.ok(json!({"op": "history", "room": "lobby", "before": id}));
    assert_eq!(page["events"], json!([]));

    let members = alice.ok(json!({"op": "members", "room": "lobby"}));
    let names: Vec<_> = members["members"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|member| (member["user"].clone(), member["role"].clone()))
        .collect();
    assert_eq!(names, [(json!("alice"), json!("owner")), (json!("bob"), json!("member"))]);
    assert_eq!(members["cursor"], Value::Null);

    alice.ok(json!({"op": "status", "status": "in a meeting"}));
    let status = bob.next_where("lobby", "the status", |event| event["kind"] == "status").json;
    assert_eq!(status["status"], "in a meeting");
    let who = bob.ok(json!({"op": "who", "room": "lobby"}));
    assert_eq!((&who["users"], &who["connections"]), (&json!(2), &json!(2)));
    let row =
        who["list"].as_array().and_then(|list| list.iter().find(|row| row["user"] == "alice"));
    assert_eq!(row.map(|row| &row["status"]), Some(&json!("in a meeting")), "{who}");

    let online = alice.ok(json!({"op": "online", "rooms": ["lobby", "@bob", "nowhere"]}));
    assert_eq!(online["counts"], json!({"lobby": 2, "@bob": 1, "nowhere": 0}));

    let rooms = alice.ok(json!({"op": "rooms"}));
    let rooms: Vec<_> = rooms["rooms"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|room| room["room"].as_str().unwrap_or_default())
        .collect();
    assert!(rooms.contains(&"lobby") && rooms.contains(&"other"), "{rooms:?}");
    assert!(!rooms.contains(&"closed"), "not for her: {rooms:?}");

    let room = alice.ok(json!({"op": "room", "room": "lobby", "set": {"topic": "tea"}}));
    assert!(room.to_string().contains("\"topic\":\"tea\""), "{room}");
    let event = bob.next_of("lobby", "room").json;
    assert_eq!((&event["by"], &event["data"]), (&json!("alice"), &json!({"topic": "tea"})));

    let pong = alice.ok(json!({"op": "ping", "ts": 17}));
    assert_eq!(pong["ts"], 17);

    let joined = bob.ok(json!({"op": "subscribe", "room": "other"}));
    assert_eq!((&joined["role"], &joined["events"][0]["text"]), (&Value::Null, &json!("open")));
    let roles = cmd!(redis, "CHAT.MEMBERS", "other");
    assert_eq!(roles.list()[1].list().len(), 1, "subscribing is no membership");
    let follows = cmd!(redis, "CHAT.FOLLOWS", "@alice");
    assert_eq!(follows.list()[1].list()[0].list()[0].text(), "lobby", "joining is following");
}

#[test]
fn every_wrong_operation_is_answered_with_its_error() {
    let (_redis, _relay, alice) = setting();
    let mut failures = Vec::new();
    for (op, expected) in wrong_operations() {
        match alice.call(op.clone()) {
            Ok(ok) => failures.push(format!("{op} was accepted: {ok}")),
            Err(error) => {
                if error["code"] != expected || !error["message"].is_string() {
                    failures.push(format!("{op}: {expected}, not {error}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    alice.ok(json!({"op": "ping"}));
}

#[test]
fn a_ref_of_any_number_or_string_is_returned_unchanged() {
    let (_redis, _relay, alice) = setting();
    for reference in ["\"a\"", "-1.5", "1e3", "\"\\u00e4 \\\"x\\\"\"", "12345678901234567890"] {
        alice.send(Message::text(format!("{{\"op\":\"ping\",\"ref\":{reference}}}")));
        let start = format!("{{\"ref\":{reference},\"ok\":");
        chat_tests::wait::eventually(&start, chat_tests::wait::SOON, || {
            let frames = alice.frames_from(0);
            let found = frames.iter().any(|frame| frame.text.starts_with(&start));
            found.then_some(()).ok_or_else(|| alice.arrived())
        });
    }
    for reference in ["[1]", "{}", "true"] {
        let before = alice.frames_from(0).len();
        alice.send(Message::text(format!("{{\"op\":\"ping\",\"ref\":{reference}}}")));
        chat_tests::wait::eventually("an error", chat_tests::wait::SOON, || {
            let frames = alice.frames_from(before);
            let error = frames.iter().find(|frame| frame.json["error"]["code"] == "INVALID");
            error.map(drop).ok_or_else(|| alice.arrived())
        });
    }
}

#[test]
fn too_many_operations_get_a_retry_time() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "5"]);
    relay.wait_ready();
    let alice = relay.connect("alice");
    let refs: Vec<u64> = (0..50).map(|_| alice.ask(json!({"op": "ping"}))).collect();
    let answers: Vec<_> = refs
        .iter()
        .map(|reference| {
            chat_tests::wait::eventually("an answer", chat_tests::wait::SOON, || {
                alice.reply(*reference).ok_or_else(|| alice.arrived())
            })
        })
        .collect();
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert!((20..50).contains(&refused.len()), "{} of 50", refused.len());
    for error in refused {
        assert_eq!(error["code"], "RATELIMIT");
        assert!(error["retry_ms"].as_u64().is_some_and(|ms| ms > 0), "{error}");
    }
}

#[test]
fn health_metrics_and_the_page_are_served_over_http() {
    let (_redis, relay, _alice) = setting();
    assert_eq!(relay.get("/healthz").0, 200);
    assert_eq!(relay.get("/readyz").0, 200);
    let (status, page) = relay.get("/");
    assert_eq!(status, 200);
    assert!(page.contains("id=\"messages\"") && page.contains("id=\"compose\""), "{page}");
    let (status, metrics) = relay.get("/metrics");
    assert_eq!(status, 200);
    assert!(metrics.contains("# TYPE"), "{metrics}");
    assert_eq!(relay.get("/no/such/page").0, 404);
}
