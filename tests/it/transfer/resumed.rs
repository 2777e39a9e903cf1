//! Imports that are cut off, by themselves or by Redis, and end whole.

use std::process::Stdio;

use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};
use serde_json::{Value, json};

use super::stage::{Rooms, program, room, succeeds};

const MESSAGES: u64 = 60_000;

/// A room of many messages, of which some reply to others.
fn long() -> impl Iterator<Item = Value> {
    let settings = json!({"room": {"name": "long", "settings": {"history_max": "1000000"}}});
    let text = "x".repeat(100);
    let messages = (1..=MESSAGES).map(move |n| {
        let mut line = json!({"message": {
            "id": n.to_string(), "user": format!("user{}", n % 7), "ts": 1_500_000_000_000 + n,
            "text": format!("{n} {text}"),
        }});
        if n.is_multiple_of(100) {
            line["message"]["reply"] = json!((n - 90).to_string());
        }
        line
    });
    [settings].into_iter().chain(messages).chain([room("last")])
}

/// How many messages the room has.
fn stored(redis: &Redis) -> u64 {
    let view = cmd!(redis, "CHAT.ROOM_RO", "long");
    view.get("m").map_or(0, |m| u64::try_from(m.int()).expect("a number"))
}

/// Checks every message: its number, author, time, text, and the message that it answers.
#[track_caller]
fn assert_whole(redis: &Redis) {
    let mut wire = redis.wire();
    let (mut after, mut n) = ("0-0".to_owned(), 0);
    let mut ids = Vec::new();
    loop {
        let reply = cmd!(wire, "CHAT.HISTORY", "long", "AFTER", &after, "COUNT", 1000);
        for event in reply.list()[1].texts() {
            n += 1;
            let event: Value = serde_json::from_str(&event).expect("JSON");
            after = event["id"].as_str().expect("an id").to_owned();
            ids.push(after.clone());
            let text = event["text"].as_str().expect("a text");
            let right = event["m"] == n
                && event["user"] == format!("user{}", n % 7)
                && event["ts"] == 1_500_000_000_000 + n
                && text.starts_with(&format!("{n} "));
            assert!(right, "{n}: {event}");
            let answered = (n % 100 == 0).then(|| json!(ids[ids.len() - 91]));
            assert_eq!(event.get("reply"), answered.as_ref(), "{n}");
        }
        if reply.list()[2].int() == 0 {
            break;
        }
    }
    assert_eq!(n, MESSAGES);
}

#[test]
fn an_import_that_was_killed_is_run_again() {
    let redis = Redis::start();
    let file = Rooms::of(long());
    for killed_at in [500, MESSAGES / 3, MESSAGES / 2] {
        let mut command = program("import", &redis.url(), &file.path);
        let mut import = command.stdout(Stdio::null()).spawn().expect("it runs");
        eventually("messages", LATER, || match stored(&redis) {
            stored if stored >= killed_at => Ok(()),
            stored => Err(format!("{stored}")),
        });
        import.kill().expect("it runs");
        import.wait().expect("it has ended");
    }
    let printed = succeeds("import", &redis.url(), &file.path);
    assert!(printed.starts_with(&format!("2 rooms, {MESSAGES} messages, ")), "{printed}");
    assert_whole(&redis);
}

#[test]
fn an_import_goes_on_when_redis_was_killed() {
    let mut redis = Redis::durable();
    let file = Rooms::of(long());
    let mut command = program("import", &redis.url(), &file.path);
    let import = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    eventually("messages", LATER, || match stored(&redis) {
        stored if stored >= MESSAGES / 10 => Ok(()),
        stored => Err(format!("{stored}")),
    });
    redis.kill();
    redis.restart();
    let output = import.wait_with_output().expect("it has ended");
    assert!(output.status.success(), "{output:?}");
    assert_whole(&redis);
}
