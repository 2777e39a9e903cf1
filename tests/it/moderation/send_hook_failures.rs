//! The service that judges what users write fails, is flooded, or Redis is away meanwhile.

use std::time::{Duration, Instant};

use chat_tests::checking::view::history;
use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::servers::hook_server::{HookServer, Judge};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use serde_json::{Value, json};

fn send(text: &str, nonce: &str) -> Value {
    json!({"op": "send", "room": "lobby", "text": text, "nonce": nonce})
}

fn room(settings: &[&str]) -> Redis {
    let redis = Redis::with(settings);
    cmd!(redis, "CHAT.ROOM", "lobby", "SET", "hook", "yes").ok();
    redis
}

/// The reply, once it has come.
fn reply(client: &Client, reference: u64) -> Result<Value, Value> {
    let mut found = None;
    eventually("the reply", LATER, || {
        found = client.reply(reference);
        found.as_ref().map(drop).ok_or_else(|| client.arrived())
    });
    found.expect("a reply")
}

fn stored(redis: &Redis) -> Vec<String> {
    let page = history(&mut redis.wire(), "lobby", &[]);
    page.texts().into_iter().map(str::to_owned).collect()
}

#[test]
fn a_failure_lets_pass_only_what_it_may() {
    let redis = room(&[]);
    let hook = HookServer::start();
    let timeout = ["--send-hook-timeout", "500ms"];
    let closed = hook.relay("r1", &redis, &timeout);
    let open = [&timeout[..], &["--send-hook-failure", "open"]].concat();
    let open = hook.relay("r2", &redis, &open);
    let rows = [
        ("silence", Judge::Silence, true),
        ("close", Judge::Close, true),
        ("500", Judge::Status(500, "oops"), true),
        ("503", Judge::Status(503, ""), true),
        ("400", Judge::Status(400, "{\"accept\":true}"), false),
        ("302", Judge::Status(302, "{\"accept\":true}"), false),
        ("201", Judge::Status(201, "{\"accept\":true}"), false),
        ("noise", Judge::Noise, false),
        ("words", Judge::Status(200, "accept"), false),
        ("neither", Judge::With(json!({})), false),
        ("list", Judge::With(json!({"accept": true, "meta": [1]})), false),
    ];
    let (strict, lenient) = (closed.connect("alice"), open.connect("alice"));
    let mut passed = Vec::new();
    for (text, judge, passes) in rows {
        hook.set(text, judge);
        let refused = strict.call(send(text, &format!("c-{text}"))).expect_err("closed");
        assert_eq!(refused["code"], "UNAVAILABLE", "{text}");
        let outcome = lenient.call(send(text, &format!("o-{text}")));
        assert_eq!(outcome.is_ok(), passes, "{text}: {outcome:?}");
        passed.extend(passes.then(|| text.to_owned()));
        // Afterwards the same send is judged anew.
        hook.set(text, Judge::With(json!({"accept": true})));
    }
    assert_eq!(stored(&redis), passed);
    strict.ok(send("silence", "c-silence"));
    for (mut relay, failed, passed) in [(closed, 11.0, 0.0), (open, 7.0, 4.0)] {
        let of = |outcome| {
            relay.metric(&format!("chat_relay_hook_questions_total{{outcome=\"{outcome}\"}}"))
        };
        assert_eq!(of("failed"), Some(failed));
        assert_eq!(of("passed"), Some(passed));
        let logged = relay.process().errors();
        assert!(logged.contains("what users write cannot be judged"), "{logged}");
        for secret in ["of-the-relay", "silence"] {
            assert!(!logged.contains(secret), "{secret} is in the log");
        }
    }
}

#[test]
fn a_service_that_is_not_there_is_a_failure() {
    let redis = room(&[]);
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/judge", gone.local_addr().expect("an address"));
    drop(gone);
    let options = ["--send-hook", &url, "--send-hook-failure", "open"];
    let relay = Relay::with("r1", &redis.url(), &options);
    relay.wait_ready();
    relay.connect("alice").ok(send("passes", "n1"));
    let relay = Relay::with("r2", &redis.url(), &["--send-hook", &url]);
    relay.wait_ready();
    assert_eq!(relay.connect("alice").refused(send("stays out", "n2")), "UNAVAILABLE");
    assert_eq!(stored(&redis), ["passes"]);
}

#[test]
fn questions_go_side_by_side_and_sends_in_their_order() {
    let redis = room(&[]);
    let hook = HookServer::start();
    let open = ["--send-hook-failure", "open", "--send-hook-timeout", "10s"];
    let relay = hook.relay("r1", &redis, &open);
    let alice = relay.connect("alice");
    alice.ok(send("first", "n0"));
    for text in ["a", "b", "c", "d"] {
        hook.hold(text);
    }
    let asked: Vec<u64> =
        ["a", "b", "c", "d"].iter().map(|text| alice.ask(send(text, text))).collect();
    hook.wait_open(4);
    // A fifth is refused at once, and that is no failure that `open` lets pass.
    let refused = alice.call(send("e", "e")).expect_err("too many");
    assert_eq!([&refused["code"], &refused["retry_ms"]], [&json!("RATELIMIT"), &json!(1000)]);
    let other = relay.connect("bob");
    other.ok(send("between", "z"));
    // The last one is judged first.
    for text in ["d", "c", "b"] {
        hook.release(text);
    }
    hook.wait_open(1);
    assert_eq!(stored(&redis), ["first", "between"]);
    hook.reject("b", "no");
    hook.release("a");
    let outcomes: Vec<bool> = asked.iter().map(|asked| reply(&alice, *asked).is_ok()).collect();
    assert_eq!(outcomes, [true; 4]);
    assert_eq!(stored(&redis), ["first", "between", "a", "b", "c", "d"]);
    alice.ok(send("e", "e"));
}

