//! What is in a stream: hello, the bytes of events, positions, frames of the relay, comments.

use std::time::Duration;

use chat_tests::clients::event_stream::{Block, EventStream, Wanted};
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::json;

use super::open;

/// The time that a loaded machine may add.
const SLACK: Duration = Duration::from_secs(2);

#[test]
fn a_stream_is_hello_and_then_each_event_with_its_bytes() {
    let redis = Redis::start();
    let [r1, r2] = Relay::pair(&redis);
    let bob = r2.connect("bob");
    bob.ok(json!({"op": "send", "room": "lobby", "text": "before"}));
    bob.ok(json!({"op": "join", "room": "lobby"}));
    let stream = open(&r1, "alice", "lobby");
    let page = stream.wait_named("reload");
    assert_eq!(
        (&page.json["room"], &page.json["events"][0]["text"]),
        (&json!("lobby"), &json!("before"))
    );
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-cache, no-transform"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(stream.headers[name], value);
    }
    assert!(!stream.headers.contains_key("content-encoding"));
    bob.ok(json!({"op": "send", "room": "lobby", "text": "é \" \\ \n", "meta": {"a": [1]}}));
    bob.ok(json!({"op": "signal", "room": "lobby", "name": "typing"}));
    let same = |kind: &str| {
        let block =
            stream.wait(kind, |block| block.event == "message" && block.json["type"] == kind);
        assert_eq!(block.id, None);
        block.data.unwrap_or_default()
    };
    let id =
        |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON")["id"].clone();
    let message = same("message");
    let sent = bob.next_where("lobby", "the message", |event| event["id"] == id(&message));
    assert_eq!(message, sent.text, "the bytes of the socket");
    same("signal");
    let blocks = stream.blocks_from(0);
    let first = (&*blocks[0].event, &blocks[0].json["type"], &blocks[0].json["user"]);
    assert_eq!(first, ("hello", &json!("hello"), &json!("alice")));
}

#[test]
fn positions_follow_each_event_within_a_second_and_not_more_often() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "100000"]);
    relay.wait_ready();
    let bob = relay.connect("bob");
    bob.ok(json!({"op": "send", "room": "lobby", "text": "0"}));
    let stream = open(&relay, "alice", "lobby");
    stream.wait_named("reload");
    let mut last = String::new();
    // Messages come for three seconds, and then none.
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        let sent = bob.ok(json!({"op": "send", "room": "lobby", "text": "again"}));
        last = sent["id"].as_str().expect("an id").to_owned();
        let arrived = |block: &Block| block.json["id"] == *last;
        stream.wait(&last, arrived);
    }
    stream.wait_position(&format!("lobby={last}"));
    let blocks = stream.blocks_from(0);
    let positions: Vec<&Block> = blocks.iter().filter(|block| block.id.is_some()).collect();
    assert!(positions.iter().all(|block| block.data.is_none()), "{positions:#?}");
    // Each may arrive late, but many cannot have been sent within a short time.
    for (first, at) in positions.iter().map(|block| block.at).enumerate() {
        for (seconds, later) in positions[first..].iter().enumerate() {
            let within = Duration::from_secs(seconds as u64);
            assert!(later.at - at + SLACK >= within, "{:?} for {seconds}", later.at - at);
        }
    }
    let count = positions.len();
    assert!((3..=6).contains(&count), "{count} in three seconds");
    for (index, block) in
        blocks.iter().enumerate().filter(|(_, block)| block.json["id"].is_string())
    {
        let next = blocks[index..].iter().find(|block| block.id.is_some()).expect("positions");
        assert!(next.at - block.at <= Duration::from_secs(1) + SLACK);
    }
}

#[test]
fn ones_own_room_is_always_in_a_stream() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let stream = Wanted::get("/v1/events?user=alice").open(relay.address()).expect("a stream");
    stream.wait_position("@alice=0-0");
    let bob = relay.connect("bob");
    bob.ok(json!({"op": "send", "room": "dm:alice,bob", "text": "psst"}));
    let notice = stream.wait("a notice", |block| block.json["type"] == "notice");
    assert_eq!(notice.json["data"]["room"], "dm:alice,bob");
    let set = |name: &str| {
        cmd!(redis, "CHAT.ROOM", "@alice", "SET", "name", name, "BY", "alice").ok();
        newest(&redis, "@alice")
    };
    let id = set("Al");
    stream.wait(&id, |block| block.json["id"] == *id);
    let positions = stream.wait_position(&format!("@alice={id}"));
    drop(stream);
    // Nobody is there.
    let id = set("Alice");
    let stream = Wanted::get("/v1/events?user=alice").with("last-event-id", &positions);
    let stream = stream.open(relay.address()).expect("a stream");
    let event = stream.wait("what was missed", |block| block.json["id"] == *id);
    assert_eq!(event.json["data"]["name"], "Alice");
    assert!(stream.blocks_from(0).iter().all(|block| block.event != "reload"));
}

/// The newest id of a room.
fn newest(redis: &Redis, room: &str) -> String {
    cmd!(redis, "CHAT.ROOM_RO", room).get("last").expect("a field").text().to_owned()
}

