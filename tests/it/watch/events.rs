//! Which events a watcher gets, with which bytes.

use std::time::{Duration, Instant};

use chat_tests::clients::client::Client;
use chat_tests::clients::frames::Frame;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{SOON, eventually, until};
use serde_json::json;

use super::{ids, servers, watch};

fn id_of(sent: &serde_json::Value) -> String {
    sent["id"].as_str().expect("an id").to_owned()
}

#[track_caller]
fn await_ids(client: &Client, room: &str, expected: &[String]) {
    eventually(&format!("the events of {room}"), SOON, || {
        let found = ids(client, room);
        if found == expected { Ok(()) } else { Err(format!("{found:?}, not {expected:?}")) }
    });
}

/// How often a command was called on this server.
fn calls(redis: &Redis, command: &str) -> u64 {
    let stats = cmd!(redis, "INFO", "commandstats").text().to_owned();
    let prefix = format!("cmdstat_{command}:calls=");
    let line = stats.lines().find_map(|line| line.strip_prefix(&prefix)?.split(',').next());
    line.map_or(0, |calls| calls.parse().expect("a number"))
}

#[test]
fn a_watcher_gets_the_bytes_of_all_rooms_that_match() {
    let (redis, relay) = servers();
    let bob = relay.connect("bob");
    let send =
        |room: &str, text: &str| id_of(&bob.ok(json!({"op": "send", "room": room, "text": text})));
    for room in ["support:1", "support:2", "sales:1", "dm:alice,bob"] {
        send(room, "before");
    }
    cmd!(redis, "CHAT.ROOM", "support:2", "SET", "access", "members").ok();
    cmd!(redis, "CHAT.MOD", "support:1", "*", "BAN", "alice").ok();
    // One who receives a room by itself shows the bytes.
    bob.ok(json!({"op": "subscribe", "room": "support:1"}));
    let alice = relay.connect("alice");
    watch(&alice, "support:*");
    assert!(ids(&alice, "support:1").is_empty(), "nothing from before");
    let bytes = |client: &Client| {
        let events = client.events("support:1").into_iter();
        events.filter(|event| event.json["id"].is_string()).map(|event| event.text).collect()
    };
    // One after the other: what is changed before it is read comes as it is then.
    let await_bytes = |count: usize| {
        eventually("the same bytes", SOON, || {
            let (bobs, alices): (Vec<_>, Vec<_>) = (bytes(&bob), bytes(&alice));
            if bobs.len() == count && bobs == alices { Ok(()) } else { Err(alice.arrived()) }
        });
    };
    let first = send("support:1", "hello");
    await_bytes(1);
    bob.ok(json!({"op": "react", "room": "support:1", "id": first, "emoji": "👍"}));
    bob.ok(json!({"op": "signal", "room": "support:1", "name": "typing"}));
    await_bytes(2);
    bob.ok(json!({"op": "edit", "room": "support:1", "id": first, "text": "Hello"}));
    await_bytes(3);
    bob.ok(json!({"op": "delete", "room": "support:1", "id": first}));
    await_bytes(4);
    let is_ephemeral = |event: &Frame| !event.json["id"].is_string();
    assert!(!alice.events("support:1").iter().any(is_ephemeral), "{}", alice.arrived());
    // A room of which she is no member, and one that did not exist.
    let sent = cmd!(redis, "CHAT.SEND", "support:2", "*", "for the team");
    await_ids(&alice, "support:2", &[sent.text().to_owned()]);
    let new = [send("support:new", "one"), send("support:new", "two")];
    await_ids(&alice, "support:new", &new);
    // What does not match, or is no ordinary room, is never sent.
    for room in ["sales:1", "sales:2", "dm:alice,bob"] {
        send(room, "elsewhere");
    }
    let last = send("support:new", "three");
    await_ids(&alice, "support:new", &[&new[..], &[last]].concat());
    for room in ["sales:1", "sales:2", "dm:alice,bob"] {
        assert!(ids(&alice, room).is_empty(), "{room}");
    }
}

