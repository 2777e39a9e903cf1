//! Two users on two relays: each receives the other's messages, byte for byte as stored.

use std::time::Duration;

use chat_tests::checking::subscriber::Subscriber;
use chat_tests::checking::view::history;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{SOON, eventually, never};
use serde_json::json;

#[test]
fn a_message_is_received_byte_for_byte() {
    let redis = Redis::start();
    let (r1, r2) = (Relay::start("r1", &redis), Relay::start("r2", &redis));
    let mut channel = Subscriber::new(&redis, &["lobby"]);
    let (alice, bob) = (r1.connect("alice"), r2.connect("bob"));
    assert_eq!((&alice.hello["relay"], &bob.hello["relay"]), (&json!("r1"), &json!("r2")));
    assert_eq!((&alice.hello["user"], &alice.hello["v"]), (&json!("alice"), &json!(1)));
    let joined = alice.ok(json!({"op": "join", "room": "lobby"}));
    assert_eq!(
        (&joined["role"], &joined["events"], &joined["last"]),
        (&json!("owner"), &json!([]), &json!("0-0"))
    );
    bob.ok(json!({"op": "join", "room": "lobby"}));
    let meta = json!({"z": 1, "a": [true, null, "ä"]});
    let sent = alice.ok(json!({
        "op": "send", "room": "lobby", "text": "hello \"bob\"\n☕", "nonce": "n1", "meta": meta,
        "mentions": ["bob"], "kind": "action"
    }));
    let id = sent["id"].as_str().expect("an id").to_owned();
    let to_bob = bob.next_of("lobby", "message");
    let to_alice = alice.next_of("lobby", "message");
    channel.next_of("message");
    let published = channel.all().into_iter().map(|(_, text)| text).find(|text| text.contains(&id));
    assert_eq!(Some(&to_bob.text), published.as_ref());
    assert_eq!(to_alice.text, to_bob.text);
    let kept = history(&mut redis.wire(), "lobby", &[]);
    assert_eq!(kept.events[0].text, to_bob.text);
    assert_eq!((&to_bob.json["id"], &to_bob.json["nonce"]), (&json!(id), &json!("n1")));
    assert_eq!(to_bob.json["mentions"], json!(["bob"]));
    assert_eq!(bob.events("lobby").iter().filter(|event| event.json["id"] == id).count(), 1);
}

#[test]
fn messages_of_the_backend_reach_every_subscriber() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    cmd!(redis, "CHAT.SEND", "lobby", "*", "maintenance").ok();
    let event = alice.next_of("lobby", "message").json;
    assert_eq!((&event["user"], &event["kind"]), (&json!("*"), &json!("system")));
    // The user's own personal room is joined by the login.
    cmd!(redis, "CHAT.SIGNAL", "@alice", "*", "notice", "{\"about\":\"you\"}").ok();
    assert_eq!(alice.next_of("@alice", "notice").json["data"], json!({"about": "you"}));
}

#[test]
fn a_page_and_the_live_events_join_without_gap_or_repeat() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    const MESSAGES: usize = 3000;
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut wire = redis.wire();
            for n in 0..MESSAGES {
                cmd!(wire, "CHAT.SEND", "busy", "writer", format!("m{n}")).ok();
            }
        });
        eventually("some messages", SOON, || match cmd!(redis, "EXISTS", "busy").int() {
            1 => Ok(()),
            _ => Err("none".into()),
        });
        let readers: Vec<_> = (0..8)
            .map(|n| {
                let client = relay.connect(&format!("reader{n}"));
                let page = client.ok(json!({"op": "subscribe", "room": "busy"}));
                (client, page)
            })
            .collect();
        sender.join().expect("the sender");
        let newest = history(&mut redis.wire(), "busy", &["COUNT", "1"]).newest;
        for (client, page) in &readers {
            let mut last = page["last"].as_str().expect("a position").to_owned();
            let newest_of_page = page["events"].as_array().and_then(|events| events.last());
            assert_eq!(newest_of_page.map(|event| &event["id"]), Some(&page["last"]));
            while last != newest {
                let event = client.next_of("busy", "message").json;
                assert_eq!(event["prev"], last, "for {}", client.user);
                last = event["id"].as_str().expect("an id").to_owned();
            }
        }
    });
}

