//! Redis goes away and returns: sockets stay open, nothing acknowledged is lost.

use std::time::Duration;

use chat_tests::checking::view::history;
use chat_tests::cmd;
use chat_tests::servers::proxy::{Network, Proxy};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use serde_json::json;

#[test]
fn a_thousand_sends_survive_kill_9_and_the_relays_reconnect_by_themselves() {
    let mut redis = Redis::durable();
    let options = ["--operations-per-second", "100000"];
    let (r1, r2) =
        (Relay::with("r1", &redis.url(), &options), Relay::with("r2", &redis.url(), &options));
    r1.wait_ready();
    r2.wait_ready();
    let (alice, bob) = (r1.connect("alice"), r2.connect("bob"));
    alice.ok(json!({"op": "join", "room": "lobby"}));
    bob.ok(json!({"op": "join", "room": "lobby"}));
    let mut ids = Vec::new();
    for batch in 0..10 {
        let asked: Vec<u64> = (0..100)
            .map(|n| {
                alice.ask(json!({"op": "send", "room": "lobby", "text": format!("{batch}:{n}")}))
            })
            .collect();
        for reference in asked {
            let answer = eventually("an acknowledgement", LATER, || {
                alice.reply(reference).ok_or_else(|| alice.arrived())
            });
            ids.push(answer.expect("accepted")["id"].as_str().expect("an id").to_owned());
        }
    }
    redis.kill();
    r1.wait_unready();
    assert_eq!(alice.refused(json!({"op": "history", "room": "lobby"})), "UNAVAILABLE");
    // A waiting send is acknowledged when it is stored and not before.
    let waiting = alice.ask(json!({"op": "send", "room": "lobby", "text": "while away"}));
    alice.ok(json!({"op": "ping"}));
    assert!(alice.reply(waiting).is_none(), "{}", alice.arrived());
    redis.restart();
    r1.wait_ready();
    r2.wait_ready();
    let stored = eventually("the waiting send", LATER, || {
        alice.reply(waiting).ok_or_else(|| alice.arrived())
    });
    ids.push(stored.expect("accepted")["id"].as_str().expect("an id").to_owned());
    ids.push(
        bob.ok(json!({"op": "send", "room": "lobby", "text": "after"}))["id"]
            .as_str()
            .expect("an id")
            .to_owned(),
    );
    let mut wire = redis.wire();
    let kept = history(&mut wire, "lobby", &["AFTER", "0-0", "COUNT", "1000"]);
    let rest = history(&mut wire, "lobby", &["AFTER", &kept.newest_of_page(), "COUNT", "1000"]);
    let kept: Vec<&str> = kept.ids().into_iter().chain(rest.ids()).collect();
    assert_eq!(kept, ids);
    for client in [&alice, &bob] {
        let what = format!("everything for {}", client.user);
        eventually(&what, LATER, || {
            let events = client.events("lobby");
            let seen: Vec<_> =
                events.iter().filter_map(|event| event.json["id"].as_str()).collect();
            if seen == ids { Ok(()) } else { Err(format!("{} of {}", seen.len(), ids.len())) }
        });
        assert!(client.closed().is_none(), "the socket stayed open");
    }
    let online = eventually("both to be present again", LATER, || {
        match cmd!(wire, "CHAT.ONLINE", "lobby").list()[0].int() {
            2 => Ok(2),
            other => Err(format!("{other} online")),
        }
    });
    assert_eq!(online, 2);
}

#[test]
fn a_redis_that_answers_nothing_is_detected() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.address());
    let url = format!("redis://{}", proxy.address());
    let relay = Relay::with("r1", &url, &["--probe", "500ms"]);
    relay.wait_ready();
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    for network in [Network::Stall, Network::Drop] {
        proxy.set(network);
        relay.wait_unready();
        // Meanwhile another client writes.
        let id = cmd!(redis, "CHAT.SEND", "lobby", "bob", format!("{network:?}")).text().to_owned();
        proxy.set(Network::Open);
        if network == Network::Stall {
            // Stalled bytes are lost, as if the peer had vanished.
            proxy.cut();
        }
        relay.wait_ready();
        let event =
            alice.next_where("lobby", "what was written meanwhile", |event| event["id"] == id);
        assert_eq!(event.json["user"], "bob", "{network:?}");
    }
    let texts: Vec<_> = alice
        .events("lobby")
        .iter()
        .filter_map(|e| e.json["text"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(texts, ["Stall", "Drop"], "each once");
}

#[test]
fn a_relay_may_start_before_its_redis() {
    let mut redis = Redis::start();
    redis.kill();
    let relay = Relay::with("r1", &redis.url(), &[]);
    assert_eq!(relay.get("/healthz").0, 200);
    assert_ne!(relay.get("/readyz").0, 200);
    redis.restart();
    relay.wait_ready();
    relay.connect("alice").ok(json!({"op": "join", "room": "lobby"}));
}

#[test]
fn a_subscription_that_is_killed_makes_no_join_or_read_fail() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "10000"]);
    relay.wait_ready();
    let alice = relay.connect("alice");
    let mut wire = redis.wire();
    for n in 0..20 {
        cmd!(wire, "CLIENT", "KILL", "TYPE", "pubsub").ok();
        let room = format!("room{n}");
        alice.ok(json!({"op": "join", "room": room}));
        alice.ok(json!({"op": "history", "room": room}));
        alice.ok(json!({"op": "unread", "rooms": [room]}));
    }
}

#[test]
fn a_subscription_that_is_killed_loses_nothing() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    let mut wire = redis.wire();
    let mut ids = Vec::new();
    for n in 0..30 {
        cmd!(wire, "CLIENT", "KILL", "TYPE", "pubsub").ok();
        ids.push(cmd!(wire, "CHAT.SEND", "lobby", "bob", format!("m{n}")).text().to_owned());
    }
    eventually("all thirty", LATER + Duration::from_secs(10), || {
        let events = alice.events("lobby");
        let seen: Vec<_> = events.iter().filter_map(|event| event.json["id"].as_str()).collect();
        if seen == ids { Ok(()) } else { Err(format!("{seen:?}\n{}", alice.arrived())) }
    });
}
