//! Messages that are sent again, and requests while Redis is away or a user has lost all rights.

use std::time::Instant;

use chat_tests::clients::answer::Answer;
use chat_tests::clients::http::Http;
use chat_tests::cmd;
use chat_tests::servers::proxy::{Network, Proxy};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::{Issuer, now_s};
use chat_tests::wait::{LATER, eventually, until};
use serde_json::{Value, json};

fn send(http: &Http, body: Value) -> Answer {
    http.call("POST", "/v1/rooms/lobby/messages", Some(&body))
}

#[test]
fn an_idempotency_key_stores_a_message_once() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let alice = Http::new(relay.address()).query("user=alice");
    let with = |key: &str| alice.clone().with("idempotency-key", key);
    let first = send(&with("c0ffee"), json!({"text": "hi"})).ok();
    assert_eq!(send(&with("\"c0ffee\""), json!({"text": "hi"})).ok(), first, "quoted");
    assert_eq!(send(&alice, json!({"text": "hi", "nonce": "c0ffee"})).ok(), first, "in the body");
    let frame = json!({"op": "send", "room": "lobby", "text": "hi", "nonce": "c0ffee"});
    assert_eq!(alice.call("POST", "/v1", Some(&frame)).ok()["ok"], first, "in a frame");
    let other = send(&with("c0ffee"), json!({"text": "other"}));
    assert_eq!(other.problem(), (409, "INVALID".into(), "nonce".into()));
    let differs = send(&with("c0ffee"), json!({"text": "hi", "nonce": "decaf"}));
    assert_eq!(differs.problem(), (400, "INVALID".into(), "nonce".into()));
    for wrong in ["", "two words", "\"open", "\"\"", &"x".repeat(65), &"x".repeat(300)] {
        let refused = send(&with(wrong), json!({"text": "hi"}));
        assert_eq!(refused.problem(), (400, "INVALID".into(), "nonce".into()), "{wrong}");
    }
    let twice = with("a").with("idempotency-key", "a");
    assert_eq!(send(&twice, json!({"text": "hi"})).status, 400);
    let history = alice.get("/v1/rooms/lobby/messages").ok();
    assert_eq!(history["events"].as_array().map(Vec::len), Some(1), "{history}");
}

#[test]
fn a_message_waits_for_redis_and_is_then_to_be_repeated() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.address());
    let relay = Relay::with("r1", &format!("redis://{}", proxy.address()), &[]);
    relay.wait_ready();
    let alice = Http::new(relay.address()).query("user=alice");
    send(&alice, json!({"text": "before"})).ok();
    proxy.set(Network::Drop);
    relay.wait_unready();
    let begun = Instant::now();
    let refused = alice.get("/v1/rooms/lobby");
    assert_eq!(refused.problem(), (503, "UNAVAILABLE".into(), String::new()));
    assert!(refused.header("retry-after").is_some());
    assert!(begun.elapsed().as_secs() < 4, "reading does not wait");

    let begun = Instant::now();
    let refused = send(&alice, json!({"text": "later"}));
    assert_eq!(refused.problem().0, 503);
    let nonce = refused.json()["nonce"].as_str().expect("a nonce").to_owned();
    let waited = begun.elapsed().as_millis();
    assert!((4900..12_000).contains(&waited), "{waited} ms");
    assert!(refused.header("retry-after").is_some());

    // One that waits when Redis comes back is stored.
    let waiting = {
        let alice = alice.clone();
        std::thread::spawn(move || send(&alice, json!({"text": "at once"})))
    };
    eventually("a waiting send", LATER, || match relay.metric("chat_relay_sends_waiting") {
        Some(1.0) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    proxy.set(Network::Open);
    let waited = waiting.join().expect("no panic");
    assert!([200, 503].contains(&waited.status), "{waited:?}");
    let again = alice.clone().with("idempotency-key", &nonce);
    eventually("it to be stored", LATER, || match send(&again, json!({"text": "later"})) {
        answer if answer.status == 200 => Ok(()),
        answer => Err(format!("{answer:?}")),
    });
    send(&again, json!({"text": "later"})).ok();
    let history = alice.get("/v1/rooms/lobby/messages").ok().to_string();
    assert_eq!(history.matches("\"later\"").count(), 1, "{history}");
    assert_eq!(relay.metric("chat_relay_sends_waiting"), Some(0.0));
}

#[test]
fn an_array_of_sends_that_wait_is_bounded_in_time() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.address());
    let relay = Relay::with("r1", &format!("redis://{}", proxy.address()), &[]);
    relay.wait_ready();
    proxy.set(Network::Drop);
    relay.wait_unready();
    let alice = Http::new(relay.address()).query("user=alice");
    let send = |n| json!({"ref": n, "op": "send", "room": "lobby", "text": "hi", "nonce": n});
    let frames: Vec<Value> = (0..32).map(|n| send(n.to_string())).collect();
    let begun = Instant::now();
    let replies = alice.call("POST", "/v1", Some(&json!(frames))).ok();
    assert!(begun.elapsed().as_secs() < 25, "{:?}", begun.elapsed());
    for n in 0..32 {
        assert_eq!(replies[n]["ref"], n.to_string());
        assert_eq!(replies[n]["error"]["code"], "UNAVAILABLE", "{}", replies[n]);
    }
}