#[test]
fn the_open_questions_of_a_room_are_bounded() {
    let redis = room(&[]);
    let hook = HookServer::start();
    let relay = hook.relay("r1", &redis, &["--send-hook-timeout", "10s"]);
    hook.hold("x");
    // The relay has seen that the room is hooked.
    relay.connect("first").ok(send("first", "n"));
    let users: Vec<Client> = (0..5).map(|n| relay.connect(&format!("user{n}"))).collect();
    let mut asked = Vec::new();
    for (at, user) in users[..4].iter().enumerate() {
        asked.extend((0..4).map(|n| (user, user.ask(send("x", &format!("{at}-{n}"))))));
        hook.wait_open(4 * (at + 1));
    }
    assert_eq!(users[4].refused(send("x", "one-more")), "RATELIMIT");
    // Other rooms have their own bound.
    cmd!(redis, "CHAT.ROOM", "tea", "SET", "hook", "yes").ok();
    users[4].ok(json!({"op": "send", "room": "tea", "text": "y"}));
    hook.release("x");
    for (user, reference) in asked {
        reply(user, reference).expect("stored");
    }
    assert_eq!((hook.most_open(), stored(&redis).len()), (17, 17));
}

#[test]
fn while_redis_is_away_sends_wait_and_nobody_sees_what_was_not_judged() {
    let mut redis = Redis::durable();
    cmd!(redis, "CHAT.ROOM", "lobby", "SET", "hook", "yes").ok();
    let hook = HookServer::start();
    hook.reject("spam", "no");
    let relay = hook.relay("r1", &redis, &["--offline", "local"]);
    let (alice, bob) = (relay.connect("alice"), relay.connect("bob"));
    for client in [&alice, &bob] {
        client.ok(json!({"op": "join", "room": "lobby"}));
    }
    redis.kill();
    relay.wait_unready();
    // More than may be asked at once: they wait for each other.
    let texts = ["one", "spam", "two", "three", "four", "five", "six"];
    let asked: Vec<u64> = texts.iter().map(|text| alice.ask(send(text, text))).collect();
    let at_once = alice.refused(json!({"op": "signal", "room": "lobby", "name": "x", "data": {}}));
    assert_eq!(at_once, "UNAVAILABLE");
    assert_eq!(hook.texts(), [""; 0], "whether the room is hooked is not known");
    redis.restart();
    let outcomes: Vec<bool> = asked.iter().map(|asked| reply(&alice, *asked).is_ok()).collect();
    assert_eq!(outcomes, [true, false, true, true, true, true, true]);
    assert_eq!(stored(&redis), ["one", "two", "three", "four", "five", "six"]);
    assert_eq!(hook.texts(), texts);
    bob.next_where("lobby", "the last one", |event| event["text"] == "six");
    let shown = |client: &Client| client.events("lobby").iter().any(|e| e.json["local"] == true);
    assert!(!shown(&bob) && !shown(&alice));
    // A place that was lost with a connection has come back.
    let gone = relay.connect("carol");
    hook.hold("gone");
    for n in 0..4 {
        gone.ask(send("gone", &format!("g{n}")));
    }
    hook.wait_open(4);
    drop(gone);
    hook.release("gone");
    eventually("places", Duration::from_secs(30), || {
        match relay.metric("chat_relay_hook_questions") {
            Some(0.0) => Ok(()),
            open => Err(format!("{open:?}")),
        }
    });
}

#[test]
fn a_slow_verdict_is_waited_for_once_and_holds_back_no_other_room() {
    let redis = room(&[]);
    let hook = HookServer::start();
    let relay = hook.relay("r1", &redis, &["--send-hook-timeout", "10s"]);
    let alice = relay.connect("alice");
    hook.hold("slow");
    let (begun, asked) = (Instant::now(), alice.ask(send("slow", "n")));
    hook.wait_open(1);
    alice.ok(json!({"op": "send", "room": "elsewhere", "text": "hi"}));
    alice.ok(json!({"op": "history", "room": "elsewhere"}));
    // A node of Redis that takes longer than this second counts as silent.
    eventually("more than a second", LATER, || match begun.elapsed() {
        waited if waited > Duration::from_millis(1200) => Ok(()),
        waited => Err(format!("{waited:?}")),
    });
    hook.release("slow");
    reply(&alice, asked).expect("stored");
    assert_eq!((stored(&redis), hook.texts()), (vec!["slow".to_owned()], vec!["slow".to_owned()]));
}

#[test]
fn a_verdict_holds_until_the_message_is_stored() {
    let mut redis = Redis::durable();
    cmd!(redis, "CHAT.ROOM", "lobby", "SET", "hook", "yes").ok();
    let hook = HookServer::start();
    let relay = hook.relay("r1", &redis, &["--send-hook-timeout", "10s"]);
    let alice = relay.connect("alice");
    hook.set("one", Judge::With(json!({"accept": true, "text": "another"})));
    hook.hold("one");
    let asked = alice.ask(send("one", "n"));
    hook.wait_open(1);
    redis.kill();
    relay.wait_unready();
    hook.release("one");
    hook.wait_open(0);
    redis.restart();
    reply(&alice, asked).expect("stored");
    assert_eq!(stored(&redis), ["another"]);
    assert_eq!(hook.texts(), ["one"], "asked once");
}
