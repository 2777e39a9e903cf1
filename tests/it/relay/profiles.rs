//! A changed name, avatar or status is delivered to all users in a shared room, to each once,
//! without a request.

use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{SOON, eventually};
use serde_json::{Value, json};

/// The profiles that this client received.
fn profiles(client: &Client) -> Vec<Value> {
    let frames = client.frames_from(0).into_iter().map(|frame| frame.json);
    frames.filter(|frame| frame["type"] == "profile").collect()
}

/// Waits until the last profile that this client received has this name; returns how many it
/// received.
#[track_caller]
fn knows(client: &Client, name: &str) -> usize {
    eventually(&format!("the name {name} for {}", client.user), SOON, || {
        let received = profiles(client);
        match received.last() {
            Some(last) if last["data"]["name"] == name => Ok(received.len()),
            _ => Err(client.arrived()),
        }
    })
}

#[test]
fn a_changed_profile_reaches_every_user_in_a_shared_room_once() {
    let redis = Redis::start();
    let [r1, r2] = Relay::pair(&redis);
    let (laptop, phone) = (r1.connect("bob"), r2.connect("bob"));
    let [alice, dave, eve] = ["alice", "dave", "eve"].map(|user| r1.connect(user));
    let carol = r2.connect("carol");
    let join = |client: &Client, rooms: &[&str]| {
        for room in rooms {
            client.ok(json!({"op": "join", "room": room}));
        }
    };
    join(&laptop, &["a", "b"]);
    join(&phone, &["b", "c"]);
    join(&alice, &["a", "b", "c"]);
    join(&carol, &["a", "c"]);
    join(&dave, &["elsewhere"]);
    eve.ok(json!({"op": "subscribe", "room": "@bob"}));
    let name = |name: &str| json!({"op": "room", "room": "@bob", "set": {"name": name}});
    laptop.ok(name("Bob"));
    for client in [&alice, &carol, &eve] {
        knows(client, "Bob");
    }
    let frame = &profiles(&alice)[0];
    assert_eq!((&frame["user"], &frame["data"]), (&json!("bob"), &json!({"name": "Bob"})));
    let event = phone.next_of("@bob", "room");
    assert_eq!(frame["ref"], event.json["id"], "as of this event");
    // A change by the backend is delivered too; unset fields are left out.
    cmd!(redis, "CHAT.ROOM", "@bob", "SET", "name", "Robert", "avatar", "x").ok();
    for client in [&alice, &carol, &eve] {
        assert_eq!(knows(client, "Robert"), 2, "each once: {}", client.arrived());
    }
    for client in [&dave, &laptop, &phone] {
        client.ok(json!({"op": "ping"}));
        assert!(profiles(client).is_empty(), "{}", client.arrived());
    }
    // Other changes are delivered to nobody else.
    let before = profiles(&alice).len();
    cmd!(redis, "CHAT.ROOM", "@bob", "SET", "topic", "mine").ok();
    // In quick succession: a few of them, and certainly the last.
    for n in 0..50 {
        laptop.ok(name(&format!("Bob {n}")));
    }
    for client in [&alice, &carol, &eve] {
        let more = knows(client, "Bob 49") - before;
        assert!(more <= 20, "{more} of 50");
    }
}
