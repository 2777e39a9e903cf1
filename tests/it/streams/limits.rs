//! Streams count as sockets, in all limits.

use std::net::TcpStream;

use chat_tests::clients::event_stream::Wanted;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{SOON, eventually};
use serde_json::json;

use super::open;

fn status(relay: &Relay, user: &str) -> u16 {
    let wanted = Wanted::get(&format!("/v1/events?user={user}"));
    wanted.open(relay.address()).err().map_or(200, |refused| {
        let retry = refused.headers.get("retry-after");
        assert_eq!(retry.is_some(), refused.status == 503, "{refused:?}");
        refused.status
    })
}

#[test]
fn a_full_relay_refuses_streams_and_sockets() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--max-connections", "2"]);
    relay.wait_ready();
    let stream = open(&relay, "alice", "");
    let bob = relay.connect("bob");
    assert_eq!(status(&relay, "carol"), 503);
    let carol = chat_tests::clients::client::Client::try_connect(relay.address(), "carol");
    assert_eq!(carol.err(), Some(0), "closed before hello");
    drop(stream);
    eventually("a free place", SOON, || match status(&relay, "carol") {
        200 => Ok(()),
        status => Err(status.to_string()),
    });
    bob.ok(json!({"op": "ping"}));
}

#[test]
fn one_address_opens_a_limited_number_of_streams() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--max-connections-per-address", "2"]);
    relay.wait_ready();
    let _both = (open(&relay, "alice", ""), open(&relay, "bob", ""));
    assert_eq!(status(&relay, "carol"), 429);
}

#[test]
fn the_oldest_stream_of_a_user_gives_way() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--max-connections-per-user", "2"]);
    relay.wait_ready();
    let first = open(&relay, "alice", "");
    let alice = relay.connect("alice");
    let _third = open(&relay, "alice", "");
    let close = first.wait_named("close").json;
    assert_eq!((&close["code"], &close["reason"]), (&json!(4510), &json!("replaced")));
    alice.ok(json!({"op": "ping"}));
}

#[test]
fn streams_are_no_waiting_http_connections() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--max-http-connections", "3"]);
    relay.wait_ready();
    let streams: Vec<_> = (0..8).map(|n| open(&relay, &format!("user{n}"), "")).collect();
    // Others that only connect push each other out, and no stream.
    let silent: Vec<TcpStream> =
        (0..10).map(|_| TcpStream::connect(relay.address()).expect("it listens")).collect();
    assert_eq!(relay.get("/healthz").0, 200);
    let bob = relay.connect("bob");
    bob.ok(json!({"op": "send", "room": "dm:bob,user7", "text": "there?"}));
    streams[7].wait("a notice", |block| block.json["type"] == "notice");
    for stream in &streams {
        assert_eq!(stream.inbox().ended, None);
    }
    assert_eq!(relay.metric("chat_relay_connections"), Some(9.0));
    drop(silent);
}

#[test]
fn a_user_who_sends_too_much_opens_no_stream() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--frames-per-second", "10"]);
    relay.wait_ready();
    let mut opened = 0;
    let refused = loop {
        assert!(opened < 100, "each stream counts as four frames");
        match Wanted::get("/v1/events?user=alice").open(relay.address()) {
            Ok(_) => opened += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!((refused.status, &refused.problem["code"]), (429, &json!("RATELIMIT")));
    let seconds = refused.headers["retry-after"].to_str().expect("ASCII").parse::<u32>();
    assert!(seconds.is_ok_and(|seconds| (30..=60).contains(&seconds)));
}
