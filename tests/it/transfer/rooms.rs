//! What is carried comes back on another server; what is not is named.

use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use serde_json::json;

use super::stage::{Rooms, room, run, succeeds};

/// A server with rooms of every kind.
fn filled() -> Redis {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let send = |wire: &mut Wire, more: &[&str]| {
        let words: Vec<&str> = [&["CHAT.SEND"], more].concat();
        wire.call(&words).text().to_owned()
    };
    let first = send(&mut wire, &["lobby", "alice", "hi", "META", "{\"b\":1,\"a\":2.50}"]);
    let gone = send(&mut wire, &["lobby", "bob", "gone"]);
    send(&mut wire, &["lobby", "bob", "yes ☕", "KIND", "action", "REPLY", &first]);
    send(&mut wire, &["lobby", "bob", "to nothing", "REPLY", &gone]);
    cmd!(wire, "CHAT.DELETE", "lobby", "bob", &gone).ok();
    cmd!(wire, "CHAT.EDIT", "lobby", "alice", &first, "hi all").ok();
    cmd!(wire, "CHAT.REACT", "lobby", "bob", &first, "👍").ok();
    send(&mut wire, &["lobby", "*", "the last \u{7} line\n2"]);
    cmd!(wire, "CHAT.ROOM", "lobby", "SET", "topic", "all of it", "history_max", 50).ok();
    cmd!(wire, "CHAT.ROOM", "lobby", "SET", "slow", 1, "log_joins", "yes").ok();
    cmd!(wire, "CHAT.MOD", "lobby", "*", "ROLE", "bob", "moderator").ok();
    cmd!(wire, "CHAT.MOD", "lobby", "*", "ROLE", "carol", "owner").ok();
    cmd!(wire, "CHAT.MOD", "lobby", "*", "BAN", "mallory").ok();
    cmd!(wire, "CHAT.MOD", "lobby", "*", "MUTE", "bob", "FOR", 100_000_000_000_u64).ok();
    cmd!(wire, "CHAT.MOD", "lobby", "*", "MUTE", "mallory").ok();
    cmd!(wire, "CHAT.ROOM", "@alice", "SET", "name", "Alice", "status", "tea").ok();
    cmd!(wire, "CHAT.ROOM", "@alice", "SET", "tokens_after", 1_795_225_200_001_u64).ok();
    cmd!(wire, "CHAT.FOLLOW", "@alice", "lobby", "dm:alice,bob", "nowhere").ok();
    cmd!(wire, "CHAT.MOD", "@alice", "alice", "BAN", "mallory").ok();
    cmd!(wire, "CHAT.MOD", "@mallory", "*", "BAN", "mallory").ok();
    send(&mut wire, &["dm:alice,bob", "alice", "psst"]);
    send(&mut wire, &["dm:alice,bob", "bob", "yes?"]);
    cmd!(wire, "CHAT.ROOM", "staff", "SET", "access", "members", "log_joins", "yes").ok();
    cmd!(wire, "CHAT.JOIN", "staff", "dave", "BY", "*").ok();
    cmd!(wire, "SET", "not a room", "x").ok();
    redis
}

/// The newest id of every room.
fn newest(wire: &mut Wire, rooms: &[&str]) -> Vec<String> {
    let newest =
        |room: &&str| cmd!(wire, "CHAT.ROOM_RO", *room).get("last").map(|id| id.text().into());
    rooms.iter().map(newest).map(Option::unwrap_or_default).collect()
}

