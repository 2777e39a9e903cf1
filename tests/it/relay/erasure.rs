//! A user is erased while clients read: what they show is what the store shows, and whoever comes
//! later hears neither texts nor the name.

use chat_tests::checking::fold::{Folded, comparable};
use chat_tests::checking::view::history;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use serde_json::{Value, json};

fn page(answer: &Value) -> Folded {
    let last = answer["last"].as_str().expect("an id");
    Folded::page(last, answer["events"].as_array().expect("events"))
}

#[test]
fn readers_drop_what_an_erased_user_left() {
    let redis = Redis::start();
    let [r1, r2] = Relay::pair(&redis);
    let alice = r1.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    let readers: Vec<_> = [(&r1, "bob"), (&r2, "carol")]
        .into_iter()
        .map(|(relay, user)| {
            let reader = relay.connect(user);
            let view = page(&reader.ok(json!({"op": "join", "room": "lobby"})));
            (reader, view)
        })
        .collect();
    let bob = &readers[0].0;
    for n in 0..6 {
        let text = format!("a secret {n}");
        alice.ok(json!({"op": "send", "room": "lobby", "text": text, "nonce": format!("n{n}")}));
        let look = json!({"op": "send", "room": "lobby", "text": "look", "mentions": ["alice"]});
        let id = bob.ok(look)["id"].clone();
        for client in [&alice, bob] {
            client.ok(json!({"op": "react", "room": "lobby", "id": id, "emoji": "👍"}));
        }
        if n == 3 {
            alice.ok(json!({"op": "delete", "room": "lobby", "id": id, "reason": "my secret"}));
        }
    }
    let before = history(&mut redis.wire(), "lobby", &["COUNT", "1"]).newest;

    // In steps, so that readers see several events.
    let mut cursor: Option<String> = None;
    let mut calls = 0;
    loop {
        let mut call = vec!["CHAT.ERASE", "lobby", "alice", "COUNT", "5"];
        if let Some(cursor) = &cursor {
            call.extend(["CURSOR", cursor]);
        }
        let reply = redis.call(&call).ok();
        calls += 1;
        match reply.list() {
            [next, _] if *next != chat_tests::clients::reply::Reply::Nil => {
                cursor = Some(next.text().to_owned());
            }
            _ => break,
        }
    }
    assert!(calls > 3, "{calls}");
    let gone = alice.next_of("lobby", "gone").json;
    assert_eq!(gone["code"], "KICKED");

    let stored = history(&mut redis.wire(), "lobby", &["COUNT", "1000"]);
    let expected: Vec<Value> = stored.events.iter().map(|event| comparable(&event.json)).collect();
    for (reader, view) in &readers {
        eventually("the last event", LATER, || {
            let arrived = reader.events("lobby");
            let last = arrived.iter().rev().find(|frame| frame.json["id"].is_string());
            match last.is_some_and(|last| last.json["id"] == stored.newest.as_str()) {
                true => Ok(()),
                false => Err(format!("{last:?}")),
            }
        });
        let mut view = view.clone();
        reader.events("lobby").iter().for_each(|frame| view.apply(&frame.json));
        assert_eq!(view.shown(), expected, "{}", reader.user);
    }
    // Nobody who comes now, or who was away, hears of it.
    for relay in [&r1, &r2] {
        let new = relay.connect("dora");
        let answers = [
            new.ok(json!({"op": "subscribe", "room": "lobby", "since": before})),
            new.ok(json!({"op": "subscribe", "room": "lobby"})),
            new.ok(json!({"op": "history", "room": "lobby"})),
            new.ok(json!({"op": "members", "room": "lobby"})),
            new.ok(json!({"op": "who", "room": "lobby"})),
        ];
        assert_eq!(answers[0]["recovered"], false, "a position from before");
        for answer in &answers {
            let text = answer.to_string();
            assert!(!text.contains("alice") && !text.contains("secret"), "{text}");
        }
    }
    let online = cmd!(redis, "CHAT.WHO", "lobby");
    assert!(!format!("{online:?}").contains("alice"), "{online:?}");
}