#[test]
fn patterns_of_several_watchers_begin_and_end_by_themselves() {
    let (_redis, relay) = servers();
    let (alice, bob, carol) =
        (relay.connect("alice"), relay.connect("bob"), relay.connect("carol"));
    let send = |room: &str| id_of(&carol.ok(json!({"op": "send", "room": room, "text": "hello"})));
    send("a1");
    // Two that overlap, one asked for twice, and several at once.
    let asked = ["a*", "?1", "a*"].map(|it| alice.ask(json!({"op": "watch", "match": it})));
    for reference in asked {
        let reply =
            eventually("an answer", SOON, || alice.reply(reference).ok_or_else(|| alice.arrived()));
        reply.expect("she watches");
    }
    watch(&bob, "b*");
    let (a1, b1, b2) = (send("a1"), send("b1"), send("b2"));
    await_ids(&alice, "a1", std::slice::from_ref(&a1));
    await_ids(&alice, "b1", std::slice::from_ref(&b1));
    await_ids(&bob, "b2", std::slice::from_ref(&b2));
    await_ids(&bob, "b1", std::slice::from_ref(&b1));
    assert!(ids(&bob, "a1").is_empty() && ids(&alice, "b2").is_empty());
    eventually("the count", SOON, || match relay.metric("chat_relay_watches") {
        Some(3.0) => Ok(()),
        count => Err(format!("{count:?}")),
    });
    // One ends; what another one matches still comes.
    alice.ok(json!({"op": "unwatch", "match": "a*"}));
    alice.ok(json!({"op": "unwatch", "match": "never watched"}));
    let (a2, again) = (send("a2"), send("a1"));
    await_ids(&alice, "a1", &[a1, again]);
    watch(&alice, "a2");
    let later = send("a2");
    await_ids(&alice, "a2", &[later]);
    assert!(!ids(&alice, "a2").contains(&a2));
}

#[test]
fn nobody_asks_for_changes_while_nobody_watches() {
    let (redis, relay) = servers();
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "send", "room": "a", "text": "hello"}));
    assert_eq!(calls(&redis, "chat.changes"), 0);
    watch(&alice, "a");
    let other = relay.connect("bob");
    watch(&other, "a*");
    eventually("looks", SOON, || match calls(&redis, "chat.changes") {
        0..10 => Err("few".to_owned()),
        _ => Ok(()),
    });
    // One ends by itself, the other one with its connection.
    alice.ok(json!({"op": "unwatch", "match": "a"}));
    drop(other);
    eventually("no watches", SOON, || match relay.metric("chat_relay_watches") {
        Some(0.0) => Ok(()),
        count => Err(format!("{count:?}")),
    });
    // The last look may be on its way; after it there is none. While somebody watches there are many in
    // such a time.
    let mut before = calls(&redis, "chat.changes");
    eventually("the end of the looks", SOON, || {
        until(Instant::now() + Duration::from_millis(300));
        let now = calls(&redis, "chat.changes");
        if std::mem::replace(&mut before, now) == now { Ok(()) } else { Err(format!("{now}")) }
    });
    // And it begins again.
    watch(&alice, "b*");
    let id = id_of(&alice.ok(json!({"op": "send", "room": "b", "text": "hello"})));
    await_ids(&alice, "b", &[id]);
}

#[test]
fn the_answer_comes_when_all_rooms_are_noted() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "100000"]);
    relay.wait_ready();
    let mut wire = redis.wire();
    let rooms: Vec<String> = (0..5_000).map(|n| format!("room:{n}")).collect();
    let commands: Vec<_> =
        rooms.iter().map(|room| chat_tests::args!["CHAT.SEND", room, "bob", "before"]).collect();
    wire.pipeline(&commands);
    let alice = relay.connect("alice");
    let asked = alice.ask(json!({"op": "watch", "match": "room:*"}));
    // Other requests are answered meanwhile.
    alice.ok(json!({"op": "ping"}));
    eventually("the answer", SOON, || alice.reply(asked).ok_or_else(|| alice.arrived()))
        .expect("she watches");
    let chosen: Vec<&String> = rooms.iter().step_by(50).collect();
    let commands: Vec<_> =
        chosen.iter().map(|room| chat_tests::args!["CHAT.SEND", room, "bob", "after"]).collect();
    let sent = wire.pipeline(&commands);
    for (room, reply) in chosen.iter().zip(&sent) {
        await_ids(&alice, room, &[reply.text().to_owned()]);
    }
    assert!(ids(&alice, "room:1").is_empty());
}

