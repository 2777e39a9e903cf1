//! A user's profile is stored in the personal room: set by the user and the backend, read by relays
//! for others.

use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use serde_json::{Value, json};

fn field(wire: &mut Wire, room: &str, name: &str) -> Option<Reply> {
    cmd!(wire, "CHAT.ROOM", room).ok().get(name).cloned()
}

#[test]
fn a_profile_is_set_read_changed_and_emptied() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let set = cmd!(
        wire,
        "CHAT.ROOM",
        "@bob",
        "SET",
        "name",
        "Bob B.",
        "avatar",
        "https://example.org/b.png",
        "status",
        "on holiday ☀",
        "BY",
        "bob"
    );
    let texts = |reply: &Reply| {
        ["name", "avatar", "status"].map(|name| reply.get(name).map(|text| text.text().to_owned()))
    };
    let expected = ["Bob B.", "https://example.org/b.png", "on holiday ☀"];
    assert_eq!(
        texts(&set),
        expected.map(|text| Some(text.to_owned())),
        "makes the room and answers it"
    );
    assert_eq!(set.get("last_seen"), Some(&Reply::Int(0)), "never seen");
    cmd!(wire, "CHAT.ROOM", "@bob", "SET", "status", "", "BY", "*").ok();
    assert_eq!(field(&mut wire, "@bob", "status"), Some(Reply::Text(Vec::new())));
    assert_eq!(field(&mut wire, "@bob", "name"), Some(Reply::Text("Bob B.".into())));
    // Exactly at the bounds.
    for (name, max) in [("name", 128), ("avatar", 1024), ("status", 128)] {
        cmd!(wire, "CHAT.ROOM", "@bob", "SET", name, "x".repeat(max)).ok();
        let digest = redis.digest();
        let over = cmd!(wire, "CHAT.ROOM", "@bob", "SET", name, "x".repeat(max + 1));
        assert_eq!(over.error(), format!("TOOBIG {max}"), "{name}");
        let wrong = cmd!(wire, "CHAT.ROOM", "@bob", "SET", name, b"\xff".as_slice());
        assert!(wrong.error().starts_with(&format!("INVALID {name}")), "{wrong:?}");
        assert_eq!(redis.digest(), digest);
    }
    // Other rooms have no profile.
    cmd!(wire, "CHAT.SEND", "lobby", "bob", "hi").ok();
    cmd!(wire, "CHAT.SEND", "dm:alice,bob", "bob", "hi").ok();
    for room in ["lobby", "dm:alice,bob"] {
        for name in ["name", "avatar", "status", "last_seen", "tokens_after"] {
            assert_eq!(field(&mut wire, room, name), None, "{room} {name}");
        }
    }
}

#[test]
fn a_profile_survives_restart_promotion_and_copying() {
    let mut primary = Redis::durable();
    let mut wire = primary.wire();
    cmd!(wire, "CHAT.ROOM", "@bob", "SET", "name", "Bob", "status", "here", "BY", "bob").ok();
    cmd!(wire, "CHAT.PRESENCE", "@bob", "bob", "c1").ok();
    cmd!(wire, "CHAT.PRESENCE", "@bob", "bob", "c1", "OFF").ok();
    let shown = cmd!(wire, "CHAT.ROOM", "@bob");
    assert!(shown.get("last_seen").expect("a time").int() > 1_600_000_000_000);
    primary.kill();
    primary.restart();
    assert_eq!(cmd!(primary, "CHAT.ROOM", "@bob"), shown, "after a restart");
    let replica = Redis::replica(&primary, &[]);
    cmd!(replica, "REPLICAOF", "NO", "ONE").ok();
    assert_eq!(cmd!(replica, "CHAT.ROOM", "@bob"), shown, "on a promoted replica");
    let payload = cmd!(primary, "DUMP", "@bob");
    let other = Redis::start();
    cmd!(other, "RESTORE", "@bob", 0, payload.bytes()).ok();
    assert_eq!(cmd!(other, "CHAT.ROOM", "@bob"), shown, "restored");
}

#[test]
fn a_relay_shows_profiles_and_lets_users_set_their_own() {
    let redis = Redis::start();
    // Each named user counts as an operation.
    let relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "10000"]);
    relay.wait_ready();
    let (alice, bob) = (relay.connect("alice"), relay.connect("bob"));
    let set = |user: &str, name: &str| json!({"op": "room", "room": format!("@{user}"), "set": {"name": name}});
    bob.ok(set("bob", "Bob B."));
    assert_eq!(bob.refused(set("alice", "Impostor")), "DENIED");
    bob.ok(json!({"op": "status", "status": "dnd"}));
    let ask =
        |users: Value| alice.ok(json!({"op": "profiles", "users": users}))["profiles"].clone();
    let profiles = ask(json!(["bob", "nobody", "alice"]));
    let row = &profiles["bob"];
    assert_eq!((&row["name"], &row["online"]), (&json!("Bob B."), &json!(1)), "{profiles}");
    assert_eq!((&row["shown"], &row["avatar"]), (&json!("dnd"), &Value::Null), "{profiles}");
    assert_eq!(profiles["nobody"], Value::Null, "{profiles}");
    assert!(profiles["alice"].is_object(), "{profiles}");
    let many: Vec<String> = (0..100).map(|n| format!("u{n}")).collect();
    assert_eq!(ask(json!(many)).as_object().map(serde_json::Map::len), Some(100));
    let many: Vec<String> = (0..101).map(|n| format!("u{n}")).collect();
    assert_eq!(alice.refused(json!({"op": "profiles", "users": many})), "INVALID");
}