#[test]
fn a_token_that_ends_while_frames_wait_ends_what_they_may_do() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.address());
    let issuer = Issuer::new();
    let relay = issuer.relay_at("r1", &format!("redis://{}", proxy.address()), &[]);
    proxy.set(Network::Drop);
    relay.wait_unready();
    // Three seconds are left, with the leeway of 30.
    let token = issuer.token(json!({"sub": "alice", "exp": now_s() - 27}));
    let alice = Http::new(relay.address()).bearer(&token);
    let frames = json!([
        {"op": "send", "room": "lobby", "text": "first"},
        {"op": "join", "room": "lobby"},
        {"op": "send", "room": "lobby", "text": "second"},
    ]);
    let replies = alice.call("POST", "/v1", Some(&frames)).ok();
    assert_eq!(replies[0]["error"]["code"], "UNAVAILABLE", "{replies}");
    for late in [1, 2] {
        let error = &replies[late]["error"];
        assert_eq!((&error["code"], &error["what"]), (&json!("UNAUTHORISED"), &json!("expired")));
    }
}

#[test]
fn a_second_after_a_revocation_no_request_does_anything() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &["--operations-per-second", "100000"]);
    let mut wire = redis.wire();
    let second = std::time::Duration::from_secs(1);
    for (round, suspends) in [true, false, true, false].into_iter().enumerate() {
        let user = format!("bob{round}");
        let token = issuer.token(json!({
            "sub": user,
            "iat": now_s() - 5,
            "exp": now_s() + 600,
        }));
        let bob = Http::new(relay.address()).bearer(&token);
        // Often, so that the answer that is kept is always a fresh one.
        let room = format!("/v1/rooms/{user}/messages");
        bob.call("POST", &room, Some(&json!({"text": "hi"}))).ok();
        let personal = format!("@{user}");
        match suspends {
            true => cmd!(wire, "CHAT.MOD", &personal, "*", "BAN", &user).ok(),
            false => cmd!(wire, "CHAT.ROOM", &personal, "SET", "tokens_after", "now").ok(),
        };
        let acknowledged = Instant::now();
        while acknowledged.elapsed() < second {
            bob.call("POST", &room, Some(&json!({"text": "perhaps"})));
        }
        until(acknowledged + second);
        let last = cmd!(wire, "CHAT.ROOM_RO", &user).get("last").expect("it is there").clone();
        let (status, code) = if suspends { (403, "BANNED") } else { (401, "UNAUTHORISED") };
        let text = json!({"text": "after"});
        let refused = [
            bob.call("POST", &room, Some(&text)),
            bob.get(&room),
            bob.get("/v1/inbox"),
            bob.call("PATCH", &format!("/v1/users/{user}"), Some(&json!({"name": "x"}))),
            bob.call("PUT", &format!("/v1/rooms/{user}/members/{user}"), None),
        ];
        for answer in refused {
            assert_eq!(
                (answer.problem().0, answer.problem().1.as_str()),
                (status, code),
                "{answer:?}"
            );
        }
        let frames = json!([{"op": "send", "room": user, "text": "x"}, {"op": "inbox"}]);
        let answer = bob.call("POST", "/v1", Some(&frames));
        match suspends {
            true => {
                for reply in answer.ok().as_array().expect("replies") {
                    assert_eq!(reply["error"]["code"], code);
                }
            }
            false => assert_eq!(answer.problem().1, code),
        }
        let now = cmd!(wire, "CHAT.ROOM_RO", &user).get("last").expect("it is there").clone();
        assert_eq!(now, last, "nothing has happened");
    }
}
