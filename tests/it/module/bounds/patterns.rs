//! Patterns of room names are bounded, in Redis and through a relay: a frame full of classes and
//! stars is refused before any name is compared. The core's tests count that matching is linear.

use chat_tests::clients::wire::Command;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::{args, cmd};
use serde_json::json;

/// Fits on one page beside the personal room of the user.
const ROOMS: usize = 990;

/// A pattern of a star, a class that repeats `item`, and an `x`.
fn class_of(item: &str, times: usize) -> String {
    format!("*[{}]x", item.repeat(times))
}

#[test]
fn a_pattern_that_is_too_long_is_refused_also_through_a_relay() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let sends: Vec<Command> =
        (0..ROOMS).map(|n| args!["CHAT.SEND", format!("{n:a>198}-b"), "alice", "hi"]).collect();
    assert!(wire.pipeline(&sends).iter().all(|reply| !reply.is_error()));
    let relay = Relay::start("r1", &redis);
    let client = relay.connect("alice");
    let hostile = [class_of("b-c", 20_000), "*a".repeat(20_000), "?".repeat(201)];
    for pattern in &hostile {
        let refused = cmd!(wire, "CHAT.ROOMS", "MATCH", pattern, "COUNT", 1000);
        assert!(refused.error().starts_with("INVALID match"), "{refused:?}");
        let error = client.call(json!({"op": "rooms", "match": pattern, "count": 1000}));
        let error = error.expect_err("refused");
        assert_eq!((&error["code"], &error["what"]), (&"INVALID".into(), &"match".into()));
    }
    let accepted = [
        (class_of("b-c", 65), 0),
        ("*a".repeat(100), 0),
        ("?".repeat(200), ROOMS),
        (format!("{}*[a-c]", "*a".repeat(90)), ROOMS),
    ];
    for (pattern, expected) in &accepted {
        let page = cmd!(wire, "CHAT.ROOMS", "MATCH", pattern, "COUNT", 1000);
        assert_eq!(page.list()[1].list().len(), *expected, "{pattern}");
        let page = client.ok(json!({"op": "rooms", "match": pattern, "count": 1000}));
        // A relay returns as many as certainly fit into a reply.
        let rows = page["rooms"].as_array().map_or(0, Vec::len);
        assert!(rows == *expected || rows > 200, "{rows} for {pattern}");
    }
}