#[test]
fn wrong_patterns_and_too_many_are_refused() {
    let (_redis, relay) = servers();
    let alice = relay.connect("alice");
    for op in ["watch", "unwatch"] {
        for wrong in [json!(null), json!(""), json!(7), json!(["a"]), json!("x".repeat(201))] {
            let refused =
                alice.call(json!({"op": op, "match": wrong})).expect_err("a wrong pattern");
            assert_eq!((&refused["code"], &refused["what"]), (&json!("INVALID"), &json!("match")));
        }
        assert_eq!(alice.call(json!({"op": op})).expect_err("no pattern")["what"], "match");
    }
    for n in 0..19 {
        watch(&alice, &format!("{n}:*"));
    }
    watch(&alice, &"*".repeat(200));
    let refused = alice.call(json!({"op": "watch", "match": "one more"})).expect_err("too many");
    assert_eq!(refused["code"], "DENIED", "{refused}");
    alice.ok(json!({"op": "watch", "match": "3:*"}));
    alice.ok(json!({"op": "unwatch", "match": "3:*"}));
    watch(&alice, "one more");
}

#[test]
fn who_asks_again_and_again_is_answered_each_time_and_watches() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "100000"]);
    relay.wait_ready();
    let mut wire = redis.wire();
    let commands: Vec<_> = (0..5_000)
        .map(|n| chat_tests::args!["CHAT.SEND", format!("room:{n}"), "bob", "before"])
        .collect();
    wire.pipeline(&commands);
    let alice = relay.connect("alice");
    let asked: Vec<u64> =
        (0..300).map(|_| alice.ask(json!({"op": "watch", "match": "room:*"}))).collect();
    let mut counts = [0, 0];
    for reference in asked {
        match eventually("an answer", SOON, || {
            alice.reply(reference).ok_or_else(|| alice.arrived())
        }) {
            Ok(_) => counts[0] += 1,
            Err(error) => {
                assert_eq!(error["code"], "RATELIMIT", "{error}");
                counts[1] += 1;
            }
        }
    }
    assert!(counts[0] >= 16 && counts[0] + counts[1] == 300, "{counts:?}");
    let id = cmd!(wire, "CHAT.SEND", "room:7", "bob", "after").text().to_owned();
    await_ids(&alice, "room:7", &[id]);
}

#[test]
fn a_relay_watches_a_bounded_number_of_different_patterns() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "100000"]);
    relay.wait_ready();
    let clients: Vec<Client> = (0..51).map(|n| relay.connect(&format!("u{n}"))).collect();
    for (n, client) in clients[..50].iter().enumerate() {
        let asked: Vec<u64> = (0..20)
            .map(|m| client.ask(json!({"op": "watch", "match": format!("{n}:{m}:*")})))
            .collect();
        for reference in asked {
            eventually("an answer", SOON, || {
                client.reply(reference).ok_or_else(|| client.arrived())
            })
            .expect("it watches");
        }
    }
    let refused = clients[50].call(json!({"op": "watch", "match": "x"})).expect_err("too many");
    assert_eq!(refused["code"], "DENIED", "{refused}");
    // One that others watch is no other one; and it works.
    watch(&clients[50], "7:7:*");
    let id = id_of(&clients[50].ok(json!({"op": "send", "room": "7:7:a", "text": "hello"})));
    await_ids(&clients[50], "7:7:a", std::slice::from_ref(&id));
    await_ids(&clients[7], "7:7:a", &[id]);
}
