//! Deleted, trimmed and expired texts are in no file, no payload and no reply, on no server; only
//! the tombstone remains, and the nonce returns the first id as before.

use std::path::Path;

use chat_tests::checking::stored_words::{self, rewrite};
use chat_tests::checking::view::{history, sync};
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{SOON, eventually};

/// Without compression stored texts are visible in the bytes.
const SETTINGS: &[&str] =
    &["rdbcompression no", "appendonly yes", "appendfsync always", "replica-read-only no"];

/// Everything that must not be found afterwards: text, meta, later texts and metas, mention,
/// reactions.
const SECRETS: &[&str] = &[
    "secret-text",
    "secret-meta",
    "secret-second-text",
    "secret-second-meta",
    "secret-third-text",
    "secret-mention",
    "secret-emoji",
    "secret-withdrawn",
];

/// How the message is removed: the command on the room `lobby`.
type Way = (&'static str, fn(&mut Wire, &str));

const WAYS: &[Way] = &[
    ("deleted by its author", |wire, id| {
        cmd!(wire, "CHAT.DELETE", "lobby", "alice", id).ok();
    }),
    ("deleted by a moderator with a reason", |wire, id| {
        cmd!(wire, "CHAT.DELETE", "lobby", "owner", id, "REASON", "off topic").ok();
    }),
    ("deleted by the backend", |wire, id| {
        cmd!(wire, "CHAT.DELETE", "lobby", "*", id).ok();
    }),
    ("trimmed by further messages", |wire, _| {
        cmd!(wire, "CHAT.ROOM", "lobby", "SET", "history_max", 3).ok();
        for n in 0..3 {
            cmd!(wire, "CHAT.SEND", "lobby", "owner", format!("further {n}")).ok();
        }
    }),
    ("trimmed by a setting alone", |wire, _| {
        cmd!(wire, "CHAT.ROOM", "lobby", "SET", "history_max", 1).ok();
    }),
    ("grown too old", |wire, _| {
        cmd!(wire, "CHAT.ROOM", "lobby", "SET", "history_ttl", 1000).ok();
    }),
];

/// A message with everything that a message can have, and a plain one after it.
fn secret(wire: &mut Wire) -> String {
    cmd!(wire, "CHAT.JOIN", "lobby", "owner").ok();
    let meta = |name: &str| format!("{{\"m\":\"{name}\"}}");
    let id = cmd!(
        wire,
        "CHAT.SEND",
        "lobby",
        "alice",
        SECRETS[0],
        "META",
        meta(SECRETS[1]),
        "NONCE",
        "n1",
        "MENTION",
        1,
        SECRETS[5]
    );
    let id = id.text().to_owned();
    cmd!(wire, "CHAT.REACT", "lobby", "owner", &id, SECRETS[6]).ok();
    cmd!(wire, "CHAT.EDIT", "lobby", "alice", &id, SECRETS[2], "META", meta(SECRETS[3])).ok();
    cmd!(wire, "CHAT.REACT", "lobby", "owner", &id, SECRETS[7]).ok();
    cmd!(wire, "CHAT.REACT", "lobby", "owner", &id, SECRETS[7], "REMOVE").ok();
    cmd!(wire, "CHAT.EDIT", "lobby", "owner", &id, SECRETS[4]).ok();
    cmd!(wire, "CHAT.SEND", "lobby", "bob", "harmless").ok();
    id
}

/// The secrets in these bytes.
fn found(bytes: &[u8]) -> Vec<&'static str> {
    stored_words::found(bytes, SECRETS)
}

fn found_in_files(dir: &Path) -> Vec<&'static str> {
    stored_words::found_in_files(dir, SECRETS)
}

/// Every reply of the server about the room, as bytes.
fn answers(wire: &mut Wire) -> Vec<u8> {
    let mut all = format!("{:?}", cmd!(wire, "CHAT.HISTORY", "lobby", "COUNT", 1000));
    all.push_str(&format!("{:?}", cmd!(wire, "CHAT.SYNC", "lobby", "0-0")));
    all.push_str(&format!("{:?}", cmd!(wire, "CHAT.ROOM", "lobby")));
    let mut bytes = all.into_bytes();
    bytes.extend_from_slice(cmd!(wire, "DUMP", "lobby").bytes());
    bytes
}

