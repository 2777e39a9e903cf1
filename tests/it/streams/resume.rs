//! A stream goes on where it was cut: on any relay, by `Last-Event-ID`.

use chat_tests::checking::checker::Checker;
use chat_tests::checking::faults::{kill_redis, kill_relays, kill_subscriptions};
use chat_tests::clients::event_stream::{Block, EventStream, Wanted};
use chat_tests::cmd;
use chat_tests::seed::rounds;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::SOON;
use serde_json::json;

use super::open;

/// Messages of a stream by their texts.
fn texts(stream: &EventStream) -> Vec<String> {
    let blocks = stream.blocks_from(0);
    let messages = blocks.iter().filter(|block| block.json["type"] == "message");
    messages.filter_map(|block| block.json["text"].as_str().map(str::to_owned)).collect()
}

#[test]
fn another_relay_goes_on_after_the_last_positions() {
    let redis = Redis::start();
    let [r1, r2] = Relay::pair(&redis);
    let bob = r2.connect("bob");
    let send = |room: &str, text: &str| {
        let sent = bob.ok(json!({"op": "send", "room": room, "text": text}));
        sent["id"].as_str().expect("an id").to_owned()
    };
    for room in ["lobby", "é=&%", "dm:alice,bob"] {
        send(room, "before");
    }
    let rooms = "lobby,%C3%A9%3D%26%25,dm:alice,bob";
    let stream = open(&r1, "alice", rooms);
    stream.wait("é=&%", |block| block.event == "reload" && block.json["room"] == "é=&%");
    let last = send("é=&%", "seen");
    stream.wait_text("seen");
    let positions = stream.wait_position(&format!("%C3%A9%3D%26%25={last}"));
    drop(stream);
    let missed = ["lobby", "é=&%", "dm:alice,bob", "lobby"].map(|room| send(room, "missed"));
    let back = Wanted::get(&format!("/v1/events?user=alice&rooms={rooms}"));
    let back = back.with("last-event-id", &positions).open(r2.address()).expect("a stream");
    for id in &missed {
        back.wait(id, |block| block.json["id"] == **id);
    }
    send("lobby", "live");
    back.wait_text("live");
    assert_eq!(texts(&back), ["missed", "missed", "missed", "missed", "live"]);
    let names: Vec<String> = back.blocks_from(0).into_iter().map(|block| block.event).collect();
    assert!(!names.contains(&"reload".to_owned()), "{names:?}");
    // By POST too, where the body names another cursor.
    let body = json!({"rooms": {"lobby": null, "é=&%": "1-1"}});
    let wanted = Wanted::post("/v1/events?user=alice", &body).with("last-event-id", &positions);
    let posted = wanted.open(r1.address()).expect("a stream");
    posted.wait("the last one", |block| block.json["id"] == missed[3]);
    posted.wait("the other room", |block| block.json["id"] == missed[1]);
    assert_eq!(texts(&posted), ["missed", "missed", "live", "missed"].map(str::to_owned));
}

#[test]
fn a_position_that_the_room_does_not_know_gives_a_reload() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "hi");
    for position in ["1-1", "18446744073709551615-18446744073709551615"] {
        let wanted = Wanted::get("/v1/events?user=alice&rooms=lobby");
        let wanted = wanted.with("last-event-id", &format!("lobby={position}&elsewhere=1-1"));
        let stream = wanted.open(relay.address()).expect("a stream");
        let reload = stream.wait_named("reload");
        assert_eq!(
            (&reload.json["room"], &reload.json["recovered"]),
            (&json!("lobby"), &json!(false))
        );
        assert_eq!(reload.json["events"][0]["text"], "hi");
    }
}

#[test]
fn no_last_event_id_does_harm() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let alice = relay.connect("alice");
    let huge = format!("lobby={}-1", "9".repeat(5000));
    let many = vec!["a=1-1"; 2000].join("&");
    let raw = |value: &str| {
        let wanted = Wanted::get("/v1/events?user=alice&rooms=lobby");
        wanted
            .with("last-event-id", value)
            .open(relay.address())
            .err()
            .map(|refused| refused.status)
    };
    for value in
        ["lobby", "lobby=", "lobby=x", "=1-1", "%=1-1", "%00=1-1", "%ff=1-1", "é=1-1", &huge, &many]
    {
        assert_eq!(raw(value), Some(400), "{value}");
    }
    // A client that breaks HTTP, and another with a header that HTTP does not allow.
    for value in ["lobby=1-1\0", "lobby=\u{1}1-1"] {
        let request = format!(
            "GET /v1/events?user=alice HTTP/1.1\r\nHost: {}\r\nLast-Event-ID: {value}\r\n\r\n",
            relay.address()
        );
        let mut socket = std::net::TcpStream::connect(relay.address()).expect("it listens");
        socket.set_read_timeout(Some(SOON)).expect("a socket option");
        std::io::Write::write_all(&mut socket, request.as_bytes()).expect("it reads");
        let mut status = [0; 12];
        std::io::Read::read_exact(&mut socket, &mut status).expect("an answer");
        assert_eq!(&status, b"HTTP/1.1 400", "{value:?}");
    }
    assert_eq!(raw(""), None, "an empty one says nothing");
    alice.ok(json!({"op": "ping"}));
}

#[test]
fn killing_relays_loses_and_disorders_no_event_of_a_stream() {
    let checker = Checker { messages: rounds(200), readers: 2, streams: 8, ..Checker::default() };
    let effects = kill_relays(&checker, &[(0.2, "r4"), (0.4, "r5"), (0.6, "r6")]);
    assert!(effects.reconnects > 0 && effects.reloads == 0, "{effects:?}");
}

#[test]
fn killing_and_restarting_redis_ends_no_stream_and_loses_nothing() {
    let checker = Checker { messages: rounds(100), readers: 1, streams: 4, ..Checker::default() };
    let effects = kill_redis(&checker);
    assert_eq!((effects.reconnects, effects.reloads), (0, 0), "streams stay open");
}

#[test]
fn killing_subscriptions_loses_no_event_of_a_stream() {
    let checker = Checker { messages: rounds(150), readers: 1, streams: 4, ..Checker::default() };
    let effects = kill_subscriptions(&checker);
    assert_eq!((effects.reconnects, effects.reloads), (0, 0));
}

#[test]
fn a_room_that_redis_did_not_serve_is_resumed_by_the_relay() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "2"]);
    relay.wait_ready();
    for room in ["a", "b", "c"] {
        cmd!(redis, "CHAT.SEND", room, "bob", format!("in {room}"));
    }
    // The first stream leaves nothing of the allowance.
    let begins = |stream: &EventStream| {
        for room in ["a", "b", "c"] {
            let is_page = |block: &Block| block.event == "reload" && block.json["room"] == room;
            stream.wait(room, is_page);
        }
    };
    let (first, second) = (open(&relay, "alice", "a,b,c"), open(&relay, "alice", "a,b,c"));
    begins(&first);
    begins(&second);
}
