//! `--jwt-profile`: the claims `name` and `picture` become the profile, and never an error.

use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::Issuer;
use chat_tests::wait::{SOON, eventually};
use serde_json::{Value, json};

/// Name and avatar of a user.
fn profile(redis: &Redis, user: &str) -> [String; 2] {
    let mut wire = redis.wire();
    let room = cmd!(wire, "CHAT.ROOM_RO", format!("@{user}"));
    let text = |field| room.get(field).map(|value| value.text().to_owned());
    ["name", "avatar"].map(|field| text(field).unwrap_or_default())
}

#[track_caller]
fn wait_profile(redis: &Redis, user: &str, expected: [&str; 2]) {
    eventually(&format!("the profile of {user}"), SOON, || {
        let found = profile(redis, user);
        if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

/// Calls of `CHAT.ROOM`: relays read by `CHAT.ROOM_RO`.
fn changes(redis: &Redis) -> u64 {
    let mut wire = redis.wire();
    let stats = cmd!(wire, "INFO", "commandstats").text().to_owned();
    let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_chat.room:calls="));
    line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
}

fn connect(relay: &Relay, issuer: &Issuer, user: &str, claims: Value) -> Client {
    Client::connect_with_token(relay.address(), user, &issuer.token_of(user, claims))
}

#[test]
fn what_the_token_says_of_its_user_is_written_once_when_it_differs() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &["--jwt-profile"]);
    let before = changes(&redis);
    let claims = json!({"name": "Alice A.", "picture": "https://a.example/a.png"});
    let alice = connect(&relay, &issuer, "alice", claims.clone());
    wait_profile(&redis, "alice", ["Alice A.", "https://a.example/a.png"]);
    assert_eq!(changes(&redis) - before, 1, "one change for both");
    let event = alice.next_of("@alice", "room");
    assert_eq!(event.json["by"], "alice", "{}", event.json);
    // The same again changes nothing: the change of the next user comes first.
    for _ in 0..3 {
        connect(&relay, &issuer, "alice", claims.clone());
    }
    connect(&relay, &issuer, "bob", json!({"name": "Bob", "scope": "chat:read"}));
    wait_profile(&redis, "bob", ["Bob", ""]);
    assert_eq!(changes(&redis) - before, 2);
    // What the user has set is replaced; what the token does not name stays.
    alice.ok(json!({"op": "room", "room": "@alice", "set": {"name": "Al", "avatar": "mine"}}));
    connect(&relay, &issuer, "alice", json!({"name": "Alice B."}));
    wait_profile(&redis, "alice", ["Alice B.", "mine"]);
    // A newer token of an open connection is no login.
    let newer = issuer.token_of("alice", json!({"name": "Alice C."}));
    alice.ok(json!({"op": "auth", "token": newer}));
    connect(&relay, &issuer, "carol", json!({"name": "Carol"}));
    wait_profile(&redis, "carol", ["Carol", ""]);
    assert_eq!(profile(&redis, "alice")[0], "Alice B.");
}

#[test]
fn what_no_profile_can_have_and_a_full_store_are_no_error_of_the_login() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &["--jwt-profile"]);
    let long = "x".repeat(129);
    let rows = [
        ("a", json!({"name": "a\u{0}b", "picture": "p"}), ["", "p"]),
        ("b", json!({"name": "a\r\nb", "picture": "p"}), ["", "p"]),
        ("c", json!({"name": long, "picture": "p"}), ["", "p"]),
        ("d", json!({"name": "\u{202e}b", "picture": "p"}), ["", "p"]),
        ("e", json!({"name": "\u{3164}", "picture": "p"}), ["", "p"]),
        ("f", json!({"name": "", "picture": "p"}), ["", "p"]),
        ("g", json!({"name": 7, "picture": "p"}), ["", "p"]),
        ("h", json!({"name": ["x"], "picture": "p"}), ["", "p"]),
        ("i", json!({"name": "I", "picture": "x".repeat(1025)}), ["I", ""]),
        ("j", json!({"name": "J", "picture": {"url": "x"}}), ["J", ""]),
        ("k", json!({"name": "BY * SET", "picture": "AS *"}), ["BY * SET", "AS *"]),
    ];
    for (user, claims, expected) in &rows {
        connect(&relay, &issuer, user, claims.clone()).ok(json!({"op": "ping"}));
        wait_profile(&redis, user, *expected);
    }
    let mut wire = redis.wire();
    cmd!(wire, "CONFIG", "SET", "maxmemory", "1").ok();
    let late = connect(&relay, &issuer, "late", json!({"name": "Late"}));
    late.ok(json!({"op": "rooms"}));
    cmd!(wire, "CONFIG", "SET", "maxmemory", "0").ok();
    connect(&relay, &issuer, "late", json!({"name": "Late"}));
    wait_profile(&redis, "late", ["Late", ""]);
    // Without the option tokens do not describe anybody.
    let plain = issuer.relay("r2", &redis, &[]);
    connect(&plain, &issuer, "late", json!({"name": "Other"})).ok(json!({"op": "ping"}));
    connect(&relay, &issuer, "m", json!({"name": "M"}));
    wait_profile(&redis, "m", ["M", ""]);
    assert_eq!(profile(&redis, "late")[0], "Late");
}
