//! Names have only visible characters, texts at least one; data stored under older rules is still
//! there and can be corrected.

use std::path::Path;

use chat_tests::checking::view::all_pages;
use chat_tests::clients::wire::{Command, Wire};
use chat_tests::servers::redis::Redis;
use chat_tests::traffic::payload::{body, seal};
use chat_tests::{args, cmd};

/// One character of each invisible kind: fillers, selectors, joiners, the empty braille pattern,
/// tags, a reserved one.
const INVISIBLE: &[char] = &[
    '\u{fe0f}',
    '\u{fe00}',
    '\u{e0101}',
    '\u{3164}',
    '\u{ffa0}',
    '\u{115f}',
    '\u{1160}',
    '\u{34f}',
    '\u{17b4}',
    '\u{180b}',
    '\u{180f}',
    '\u{2800}',
    '\u{200b}',
    '\u{200d}',
    '\u{202e}',
    '\u{e0041}',
    '\u{2065}',
];

#[test]
fn no_name_holds_invisible_characters() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.JOIN", "lobby", "alice").ok();
    let (digest, keys) = (redis.digest(), cmd!(wire, "DBSIZE"));
    for character in INVISIBLE {
        for name in [format!("{character}"), format!("a{character}"), format!("{character}lice")] {
            let (own, pair) = (format!("@{name}"), format!("dm:{name},~"));
            for room in [&name, &own, &pair] {
                for call in [
                    args!["CHAT.SEND", room, "alice", "x"],
                    args!["CHAT.JOIN", room, "alice"],
                    args!["CHAT.ROOM", room],
                    args!["CHAT.ROOM", room, "SET", "topic", "x"],
                    args!["CHAT.PRESENCE", room, "alice", "c1"],
                    args!["CHAT.FOLLOW", "@alice", room],
                    args!["CHAT.ONLINE", room],
                ] {
                    let reply = wire.call(&call);
                    assert!(reply.error().starts_with("INVALID room"), "{call:?}: {reply:?}");
                }
            }
            for call in [
                args!["CHAT.SEND", "lobby", &name, "x"],
                args!["CHAT.SEND", "lobby", "alice", "x", "MENTION", 1, &name],
                args!["CHAT.JOIN", "lobby", &name],
                args!["CHAT.JOIN", "lobby", "bob", "BY", &name],
                args!["CHAT.MOD", "lobby", "alice", "BAN", &name],
                args!["CHAT.MOD", "lobby", "*", "ROLE", &name, "member"],
                args!["CHAT.PRESENCE", "lobby", &name, "c1"],
                args!["CHAT.HISTORY", "lobby", "AS", &name],
            ] {
                let reply = wire.call(&call);
                assert!(reply.error().starts_with("INVALID user"), "{call:?}: {reply:?}");
            }
            let reply = cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", &name);
            assert!(reply.error().starts_with("INVALID connection"), "{name:?}: {reply:?}");
        }
    }
    assert_eq!((redis.digest(), cmd!(wire, "DBSIZE")), (digest, keys));
}

#[test]
fn texts_need_one_visible_character_and_are_otherwise_free() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", "hi").text().to_owned();
    let of = |text: &str| -> Vec<(Command, &'static str)> {
        vec![
            (args!["CHAT.SEND", "lobby", "alice", text], "INVALID text"),
            (args!["CHAT.SEND", "lobby", "*", text], "INVALID text"),
            (args!["CHAT.SEND", "lobby", "alice", text, "EPHEMERAL"], "INVALID text"),
            (args!["CHAT.EDIT", "lobby", "alice", &id, text], "INVALID text"),
            (args!["CHAT.ROOM", "lobby", "SET", "topic", text], "INVALID topic"),
            (args!["CHAT.ROOM", "@alice", "SET", "name", text], "INVALID name"),
        ]
    };
    let digest = redis.digest();
    let blank: String = INVISIBLE.iter().collect();
    for text in [&blank, "\u{2800}", "\u{3164}\u{3164}", " \u{a0} ", "\u{200b}"] {
        for (call, expected) in of(text) {
            let reply = wire.call(&call);
            assert!(reply.error().starts_with(expected), "{call:?}: {reply:?}");
        }
    }
    assert_eq!(redis.digest(), digest);
    // Emoji with their selectors and joiners, words with joiners, present and future letters.
    let joined = "\u{1f469}\u{200d}\u{1f680}";
    for text in ["Anna \u{2764}\u{fe0f}", joined, "\u{646}\u{200c}\u{627}", "\u{1faea}", "\u{f8ff}"]
    {
        for (call, _) in of(text) {
            wire.call(&call).ok();
        }
    }
    // Bidi controls are allowed in texts, not in names, which distinguish users.
    for (call, expected) in of("\u{202e}evil") {
        let reply = wire.call(&call);
        assert_eq!(reply.is_error(), expected == "INVALID name", "{call:?}: {reply:?}");
    }
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "\u{fe0f}", "META", "{}").ok();
    cmd!(wire, "CHAT.ROOM", "@alice", "SET", "name", "").ok();
    cmd!(wire, "CHAT.ROOM", "lobby", "SET", "topic", "").ok();
    cmd!(wire, "CHAT.ROOM", "lobby", "SET", "description", &blank).ok();
}

/// A letter of two bytes in the names of these tests, and its replacement: a character of two bytes
/// that names could hold under older rules.
const LETTER: &[u8] = "\u{e4}".as_bytes();
const BEFORE: &[u8] = "\u{34f}".as_bytes();

