//! CHAT.ROOM_RO gives the reply of CHAT.ROOM wherever Redis answers reads: on replicas, with writes
//! refused, for an ACL user without the right to write. Login and access checks depend on it.

use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};

/// Rooms of every kind, and a user who may read each.
const ROOMS: &[(&str, &str)] = &[("lobby", "bob"), ("@bob", "bob"), ("dm:alice,bob", "alice")];

fn prepare(wire: &mut Wire) {
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "hi").ok();
    cmd!(wire, "CHAT.ROOM", "lobby", "SET", "topic", "tea", "slow", 50).ok();
    cmd!(wire, "CHAT.MOD", "lobby", "alice", "MUTE", "bob").ok();
    cmd!(wire, "CHAT.MOD", "lobby", "alice", "BAN", "mallory").ok();
    cmd!(wire, "CHAT.ROOM", "@bob", "SET", "name", "Bob", "BY", "bob").ok();
    cmd!(wire, "CHAT.SEND", "dm:alice,bob", "alice", "hi").ok();
}

/// The replies of CHAT.ROOM for every room, to the backend and to a user.
fn described(wire: &mut Wire, command: &str) -> Vec<Reply> {
    let both = |(room, user): &(&str, &str)| {
        [cmd!(wire, command, room).ok(), cmd!(wire, command, room, "AS", user).ok()]
    };
    ROOMS.iter().flat_map(both).collect()
}

/// Checks replies and errors while `code` refuses every write.
#[track_caller]
fn answers(wire: &mut Wire, expected: &[Reply], code: &str) {
    assert_eq!(described(wire, "CHAT.ROOM_RO"), expected, "{code}");
    let write = cmd!(wire, "CHAT.ROOM", "lobby", "SET", "topic", "coffee");
    assert!(write.error().starts_with(code), "{write:?}");
    for (room, user, expected) in [
        ("lobby", "mallory", "BANNED 0"),
        ("@bob", "alice", "DENIED self"),
        ("dm:alice,bob", "carol", "NOTMEMBER"),
        ("nowhere", "bob", "NOROOM"),
    ] {
        let reply = cmd!(wire, "CHAT.ROOM_RO", room, "AS", user);
        assert!(reply.error().starts_with(expected), "{code} {room} {user}: {reply:?}");
    }
}

#[test]
fn rooms_are_described_wherever_reads_are_answered() {
    let mut redis = Redis::with(&["maxmemory-policy noeviction"]);
    let mut wire = redis.wire();
    prepare(&mut wire);
    let expected = described(&mut wire, "CHAT.ROOM");
    assert_eq!(described(&mut wire, "CHAT.ROOM_RO"), expected);

    let replica = Redis::replica(&redis, &[]);
    answers(&mut replica.wire(), &expected, "READONLY");
    drop(replica);

    cmd!(wire, "CONFIG", "SET", "min-replicas-to-write", 1).ok();
    eventually("the replica's absence", LATER, || {
        match redis.info("replication", "connected_slaves").as_str() {
            "0" => Ok(()),
            other => Err(other.to_owned()),
        }
    });
    answers(&mut wire, &expected, "NOREPLICAS");
    cmd!(wire, "CONFIG", "SET", "min-replicas-to-write", 0).ok();

    cmd!(wire, "CONFIG", "SET", "maxmemory", 1).ok();
    answers(&mut wire, &expected, "OOM");
    cmd!(wire, "CONFIG", "SET", "maxmemory", 0).ok();

    // A save that fails: a directory has the name of its file.
    let file = redis.dir().join("dump.rdb");
    let _ = std::fs::remove_file(&file);
    std::fs::create_dir(&file).expect("a directory");
    cmd!(wire, "CONFIG", "SET", "save", "3600 1").ok();
    redis.begin_save();
    eventually("the end of the save", LATER, || {
        match redis.info("persistence", "rdb_last_bgsave_status").as_str() {
            "err" => Ok(()),
            other => Err(other.to_owned()),
        }
    });
    answers(&mut wire, &expected, "MISCONF");
    redis.kill();
}