#[test]
fn deleted_texts_are_found_nowhere() {
    for (way, go) in WAYS {
        println!("{way}");
        let mut primary = Redis::with(SETTINGS);
        let replica = Redis::replica(&primary, SETTINGS);
        let mut wire = primary.wire();
        let id = secret(&mut wire);
        replica.catch_up(&primary);
        // The searches work: before the removal they find all secrets except those that edits
        // replaced.
        let there = &SECRETS[3..];
        assert_eq!(found(&answers(&mut wire)), there, "{way}");
        for redis in [&primary, &replica] {
            redis.save();
            rewrite(redis);
            let files = found_in_files(redis.dir());
            assert!(there.iter().all(|secret| files.contains(secret)), "{way}: {files:?}");
        }
        go(&mut wire, &id);
        let none = |redis: &Redis| match found(&answers(&mut redis.wire())).as_slice() {
            [] => Ok(()),
            found => Err(format!("{found:?}")),
        };
        eventually(&format!("nothing to be found, {way}"), SOON, || none(&primary));
        replica.catch_up(&primary);
        eventually(&format!("nothing on the replica, {way}"), SOON, || none(&replica));
        for preamble in ["yes", "no"] {
            for redis in [&primary, &replica] {
                cmd!(redis, "CONFIG", "SET", "aof-use-rdb-preamble", preamble).ok();
                redis.save();
                rewrite(redis);
                // Files that a rewrite replaced are removed in the background.
                eventually(&format!("clean files, {way}, preamble {preamble}"), SOON, || {
                    match found_in_files(redis.dir()).as_slice() {
                        [] => Ok(()),
                        found => Err(format!("{found:?}")),
                    }
                });
            }
        }
        let digest = primary.digest();
        assert_eq!(replica.digest(), digest, "{way}");
        primary.kill();
        primary.restart();
        assert_eq!(primary.digest(), digest, "{way}, after a restart");
        assert_eq!(none(&primary), Ok(()), "{way}, after a restart");
    }
}

#[test]
fn a_deleted_message_leaves_a_tombstone() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let id = secret(&mut wire);
    let before = sync(&mut wire, "lobby", "0-0", &[]);
    let deletion = cmd!(wire, "CHAT.DELETE", "lobby", "owner", &id, "REASON", "off topic");
    let page = history(&mut wire, "lobby", &[]);
    let tombstone = &page.events[0];
    let names: Vec<_> = tombstone.json.as_object().expect("an object").keys().collect();
    let expected = ["by", "deleted", "id", "m", "prev", "reason", "room", "ts", "type", "user"];
    assert_eq!(names, expected, "{}", tombstone.text);
    assert_eq!((tombstone.id(), &tombstone.json["by"]), (id.as_str(), &"owner".into()));
    assert_eq!((&tombstone.json["user"], &tombstone.json["m"]), (&"alice".into(), &1.into()));
    assert_eq!(page.texts(), ["harmless"]);
    // The positions of all events remain, so no reader sees a gap.
    let after = sync(&mut wire, "lobby", "0-0", &[]);
    assert!(after.recovered);
    assert_eq!(after.ids()[..before.ids().len()], before.ids());
    assert_eq!(after.newest, deletion.text());
    for event in &after.events {
        let json = &event.json;
        match json["type"].as_str() {
            Some("edit") => assert!(json["text"].is_null() && json["meta"].is_null(), "{json}"),
            Some("react") => assert!(json["user"].is_null() && json["emoji"].is_null(), "{json}"),
            _ => {}
        }
    }
    let last = after.events.last().expect("the deletion");
    assert_eq!((&last.json["type"], &last.json["ref"]), (&"delete".into(), &id.as_str().into()));
    // A deletion by the author without a reason leaves less.
    let own = cmd!(wire, "CHAT.SEND", "lobby", "bob", "mine").text().to_owned();
    cmd!(wire, "CHAT.DELETE", "lobby", "bob", &own).ok();
    let tombstone = history(&mut wire, "lobby", &[]).events.pop().expect("the tombstone");
    assert!(
        tombstone.json["by"].is_null() && tombstone.json["reason"].is_null(),
        "{}",
        tombstone.text
    );
}