fn as_before(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for at in 0..out.len().saturating_sub(1) {
        if out[at..].starts_with(LETTER) {
            out[at..at + LETTER.len()].copy_from_slice(BEFORE);
        }
    }
    out
}

/// A room in which every user except the owner has a name with the letter.
fn prepare(wire: &mut Wire, room: &str) {
    for call in [
        args!["CHAT.JOIN", room, "olga"],
        args!["CHAT.SEND", room, "m\u{e4}x", "hi", "MENTION", 1, "m\u{e4}x"],
        args!["CHAT.JOIN", room, "p\u{e4}t"],
        args!["CHAT.MOD", room, "olga", "BAN", "b\u{e4}n"],
        args!["CHAT.PRESENCE", room, "m\u{e4}x", "c\u{e4}1", "TTL", 1000],
    ] {
        wire.call(&call).ok();
    }
}

/// Every user of the room with such a name can be removed, and the room still works.
fn put_right(wire: &mut Wire, room: &str) {
    let name = |name: &str| as_before(name.as_bytes());
    let members = all_pages(wire, &["CHAT.MEMBERS", room], 10);
    let members: Vec<&[u8]> = members.iter().map(|row| row.list()[0].bytes()).collect();
    assert_eq!(members, [b"olga", &*name("m\u{e4}x"), &*name("p\u{e4}t")]);
    let page = cmd!(wire, "CHAT.HISTORY", room).ok();
    let text = page.list()[1].list()[0].text().to_owned();
    assert!(text.contains("\"user\":\"m\u{34f}x\"") && text.contains("[\"m\u{34f}x\"]"), "{text}");
    for call in [
        args!["CHAT.MOD", room, "olga", "UNBAN", name("b\u{e4}n")],
        args!["CHAT.MOD", room, "olga", "BAN", name("m\u{e4}x")],
        args!["CHAT.LEAVE", room, name("p\u{e4}t")],
    ] {
        assert_eq!(wire.call(&call).int(), 1, "{call:?}");
    }
    let stranger = cmd!(wire, "CHAT.MOD", room, "olga", "BAN", name("s\u{e4}m"));
    assert!(stranger.error().starts_with("INVALID user"), "{stranger:?}");
    cmd!(wire, "CHAT.SEND", room, "olga", "all gone").ok();
    assert_eq!(all_pages(wire, &["CHAT.MEMBERS", room], 10).len(), 1);
    assert_eq!(cmd!(wire, "CHAT.ONLINE", room).list()[0].int(), 0);
}

#[test]
fn rooms_with_names_of_older_rules_are_restored() {
    let redis = Redis::with(&["rdbcompression no"]);
    let mut wire = redis.wire();
    prepare(&mut wire, "lobby");
    cmd!(wire, "CHAT.FOLLOW", "@olga", "r\u{e4}t").ok();
    for room in ["lobby", "@olga"] {
        let payload = cmd!(wire, "DUMP", room).bytes().to_vec();
        let before = seal(as_before(body(&payload)), &payload);
        cmd!(wire, "RESTORE", room, 0, before, "REPLACE").ok();
    }
    let follows = all_pages(&mut wire, &["CHAT.FOLLOWS", "@olga"], 1);
    assert_eq!(follows[0].list()[0].bytes(), as_before("r\u{e4}t".as_bytes()));
    let unfollow = cmd!(wire, "CHAT.UNFOLLOW", "@olga", as_before("r\u{e4}t".as_bytes()));
    assert_eq!(unfollow.int(), 1);
    put_right(&mut wire, "lobby");
}

#[test]
fn rooms_under_names_of_older_rules_are_loaded_kept_and_renamed() {
    let mut redis = Redis::durable();
    let mut wire = redis.wire();
    prepare(&mut wire, "h\u{e4}ll");
    cmd!(wire, "CHAT.SEND", "@p\u{e4}t", "p\u{e4}t", "mine").ok();
    cmd!(wire, "CHAT.SEND", "lobby", "olga", "hi").ok();
    redis.kill();
    rewrite_files(redis.dir());
    redis.restart();
    let mut wire = redis.wire();
    assert_eq!(redis.info("chat", "chat_records_refused"), "0");
    assert_eq!(cmd!(wire, "DBSIZE").int(), 3);
    let hall = as_before("h\u{e4}ll".as_bytes());
    // Nobody can enter it, and no list shows it.
    let refused = cmd!(wire, "CHAT.ROOM", &hall);
    assert!(refused.error().starts_with("INVALID room"), "{refused:?}");
    let listed = all_pages(&mut wire, &["CHAT.ROOMS"], 10);
    assert_eq!(listed.iter().map(|row| row.list()[0].text()).collect::<Vec<_>>(), ["lobby"]);
    let digest = redis.digest();
    let replica = Redis::replica(&redis, &[]);
    assert_eq!(replica.digest(), digest, "on a replica");
    cmd!(wire, "DEBUG", "RELOAD").ok();
    assert_eq!(redis.digest(), digest, "from an RDB file");
    assert_eq!(cmd!(wire, "RENAME", &hall, "hall").text(), "OK");
    put_right(&mut wire, "hall");
    assert_eq!(cmd!(wire, "DEL", as_before("@p\u{e4}t".as_bytes())).int(), 1);
}

/// Replaces every name in the append-only files by its older form.
fn rewrite_files(dir: &Path) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rewrite_files(&path);
        } else if path.extension().is_some_and(|extension| extension == "aof") {
            let bytes = std::fs::read(&path).expect("a file");
            std::fs::write(&path, as_before(&bytes)).expect("written");
        }
    }
}
