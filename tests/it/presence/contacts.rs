//! Contacts: a client follows another user's presence without sharing a room, and receives nothing
//! else of that user.

use std::time::Duration;

use chat_tests::checking::people::online;
use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::servers::proxy::{Network, Proxy};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually, never};
use serde_json::{Value, json};

const OPTIONS: &[&str] = &[
    "--presence-ttl",
    "4s",
    "--grace",
    "1s",
    "--probe",
    "500ms",
    "--operations-per-second",
    "10000",
];

fn relay(name: &str, url: &str, contacts: &str) -> Relay {
    let mut options = OPTIONS.to_vec();
    options.extend(["--contacts", contacts]);
    let relay = Relay::with(name, url, &options);
    relay.wait_ready();
    relay
}

fn presence(client: &Client, room: &str, kind: &str) -> Value {
    let what = format!("{kind} in {room}");
    let wanted = |event: &Value| event["type"] == "presence" && event["kind"] == kind;
    client.next_where(room, &what, wanted).json
}

#[test]
fn a_contacts_presence_is_delivered_and_nothing_else() {
    let redis = Redis::start();
    let (r1, r2) = (relay("r1", &redis.url(), "open"), relay("r2", &redis.url(), "open"));
    let alice = r1.connect("alice");
    // Before @bob exists.
    let answer = alice.ok(json!({"op": "subscribe", "room": "@bob"}));
    assert_eq!(
        answer,
        json!({"last": "0-0", "events": [], "more": false, "role": null, "online": 0,
               "status": null, "last_seen": 0, "contact": true})
    );
    assert_eq!(cmd!(redis, "EXISTS", "@bob").int(), 0, "looking makes nothing");
    let bob = r2.connect("bob");
    let join = presence(&alice, "@bob", "join");
    assert_eq!((&join["user"], &join["users"]), (&json!("bob"), &json!(1)));
    bob.ok(json!({"op": "status", "status": "away"}));
    assert_eq!(presence(&alice, "@bob", "status")["status"], "away");
    let carol = r2.connect("carol");
    let answer = carol.ok(json!({"op": "subscribe", "room": "@bob"}));
    assert_eq!((&answer["online"], &answer["status"]), (&json!(1), &json!("away")));
    assert!(answer["last_seen"].as_u64().is_some_and(|ms| ms > 1_600_000_000_000), "{answer}");
    let mut wire = redis.wire();
    assert_eq!(online(&mut wire, "@bob"), 1, "who looks is not present there");

    // Everything that is private to bob.
    cmd!(wire, "CHAT.SIGNAL", "@bob", "*", "notice", "{\"secret\":1}").ok();
    cmd!(wire, "CHAT.SIGNAL", "@bob", "*", "wave", "{\"secret\":2}").ok();
    cmd!(wire, "CHAT.SEND", "@bob", "*", "secret letter").ok();
    cmd!(wire, "CHAT.ROOM", "@bob", "SET", "topic", "secret topic").ok();
    cmd!(wire, "CHAT.MOD", "@bob", "*", "BAN", "dave").ok();
    let sealed = bob.next_where("@bob", "the block", |event| event["kind"] == "ban");
    assert_eq!(sealed.json["user"], "dave");
    drop(bob);
    let leave = presence(&alice, "@bob", "leave");
    assert_eq!((&leave["user"], &leave["users"]), (&json!("bob"), &json!(0)));
    presence(&carol, "@bob", "leave");
    for client in [&alice, &carol] {
        for frame in client.events("@bob") {
            assert_eq!(frame.json["type"], "presence", "{} received {}", client.user, frame.text);
        }
        let all = client.frames_from(0);
        assert!(all.iter().all(|frame| !frame.text.contains("secret")), "{}", client.arrived());
    }
    // Only bob can read, write and be online in his personal room.
    for op in ["history", "who", "members", "room"] {
        assert_eq!(alice.refused(json!({"op": op, "room": "@bob"})), "DENIED", "{op}");
    }
    assert_eq!(alice.refused(json!({"op": "join", "room": "@bob"})), "DENIED");
    assert_eq!(alice.refused(json!({"op": "send", "room": "@bob", "text": "x"})), "DENIED");

    alice.ok(json!({"op": "unsubscribe", "room": "@bob"}));
    let before = alice.events("@bob").len();
    let _bob = r1.connect("bob");
    presence(&carol, "@bob", "join");
    never("an event after unsubscribing", Duration::from_millis(300), || {
        if alice.events("@bob").len() == before { Ok(()) } else { Err(alice.arrived()) }
    });
}