#[test]
fn resuming_from_a_cursor_returns_exactly_the_missed_events() {
    let redis = Redis::start();
    let (r1, r2) = (Relay::start("r1", &redis), Relay::start("r2", &redis));
    let mut wire = redis.wire();
    let mut send = |room: &str, n: i32| {
        cmd!(wire, "CHAT.SEND", room, "writer", format!("m{n}")).text().to_owned()
    };
    let first: Vec<String> = (0..5).map(|n| send("a", n)).collect();
    let other: Vec<String> = (0..3).map(|n| send("b", n)).collect();
    let alice = r1.connect("alice");
    let page = alice.ok(json!({"op": "join", "room": "a"}));
    assert_eq!(page["events"].as_array().map(Vec::len), Some(5));
    drop(alice);
    let missed: Vec<String> = (5..9).map(|n| send("a", n)).collect();
    let alice = r2.connect("alice");
    let answer = alice.ok(json!({"op": "join", "room": "a", "since": first[4]}));
    assert_eq!(
        (&answer["recovered"], &answer["more"], &answer["last"]),
        (&json!(true), &json!(false), &json!(missed[3]))
    );
    let ids = |events: &serde_json::Value| -> Vec<String> {
        let events = events.as_array().expect("events");
        events.iter().map(|event| event["id"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(ids(&answer["events"]), missed);

    // Many rooms in one frame, each with its own result.
    let bob = r1.connect("bob");
    let answer =
        bob.ok(json!({"op": "resume", "rooms": {"a": missed[1], "b": "1-1", "nowhere": "1-1"}}));
    let rooms = &answer["rooms"];
    assert_eq!(
        (&rooms["a"]["recovered"], ids(&rooms["a"]["events"])),
        (&json!(true), missed[2..].to_vec())
    );
    assert_eq!(
        (&rooms["b"]["recovered"], ids(&rooms["b"]["events"])),
        (&json!(false), other),
        "reload: the newest page"
    );
    assert_ne!(rooms["nowhere"]["recovered"], json!(true), "{rooms}");
    let next = send("a", 9);
    assert_eq!(bob.next_of("a", "message").json["id"], next);
    assert_eq!(alice.next_of("a", "message").json["id"], next);
}

#[test]
fn after_leaving_or_unsubscribing_nothing_more_is_received() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let (alice, bob) = (relay.connect("alice"), relay.connect("bob"));
    for client in [&alice, &bob] {
        client.ok(json!({"op": "join", "room": "lobby"}));
    }
    bob.ok(json!({"op": "unsubscribe", "room": "lobby"}));
    let before = bob.events("lobby").len();
    alice.ok(json!({"op": "send", "room": "lobby", "text": "psst"}));
    alice.next_of("lobby", "message");
    never("an event after unsubscribing", Duration::from_millis(300), || {
        match bob.events("lobby").len() - before {
            0 => Ok(()),
            _ => Err(bob.arrived()),
        }
    });
    assert_eq!(cmd!(redis, "CHAT.MEMBERS", "lobby").list()[1].list().len(), 2, "still a member");
    bob.ok(json!({"op": "subscribe", "room": "lobby"}));
    bob.ok(json!({"op": "leave", "room": "lobby"}));
    assert_eq!(cmd!(redis, "CHAT.MEMBERS", "lobby").list()[1].list().len(), 1);
    let leave = alice.next_where("lobby", "the leave", |event| event["kind"] == "leave");
    assert_eq!(leave.json["user"], "bob");
}

#[test]
fn presence_survives_a_quick_reconnect_and_ends_with_a_leave() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--grace", "2s"]);
    relay.wait_ready();
    let (alice, bob) = (relay.connect("alice"), relay.connect("bob"));
    alice.ok(json!({"op": "join", "room": "lobby"}));
    bob.ok(json!({"op": "join", "room": "lobby"}));
    let join = alice.next_where("lobby", "bob's presence", |event| {
        event["type"] == "presence" && event["user"] == "bob"
    });
    assert_eq!((&join.json["kind"], &join.json["users"]), (&json!("join"), &json!(2)));
    drop(bob);
    let bob = relay.connect("bob");
    bob.ok(json!({"op": "join", "room": "lobby"}));
    // Longer than the grace of the lost socket.
    never("a leave of a user who reconnected", Duration::from_millis(3500), || {
        let events = alice.events("lobby");
        match events
            .iter()
            .find(|event| event.json["kind"] == "leave" && event.json["type"] == "presence")
        {
            None => Ok(()),
            Some(event) => Err(event.text.clone()),
        }
    });
    drop(bob);
    let leave = alice.next_where("lobby", "bob's leave", |event| {
        event["type"] == "presence" && event["kind"] == "leave"
    });
    assert_eq!((&leave.json["user"], &leave.json["users"]), (&json!("bob"), &json!(1)));
}