#[test]
fn rooms_come_back_on_another_server_and_a_second_import_changes_nothing() {
    let names = ["lobby", "@alice", "@mallory", "dm:alice,bob", "staff"];
    let (from, to) = (filled(), Redis::start());
    let (there, back) = (Rooms::new(), Rooms::new());
    let printed = succeeds("export", &from.url(), &there.path);
    assert!(printed.starts_with("5 rooms, 6 messages\nnot carried: reactions, "), "{printed}");
    let mode = std::os::unix::fs::MetadataExt::mode(&there.path.metadata().expect("a file"));
    assert_eq!(mode & 0o777, 0o600, "others may not read it");
    let printed = succeeds("import", &to.url(), &there.path);
    let expected = "5 rooms, 6 messages, 4 members, 4 sanctions\n1 replies without the message that \
                    they answer\nnot carried: reactions, ";
    assert!(printed.starts_with(expected), "{printed}");

    succeeds("export", &to.url(), &back.path);
    let (mut expected, mut found) = (there.read(), back.read());
    assert_eq!(expected.keys().collect::<Vec<_>>(), {
        let mut names = names;
        names.sort_unstable();
        names.to_vec()
    });
    // A reply to a deleted message is none, and a ban ends at most a second later or earlier.
    for line in
        [&mut expected, &mut found].into_iter().flat_map(|rooms| rooms.values_mut()).flatten()
    {
        if let Some(message) = line.get_mut("message").and_then(|message| message.as_object_mut()) {
            message.retain(|name, value| name != "reply" || !value.is_null());
        }
        if let Some(mute) = line.get_mut("sanction").and_then(|line| line.get_mut("mute")) {
            *mute = json!(mute.as_u64().map(|until| (until + 5_000) / 10_000_000));
        }
    }
    assert_eq!(found, expected);

    let mut wire = to.wire();
    assert_eq!(cmd!(wire, "CHAT.ROOM_RO", "lobby").get("slow").expect("slow").int(), 1);
    let settings = cmd!(wire, "CHAT.ROOM_RO", "lobby", "SETTINGS").texts();
    assert_eq!(settings.len(), 8, "what follows the server still does: {settings:?}");
    assert!(cmd!(wire, "CHAT.SEND", "lobby", "mallory", "x").error().starts_with("BANNED 0"));
    let unread = cmd!(wire, "CHAT.UNREAD", "lobby", "alice");
    assert_eq!(unread.list()[0].list()[0].int(), 0, "imported messages are read");
    let page = cmd!(wire, "CHAT.HISTORY", "lobby").list()[1].texts();
    let page: Vec<serde_json::Value> =
        page.iter().map(|event| serde_json::from_str(event).expect("JSON")).collect();
    assert_eq!(page[1]["reply"], page[0]["id"]);
    assert_eq!(page[0]["text"], "hi all");
    let joins = cmd!(wire, "CHAT.SYNC", "staff", "0-0", "COUNT", 100);
    assert!(!format!("{joins:?}").contains("\\\"member\\\""), "nobody joins now: {joins:?}");

    let (before, digest) = (newest(&mut wire, &names), to.digest());
    succeeds("import", &to.url(), &there.path);
    assert_eq!(newest(&mut wire, &names), before);
    assert_eq!(to.digest(), digest);
}

#[test]
fn only_rooms_that_match_are_written_and_brought_in() {
    let (from, to) = (filled(), Redis::start());
    let (some, all) = (Rooms::new(), Rooms::new());
    let only = |what: &str, redis: &Redis, file: &Rooms, pattern: &str| {
        let mut command = super::stage::program(what, &redis.url(), &file.path);
        let output = command.args(["--match", pattern]).output().expect("it runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(only("export", &from, &some, "@*").starts_with("2 rooms, 0 messages\n"));
    assert_eq!(some.read().keys().collect::<Vec<_>>(), ["@alice", "@mallory"]);
    succeeds("export", &from.url(), &all.path);
    assert!(only("import", &to, &all, "dm:*").starts_with("1 rooms, 2 messages, "));
    assert_eq!(cmd!(to, "DBSIZE").int(), 1);
}

#[test]
fn a_file_of_another_program_is_brought_in_and_what_redis_refuses_is_told() {
    let to = Redis::start();
    let reply = |to: &str, ts: u64| json!({"message": {"user": "bob", "ts": ts, "text": "re", "reply": to}});
    let file = Rooms::of([
        room("old"),
        json!({"member": {"user": "alice", "role": "owner"}}),
        json!({"member": {"user": "bob", "role": "king"}}),
        json!({"message": {"id": "mail-1", "user": "alice", "ts": 1000, "text": "from 1970"}}),
        reply("mail-1", 1000),
        reply("mail-0", 2000),
        room("empty"),
    ]);
    let output = run("import", &to.url(), &file.path);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let expected = "2 rooms, 3 messages, 2 members, 0 sanctions\nold: member bob: INVALID role: ";
    assert!(said.starts_with(expected), "{said}");
    assert!(
        said.contains("\n1 replies without the message that they answer\n1 lines were refused\n")
    );
    let mut wire = to.wire();
    let page = cmd!(wire, "CHAT.HISTORY", "old").list()[1].texts();
    let page: Vec<serde_json::Value> =
        page.iter().map(|event| serde_json::from_str(event).expect("JSON")).collect();
    assert_eq!(page[1]["reply"], page[0]["id"]);
    assert_eq!([&page[0]["ts"], &page[2]["ts"]], [&json!(1000), &json!(2000)]);
    assert_eq!(page[2].get("reply"), None);
    assert_eq!(page[0]["imported"], true);
    let members = cmd!(wire, "CHAT.MEMBERS", "old").list()[1].list().len();
    assert_eq!(members, 1, "authors do not become members");
    // Nothing is known of the room, so it is not made.
    assert_eq!(cmd!(wire, "EXISTS", "empty").int(), 0);
}

#[test]
fn a_room_whose_name_is_no_longer_valid_is_left_out() {
    let from = Redis::start();
    cmd!(from, "CHAT.SEND", "lobby", "alice", "hi").ok();
    cmd!(from, "CHAT.SEND", "other", "alice", "hi").ok();
    cmd!(from, "RENAME", "other", "oth\u{200b}er").ok();
    let file = Rooms::new();
    let printed = succeeds("export", &from.url(), &file.path);
    assert!(printed.starts_with("1 rooms, 1 messages\n1 rooms are left out: "), "{printed}");
    assert_eq!(file.read().keys().collect::<Vec<_>>(), ["lobby"]);
}
