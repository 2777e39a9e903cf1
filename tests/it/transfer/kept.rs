//! What an import keeps of a history that is longer than the server's limits.

use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use serde_json::{Value, json};

use super::stage::{Rooms, message, room, succeeds};

/// A message of which every tenth replies to the one `back` places before.
fn replying(n: u64, back: u64) -> Value {
    let mut line = json!({"message": {
        "id": n.to_string(), "user": "alice", "ts": 1000 + n, "text": format!("text {n}"),
    }});
    if n.is_multiple_of(10) && n > back {
        line["message"]["reply"] = json!((n - back).to_string());
    }
    line
}

#[test]
fn the_newest_messages_stay_unless_the_room_was_set_to_keep_more() {
    let to = Redis::with(&["chat.history-max 100"]);
    let long = json!({"room": {"name": "long", "settings": {"history_max": "5000"}}});
    let short = [room("short")].into_iter().chain((1..=700).map(|n| replying(n, 150)));
    let long = [long].into_iter().chain((1..=700).map(|n| replying(n, 150)));
    let file = Rooms::of(short.chain(long));
    let printed = succeeds("import", &to.url(), &file.path);
    assert!(printed.contains("\nshort: 100 of 700 messages stay, by history_max"), "{printed}");
    assert!(!printed.contains("\nlong: "), "{printed}");
    // No reply in `short` finds its message any more.
    assert!(printed.contains("\n55 replies without the message that they answer\n"), "{printed}");
    let mut wire = to.wire();
    for (room, kept, replies) in [("short", 100, 0), ("long", 700, 55)] {
        let page = cmd!(wire, "CHAT.HISTORY", room, "COUNT", 1000).list()[1].texts();
        assert_eq!(page.len(), kept, "{room}");
        let newest: Value = serde_json::from_str(page.last().expect("one")).expect("JSON");
        assert_eq!(newest["m"], 700, "{room}");
        let found = page.iter().filter(|event| event.contains("\"reply\":")).count();
        assert_eq!(found, replies, "{room}");
    }
    // A second run finds the newest message, and stores nothing again.
    let digest = to.digest();
    succeeds("import", &to.url(), &file.path);
    assert_eq!(to.digest(), digest);
}

#[test]
fn messages_that_are_too_old_are_told() {
    let to = Redis::with(&["chat.history-ttl 3600000"]);
    let file = Rooms::of([room("old"), message("alice", 1000, "x"), message("bob", 2000, "y")]);
    let printed = succeeds("import", &to.url(), &file.path);
    assert!(printed.contains("\nold: 0 of 2 messages stay"), "{printed}");
    assert_eq!(cmd!(to, "CHAT.HISTORY", "old").list()[1].list().len(), 0);
}