#[test]
fn frames_of_the_relay_are_named_blocks() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--probe", "500ms"]);
    relay.wait_ready();
    let alice = relay.connect("alice");
    for room in ["lobby", "shut", "gone"] {
        alice.ok(json!({"op": "send", "room": room, "text": "hi"}));
    }
    cmd!(redis, "CHAT.ROOM", "shut", "SET", "access", "members").ok();
    let stream = open(&relay, "bob", "lobby,shut,gone,nowhere,@alice");
    let of_room = |event: &str, room: &str| {
        let what = format!("{event} of {room}");
        let block = stream.wait(&what, |block| block.event == event && block.json["room"] == room);
        assert_eq!(block.json["type"], event);
        block.json
    };
    assert_eq!(of_room("gone", "shut")["code"], "NOTMEMBER");
    assert_eq!(of_room("gone", "nowhere")["code"], "NOROOM");
    assert_eq!(of_room("reload", "@alice")["contact"], true);
    assert_eq!(of_room("reload", "gone")["events"][0]["text"], "hi");
    cmd!(redis, "CHAT.MOD", "gone", "*", "KICK", "bob", "REASON", "spam").ok();
    let gone = of_room("gone", "gone");
    assert_eq!((&gone["code"], &gone["reason"]), (&json!("KICKED"), &json!("spam")));
    of_room("reload", "lobby");
    cmd!(redis, "DEL", "lobby").ok();
    let is_reload = |block: &Block| block.event == "reload" && block.json["last"] == "0-0";
    stream.wait("the reload of lobby", |block| is_reload(block) && block.json["room"] == "lobby");
    cmd!(redis, "CLIENT", "KILL", "TYPE", "pubsub").ok();
    of_room("reset", "lobby");
    cmd!(redis, "CONFIG", "SET", "min-replicas-to-write", "1").ok();
    alice.refused(json!({"op": "join", "room": "new"}));
    assert_eq!(stream.wait_named("upstream").json["state"], "writes_refused");
}

#[test]
fn many_rooms_come_by_post_each_from_its_cursor() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "100000"]);
    relay.wait_ready();
    let mut wire = redis.wire();
    let mut rooms = serde_json::Map::new();
    for n in 0..400 {
        let room = format!("a-room-with-a-longer-name-{n}");
        let first = cmd!(wire, "CHAT.SEND", room, "bob", "first").text().to_owned();
        cmd!(wire, "CHAT.SEND", room, "bob", format!("second-{n}"));
        rooms.insert(room, first.into());
    }
    let names: Vec<&String> = rooms.keys().collect();
    let names = names.iter().take(100).map(|name| name.as_str()).collect::<Vec<_>>().join(",");
    let refused =
        Wanted::get(&format!("/v1/events?user=alice&rooms={names}")).open(relay.address());
    let refused = refused.err().expect("their positions would be too long");
    assert_eq!((refused.status, &refused.problem["what"]), (400, &json!("rooms")));
    let wanted = Wanted::post("/v1/events?user=alice", &json!({"rooms": rooms}));
    let stream = wanted.open(relay.address()).expect("a stream");
    let texts = |stream: &EventStream| {
        let blocks = stream.blocks_from(0);
        let events = blocks.iter().filter(|block| block.json["type"] == "message");
        events
            .filter_map(|block| block.json["text"].as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    eventually("all events", LATER, || match texts(&stream).len() {
        400 => Ok(()),
        count => Err(format!("{count}")),
    });
    assert!(texts(&stream).iter().all(|text| text.starts_with("second-")));
    let bob = relay.connect("bob");
    bob.ok(json!({"op": "send", "room": "a-room-with-a-longer-name-7", "text": "third"}));
    stream.wait_text("third");
    let inbox = stream.inbox();
    assert!(inbox.last_id.is_none(), "no client could send it back: {:?}", inbox.last_id);
}

#[test]
fn a_large_room_comes_page_by_page() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let mut wire = redis.wire();
    let first = cmd!(wire, "CHAT.SEND", "lobby", "bob", "0").text().to_owned();
    let text = "x".repeat(4000);
    for n in 1..=300 {
        cmd!(wire, "CHAT.SEND", "lobby", "bob", format!("{n} {text}"));
    }
    let stream = Wanted::get("/v1/events?user=alice&rooms=lobby");
    let stream = stream.with("last-event-id", &format!("lobby={first}")).open(relay.address());
    let stream = stream.expect("a stream");
    eventually("all events", SOON, || {
        let blocks = stream.blocks_from(0);
        let numbers: Vec<usize> = blocks
            .iter()
            .filter(|block| block.json["type"] == "message")
            .map(|block| {
                block.json["text"].as_str().and_then(|text| text.split(' ').next()?.parse().ok())
            })
            .map(|number| number.expect("a number"))
            .collect();
        assert!(numbers.iter().copied().eq(1..=numbers.len()), "{numbers:?}");
        if numbers.len() == 300 { Ok(()) } else { Err(format!("{}", numbers.len())) }
    });
}

#[test]
fn a_comment_comes_every_fifteen_seconds() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let stream = open(&relay, "alice", "");
    let count = || stream.inbox().comments;
    eventually("a comment", SOON, || if count() > 0 { Ok(()) } else { Err("none".into()) });
    let begun = std::time::Instant::now();
    eventually("another", SOON, || if count() > 1 { Ok(()) } else { Err("none".into()) });
    let between = begun.elapsed();
    assert!(between > Duration::from_secs(13), "{between:?}");
}
