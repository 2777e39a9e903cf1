//! What a watcher is told when events cannot be had, and what comes after.

use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use serde_json::{Value, json};

use super::{ids, servers, watch};

/// The rooms of all frames `watch` so far.
fn lost(client: &Client) -> Vec<String> {
    let frames = client.frames_from(0).into_iter().filter(|frame| frame.json["type"] == "watch");
    let rooms = frames.flat_map(|frame| frame.json["lost"].as_array().cloned().unwrap_or_default());
    rooms.map(|room| room.as_str().expect("a name").to_owned()).collect()
}

#[track_caller]
fn await_id(client: &Client, room: &str, id: &str) {
    eventually(&format!("{id} of {room}"), LATER, || {
        if ids(client, room).iter().any(|known| known == id) {
            Ok(())
        } else {
            Err(client.arrived())
        }
    });
}

#[test]
fn a_room_with_another_past_is_told_once_and_goes_on() {
    let (redis, relay) = servers();
    let alice = relay.connect("alice");
    let send =
        |room: &str, text: &str| cmd!(redis, "CHAT.SEND", room, "bob", text).text().to_owned();
    for room in ["a", "b", "c"] {
        send(room, "old");
    }
    let old = cmd!(redis, "DUMP", "a").bytes().to_vec();
    watch(&alice, "?");
    for room in ["a", "b", "c"] {
        await_id(&alice, room, &send(room, "one"));
    }
    assert_eq!(lost(&alice), [""; 0]);
    // Back to an older state, and on from there: the event after it is told as a hole.
    cmd!(redis, "RESTORE", "a", 0, old, "REPLACE").ok();
    send("a", "another two");
    eventually("the hole", LATER, || match lost(&alice) {
        rooms if rooms == ["a"] => Ok(()),
        rooms => Err(format!("{rooms:?}")),
    });
    await_id(&alice, "a", &send("a", "three"));
    // A room that is gone is no hole, and a new one of its name begins anew.
    cmd!(redis, "DEL", "b").ok();
    await_id(&alice, "c", &send("c", "in between"));
    await_id(&alice, "b", &send("b", "new"));
    assert!(lost(&alice).iter().all(|room| room != "c"));
}

#[test]
fn a_watcher_goes_on_after_a_restart_of_redis_and_misses_nothing() {
    let mut redis = Redis::durable();
    let relay = Relay::start("r1", &redis);
    relay.wait_ready();
    let alice = relay.connect("alice");
    let rooms: Vec<String> = (0..30).map(|n| format!("room:{n}")).collect();
    let send = |redis: &Redis| -> Vec<String> {
        let send = |room| cmd!(redis, "CHAT.SEND", room, "bob", "hello").text().to_owned();
        rooms.iter().map(send).collect()
    };
    send(&redis);
    watch(&alice, "room:*");
    let mut expected = vec![send(&redis)];
    redis.kill();
    redis.restart();
    // Some before the relay is back, some after.
    expected.push(send(&redis));
    relay.wait_ready();
    expected.push(send(&redis));
    for (n, room) in rooms.iter().enumerate() {
        let of_room: Vec<String> = expected.iter().map(|ids| ids[n].clone()).collect();
        eventually(room, LATER, || {
            let found = ids(&alice, room);
            if found == of_room { Ok(()) } else { Err(format!("{found:?}, not {of_room:?}")) }
        });
    }
    assert_eq!(lost(&alice), [""; 0]);
}

#[test]
fn nobody_begins_to_watch_while_redis_is_away() {
    let mut redis = Redis::durable();
    let relay = Relay::start("r1", &redis);
    relay.wait_ready();
    let alice = relay.connect("alice");
    redis.stop();
    relay.wait_unready();
    let refused = |pattern: &str| {
        let asked = alice.ask(json!({"op": "watch", "match": pattern}));
        let reply: Result<Value, Value> =
            eventually("an answer", LATER, || alice.reply(asked).ok_or_else(|| alice.arrived()));
        reply.expect_err("Redis is away")["code"].clone()
    };
    assert_eq!(refused("a*"), "UNAVAILABLE");
    redis.restart();
    relay.wait_ready();
    let id = cmd!(redis, "CHAT.SEND", "a1", "bob", "before").text().to_owned();
    watch(&alice, "a*");
    let later = cmd!(redis, "CHAT.SEND", "a1", "bob", "after").text().to_owned();
    await_id(&alice, "a1", &later);
    assert!(!ids(&alice, "a1").contains(&id));
}

#[test]
fn a_renamed_room_comes_as_a_new_one_and_imported_messages_do_not_come() {
    let (redis, relay) = servers();
    let alice = relay.connect("alice");
    let send = |room: &str| cmd!(redis, "CHAT.SEND", room, "bob", "hello").text().to_owned();
    let known = [send("a:1"), send("a:1")];
    watch(&alice, "a:*");
    cmd!(redis, "CHAT.IMPORT", "a:old", "bob", 1000, "one", "AT", 1).ok();
    cmd!(redis, "RENAME", "a:1", "a:2").ok();
    let next = send("a:2");
    let all = [&known[..], &[next]].concat();
    eventually("all events of the renamed room", LATER, || match ids(&alice, "a:2") {
        found if found == all => Ok(()),
        found => Err(format!("{found:?}, not {all:?}")),
    });
    // What is written there after an import comes, and the imported message before it does not.
    let last = send("a:old");
    await_id(&alice, "a:old", &last);
    assert_eq!(ids(&alice, "a:old"), [last]);
    assert_eq!(lost(&alice), [""; 0]);
}