#[test]
fn an_acl_user_without_the_right_to_write_may_read() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    prepare(&mut wire);
    let expected = described(&mut wire, "CHAT.ROOM");
    cmd!(wire, "ACL", "SETUSER", "reader", "on", ">pw", "%R~*", "+chat.room", "+chat.room_ro").ok();
    let mut reader = redis.wire();
    cmd!(reader, "AUTH", "reader", "pw").ok();
    answers(&mut reader, &expected, "NOPERM");
}

#[test]
fn only_the_fields_that_are_asked_for_are_answered() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    prepare(&mut wire);
    let mut fields: Vec<String> = Vec::new();
    for (room, user) in ROOMS {
        let whole = cmd!(wire, "CHAT.ROOM_RO", room, "AS", user).ok();
        let pairs: Vec<&[Reply]> = whole.list().chunks(2).collect();
        for pair in &pairs {
            let field = pair[0].text();
            let one =
                cmd!(wire, "CHAT.ROOM_RO", room, "GET", field.to_uppercase(), "AS", user).ok();
            assert_eq!(one.list(), *pair, "{room} {field}");
            fields.push(field.to_owned());
        }
        fields.sort();
        fields.dedup();
        let all: Vec<&str> = ["CHAT.ROOM_RO", room, "AS", user, "GET"]
            .into_iter()
            .chain(fields.iter().map(String::as_str))
            .collect();
        assert_eq!(wire.call(&all).ok(), whole, "those that {room} lacks are left out");
    }
    let twice = cmd!(wire, "CHAT.ROOM_RO", "lobby", "GET", "topic", "topic", "role").ok();
    assert_eq!(twice.texts(), ["topic", "tea"], "the backend has no role");
    let mut most = vec!["CHAT.ROOM_RO", "lobby", "GET"];
    most.resize(3 + 32, "topic");
    assert_eq!(wire.call(&most).texts(), ["topic", "tea"]);
    most.push("topic");
    assert!(wire.call(&most).error().starts_with("INVALID field"), "more than there are");
}

#[test]
fn settings_are_answered_in_words_that_set_takes() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    prepare(&mut wire);
    let settings = |wire: &mut Wire, room: &str| cmd!(wire, "CHAT.ROOM_RO", room, "SETTINGS");
    assert_eq!(settings(&mut wire, "dm:alice,bob").list(), [], "all follow the server");
    assert_eq!(settings(&mut wire, "@bob").texts(), ["name", "Bob"]);
    let every: &[(&str, &str)] = &[
        ("access", "members"),
        ("topic", "tea"),
        ("description", "all of it"),
        ("max_text", "100"),
        ("history_max", "50"),
        ("history_ttl", "86400000"),
        ("room_bytes", "2000000"),
        ("log_joins", "yes"),
        ("frozen", "yes"),
        ("slow", "50"),
    ];
    for (field, value) in every {
        cmd!(wire, "CHAT.ROOM", "lobby", "SET", *field, *value).ok();
    }
    let words: Vec<&str> = every.iter().flat_map(|(field, value)| [*field, *value]).collect();
    let answered = settings(&mut wire, "lobby").texts();
    assert_eq!(answered, words);
    let copied: Vec<&str> = ["CHAT.ROOM", "copy", "SET"]
        .into_iter()
        .chain(answered.iter().map(String::as_str))
        .collect();
    wire.call(&copied).ok();
    assert_eq!(settings(&mut wire, "copy").texts(), words);
    for (field, _) in every.iter().filter(|(field, _)| field.starts_with("history")) {
        cmd!(wire, "CHAT.ROOM", "copy", "SET", *field, "default").ok();
        assert!(!settings(&mut wire, "copy").texts().iter().any(|word| word == field), "{field}");
    }
}

#[test]
fn describing_writes_nothing() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    prepare(&mut wire);
    let dirty = redis.info("persistence", "rdb_changes_since_last_save");
    let mut watcher = redis.wire();
    cmd!(watcher, "WATCH", "lobby", "@bob").ok();
    described(&mut wire, "CHAT.ROOM_RO");
    cmd!(watcher, "MULTI").ok();
    cmd!(watcher, "CHAT.ROOM_RO", "lobby").ok();
    assert_eq!(cmd!(watcher, "EXEC").list().len(), 1, "nothing was touched");
    assert_eq!(redis.info("persistence", "rdb_changes_since_last_save"), dirty);
}
