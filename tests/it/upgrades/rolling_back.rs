//! Back to the version before: with the same stored form by a restart, otherwise with the backup or
//! through a file of `chat-relay export`.

use std::fs;
use std::path::Path;
use std::process::Command;

use chat_tests::checking::view::{all_rooms, assert_alike, history};
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::seed::seeded;
use chat_tests::servers::artefacts::{module, old_module, old_relay, relay};
use chat_tests::servers::proxy::Proxy;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::traffic::commands::Traffic;
use serde_json::json;

/// The stored form that a server writes; empty for builds that do not tell it.
fn stored_form(redis: &Redis) -> String {
    let info = cmd!(redis, "INFO", "chat").text().to_owned();
    let form = info.lines().find_map(|line| line.strip_prefix("chat_stored_form:"));
    form.unwrap_or_default().to_owned()
}

// upgrades.md: **The same stored form**
// upgrades.md: **Another stored form**
#[test]
fn an_older_module_takes_the_files_back_if_the_form_is_the_same_and_refuses_them_if_not() {
    for lines in [&["save 3600 1"][..], &["appendonly yes"]] {
        let mut redis = Redis::with_module(old_module(), lines);
        let before = stored_form(&redis);
        if before.is_empty() {
            println!("skipped: a build that does not tell its stored form promises nothing");
            return;
        }
        redis.stop();
        redis.use_module(module());
        redis.restart();
        let mut wire = redis.wire();
        Traffic::new(seeded("newer")).run(&mut wire, 800);
        let (after, digest, rooms) = (stored_form(&redis), redis.digest(), all_rooms(&mut wire));
        redis.stop();
        redis.use_module(old_module());
        match redis.try_restart() {
            Ok(()) => {
                assert_eq!(before, after, "an older module took a newer form");
                assert_alike("back", &all_rooms(&mut redis.wire()), &rooms);
                assert_eq!(redis.digest(), digest);
            }
            Err(log) => {
                assert_ne!(before, after, "{log}");
                assert!(log.contains("chat-room"), "{log}");
                // The newer module has them still.
                redis.use_module(module());
                redis.restart();
                assert_eq!(redis.digest(), digest);
            }
        }
    }
}

fn say(wire: &mut Wire, text: &str) -> String {
    cmd!(wire, "CHAT.SEND", "lobby", "bob", text).text().to_owned()
}

// upgrades.md: **Back to the backup**
#[test]
fn the_backup_loads_in_the_older_module_and_clients_reload_what_is_lost() {
    let mut redis = Redis::with_module(old_module(), &["save 3600 1"]);
    let path = Proxy::to(redis.address());
    let relay = Relay::of_program(old_relay(), "r1", &format!("redis://{}", path.address()), &[]);
    relay.wait_ready();
    say(&mut redis.wire(), "before");
    redis.save();
    let backup = fs::read(redis.dir().join("dump.rdb")).expect("a copy");
    redis.stop();
    redis.use_module(module());
    redis.restart();
    relay.wait_ready();
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    let lost = say(&mut redis.wire(), "lost");
    alice.next_where("lobby", "what will be lost", |event| event["id"] == *lost);
    redis.stop();
    redis.use_module(old_module());
    fs::write(redis.dir().join("dump.rdb"), backup).expect("written");
    redis.restart();
    let page = alice.next_where("lobby", "a reload", |event| event["type"] == "reload").json;
    let texts: Vec<_> =
        page["events"].as_array().into_iter().flatten().map(|event| &event["text"]).collect();
    assert_eq!(texts, [&json!("before")], "{page}");
    let next = say(&mut redis.wire(), "after");
    assert!(next > lost, "{next} was given before: {lost}");
}

#[track_caller]
fn run(program: &Path, what: &str, url: &str, file: &Path) {
    let output = Command::new(program).args([what, "--redis", url]).arg(file).output();
    let output = output.expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&said));
}

// upgrades.md: **Back with what was written since**
#[test]
fn what_the_newer_version_has_stored_comes_back_by_export_and_import() {
    let (newer, older) = (Redis::with_module(module(), &[]), Redis::with_module(old_module(), &[]));
    let mut wire = newer.wire();
    cmd!(wire, "CHAT.JOIN", "lobby", "alice", "ROLE", "owner", "BY", "*").ok();
    cmd!(wire, "CHAT.ROOM", "lobby", "SET", "topic", "all hands").ok();
    for n in 0..50 {
        say(&mut wire, &format!("message {n}"));
    }
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("rooms.ndjson");
    run(relay(), "export", &newer.url(), &file);
    run(old_relay(), "import", &older.url(), &file);
    let mut back = older.wire();
    let texts = |wire: &mut Wire| {
        let page = history(wire, "lobby", &["COUNT", "100"]);
        page.texts().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(texts(&mut back), texts(&mut wire));
    let members = cmd!(back, "CHAT.MEMBERS", "lobby");
    assert_eq!(members.list()[1].list()[0].list()[0].text(), "alice");
    let topic = cmd!(back, "CHAT.ROOM_RO", "lobby");
    assert_eq!(topic.get("topic").map(|topic| topic.text()), Some("all hands"));
}