#[test]
fn a_nonce_returns_its_first_id_after_its_message_is_gone() {
    for (way, go) in [("edited", edit as fn(&mut Wire, &str))].iter().chain(WAYS) {
        let mut primary = Redis::durable();
        let replica = Redis::replica(&primary, &[]);
        let mut wire = primary.wire();
        let id = secret(&mut wire);
        go(&mut wire, &id);
        let again = |wire: &mut Wire| {
            cmd!(wire, "CHAT.SEND", "lobby", "alice", SECRETS[0], "NONCE", "n1")
                .ok()
                .text()
                .to_owned()
        };
        let digest = primary.digest();
        assert_eq!(again(&mut wire), id, "{way}");
        if *way == "grown too old" {
            eventually("the old message to go", SOON, || {
                let page = history(&mut wire, "lobby", &[]);
                if page.events.is_empty() { Ok(()) } else { Err(format!("{page:?}")) }
            });
        } else {
            assert_eq!(primary.digest(), digest, "{way}: nothing is stored by asking again");
        }
        let other = cmd!(wire, "CHAT.SEND", "lobby", "alice", "another", "NONCE", "n1");
        if way.starts_with("deleted") {
            // No text is left to compare with.
            assert_eq!(other.ok().text(), id, "{way}");
        } else {
            assert!(other.error().starts_with("INVALID nonce"), "{way}: {other:?}");
        }
        primary.kill();
        primary.restart();
        assert_eq!(again(&mut primary.wire()), id, "{way}, after a restart");
        replica.catch_up(&primary);
        primary.stop();
        cmd!(replica, "REPLICAOF", "NO", "ONE").ok();
        assert_eq!(again(&mut replica.wire()), id, "{way}, on the replica");
    }
}

fn edit(wire: &mut Wire, id: &str) {
    cmd!(wire, "CHAT.EDIT", "lobby", "alice", id, "something else").ok();
}

#[test]
fn texts_repeated_by_many_events_are_hidden_at_once_and_freed_later() {
    let settings = ["chat.history-max 100000"];
    let primary = Redis::with(&settings);
    let replica = Redis::replica(&primary, &settings);
    let mut wire = primary.wire();
    let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", "liked").text().to_owned();
    let emoji = "secret-emoji";
    for _ in 0..60 {
        let mut commands = Vec::new();
        for n in 0..100 {
            let user = format!("user{n}");
            commands.push(chat_tests::args!["CHAT.JOIN", "lobby", &user]);
            commands.push(chat_tests::args!["CHAT.REACT", "lobby", &user, &id, emoji]);
            commands.push(chat_tests::args!["CHAT.REACT", "lobby", &user, &id, emoji, "REMOVE"]);
        }
        wire.pipeline(&commands).into_iter().for_each(|reply| drop(reply.ok()));
    }
    replica.catch_up(&primary);
    let usage = |redis: &Redis| cmd!(redis, "MEMORY", "USAGE", "lobby").int();
    let before = [usage(&primary), usage(&replica)];
    cmd!(wire, "CHAT.DELETE", "lobby", "alice", &id).ok();
    assert_eq!(found(&answers(&mut wire)), [""; 0]);
    replica.catch_up(&primary);
    assert_eq!(found(&answers(&mut replica.wire())), [""; 0]);
    let digest = primary.digest();
    for (redis, before) in [&primary, &replica].into_iter().zip(before) {
        assert_eq!(redis.digest(), digest);
        eventually("memory to be freed", SOON, || {
            assert_eq!(redis.digest(), digest, "whatever is freed");
            let now = usage(redis);
            // An emoji and a name of 8 or 16 bytes each in 12,000 events.
            if now < before - 250_000 { Ok(()) } else { Err(format!("{now} of {before}")) }
        });
    }
}