#[test]
fn a_contact_is_resumed_and_queried_after_a_gap() {
    let redis = Redis::start();
    let path = Proxy::to(redis.address());
    let relay = relay("r1", &format!("redis://{}", path.address()), "open");
    cmd!(redis, "CHAT.SEND", "@bob", "*", "secret").ok();
    let alice = relay.connect("alice");
    for cursor in [Value::Null, json!("0-0"), json!("1795225201112-57")] {
        let answer = alice.ok(json!({"op": "resume", "rooms": {"@bob": cursor}}));
        let contact = &answer["rooms"]["@bob"];
        assert_eq!((&contact["contact"], &contact["events"]), (&json!(true), &json!([])));
        assert_eq!(contact["online"], 0);
    }
    // Bob connects while the subscription is dead.
    path.set(Network::Drop);
    relay.wait_unready();
    cmd!(redis, "CHAT.PRESENCE", "@bob", "bob", "elsewhere").ok();
    cmd!(redis, "CHAT.SEND", "@bob", "*", "another secret").ok();
    path.set(Network::Open);
    relay.wait_ready();
    alice.next_of("@bob", "reset");
    let counts = alice.ok(json!({"op": "online", "rooms": ["@bob"]}));
    assert_eq!(counts["counts"], json!({"@bob": 1}));
    cmd!(redis, "DEL", "@bob").ok();
    cmd!(redis, "CHAT.PRESENCE", "@bob", "bob", "elsewhere").ok();
    presence(&alice, "@bob", "join");
    let events = alice.events("@bob");
    let count = |kind: &str| events.iter().filter(|frame| frame.json["type"] == kind).count();
    assert_eq!(count("reload") + count("message"), 0, "{}", alice.arrived());
    assert!(events.iter().all(|frame| !frame.text.contains("secret")), "{}", alice.arrived());
}

#[test]
fn where_contacts_are_denied_no_presence_of_others_is_delivered() {
    let redis = Redis::start();
    let relay = relay("r1", &redis.url(), "deny");
    let (alice, bob) = (relay.connect("alice"), relay.connect("bob"));
    bob.ok(json!({"op": "room", "room": "@bob", "set": {"name": "Bob", "status": "on holiday"}}));
    let denied = |op: Value| {
        let error = alice.call(op.clone()).expect_err("denied");
        assert_eq!(
            (&error["code"], &error["what"]),
            (&json!("DENIED"), &json!("contacts")),
            "{op}"
        );
    };
    denied(json!({"op": "subscribe", "room": "@bob"}));
    denied(json!({"op": "online", "rooms": ["@alice", "@bob"]}));
    let answer = alice.ok(json!({"op": "resume", "rooms": {"@bob": null}}));
    assert_eq!(answer["rooms"]["@bob"]["error"]["code"], "DENIED", "{answer}");
    assert_eq!(
        alice.ok(json!({"op": "online", "rooms": ["@alice"]}))["counts"],
        json!({"@alice": 1})
    );
    let profiles = alice.ok(json!({"op": "profiles", "users": ["bob", "alice"]}));
    assert_eq!(profiles["profiles"]["bob"], json!({"name": "Bob", "status": "on holiday"}));
    assert_eq!(profiles["profiles"]["alice"]["online"], 1, "one's own is whole");
    cmd!(redis, "CHAT.PRESENCE", "@bob", "bob", "c1", "STATUS", "away").ok();
    never("an event of bob", Duration::from_millis(300), || {
        if alice.events("@bob").is_empty() { Ok(()) } else { Err(alice.arrived()) }
    });
}

#[test]
fn profiles_hold_names_and_whether_the_user_is_online() {
    let redis = Redis::start();
    let relay = relay("r1", &redis.url(), "open");
    let (alice, bob) = (relay.connect("alice"), relay.connect("bob"));
    let set = json!({"name": "Bob ☕", "avatar": "/bob.png", "status": "on holiday"});
    bob.ok(json!({"op": "room", "room": "@bob", "set": set}));
    bob.ok(json!({"op": "status", "status": "dnd"}));
    let ask =
        || alice.ok(json!({"op": "profiles", "users": ["bob", "nobody"]}))["profiles"].clone();
    let answer = ask();
    let seen = answer["bob"]["last_seen"].clone();
    assert!(seen.as_u64().is_some_and(|ms| ms > 1_600_000_000_000), "{answer}");
    assert_eq!(
        answer,
        json!({"bob": {"name": "Bob ☕", "avatar": "/bob.png", "status": "on holiday",
                       "last_seen": seen, "online": 1, "shown": "dnd"}, "nobody": null})
    );
    drop(bob);
    let gone = eventually("bob to leave", LATER, || {
        let answer = ask();
        if answer["bob"]["online"] == 0 { Ok(answer) } else { Err(answer.to_string()) }
    });
    assert_eq!(gone["bob"]["shown"], Value::Null);
    assert!(gone["bob"]["last_seen"].as_u64() > seen.as_u64(), "{gone}");
    assert_eq!(gone["bob"]["name"], "Bob ☕");
    let many: Vec<String> = (0..101).map(|n| format!("u{n}")).collect();
    let wrong = [
        json!({"op": "profiles", "users": many}),
        json!({"op": "profiles", "users": ["a,b"]}),
        json!({"op": "profiles", "users": "bob"}),
    ];
    for op in wrong {
        assert_eq!(alice.refused(op.clone()), "INVALID", "{op}");
    }
    assert_eq!(alice.ok(json!({"op": "profiles", "users": []})), json!({"profiles": {}}));
}
