//! What is written, which of it stays, and what is refused.

use std::time::Duration;

use chat_tests::clients::reply::Reply;
use chat_tests::cmd;
use chat_tests::servers::forwarder::Forwarder;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually, never};

use super::stage::{Entry, KEY, entries, entry, names, to};

fn length(sink: &Redis) -> i64 {
    cmd!(sink, "XLEN", KEY).int()
}

#[track_caller]
fn await_entries(sink: &Redis, count: usize) -> Vec<Entry> {
    eventually("entries", LATER, || {
        let found = entries(&mut sink.wire());
        if found.len() >= count { Ok(found) } else { Err(format!("{found:?}")) }
    })
}

#[test]
fn filters_decide_what_is_written_and_the_end_of_a_room_is_told() {
    // The rooms' own server may have the stream.
    let redis = Redis::start();
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.SEND", "support:1", "alice", "old").ok();
    let (code, said) = Forwarder::create(&redis.url(), &to(&redis), &[]);
    assert_eq!((code, said.as_str()), (Some(0), "created: 1 rooms are taken as read\n"));
    let (code, said) = Forwarder::create(&redis.url(), &to(&redis), &[]);
    assert!(code == Some(1) && said.contains("it was created already"), "{said}");
    let options = ["--match", "support:*", "--types", "message,delete", "--bare"];
    let _forwarder = Forwarder::run(&redis.url(), &to(&redis), &options);
    let first = cmd!(wire, "CHAT.SEND", "support:1", "alice", "hello").ok().text().to_owned();
    cmd!(wire, "CHAT.EDIT", "support:1", "alice", &first, "changed").ok();
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "not wanted").ok();
    cmd!(wire, "CHAT.SEND", "@alice", "alice", "not wanted").ok();
    cmd!(wire, "CHAT.IMPORT", "support:2", "bob", 1_595_225_200_000_i64, "past", "AT", 1).ok();
    let deleted = cmd!(wire, "CHAT.DELETE", "support:1", "alice", &first).ok().text().to_owned();
    let row = |kind: &str, id: &str| Entry {
        room: "support:1".into(),
        kind: kind.into(),
        id: id.into(),
        event: None,
    };
    assert_eq!(await_entries(&redis, 2), [row("message", &first), row("delete", &deleted)]);
    cmd!(wire, "DEL", "support:1").ok();
    assert_eq!(await_entries(&redis, 3)[2..], [row("gone", &deleted)]);
    // The keys beside the stream are names that no room can have.
    for key in cmd!(wire, "KEYS", "dm:forward:*").texts() {
        let refused = cmd!(wire, "CHAT.SEND", &key, "mallory", "hello");
        assert!(refused.error().starts_with("INVALID room"), "{key}: {refused:?}");
    }
}

#[test]
fn a_past_that_was_trimmed_is_told_and_what_is_left_is_written() {
    let redis = Redis::with(&["chat.history-max 5", "chat.journal-max 5"]);
    let sink = Redis::start();
    let (code, said) = Forwarder::create(&redis.url(), &to(&sink), &["--from", "beginning"]);
    assert_eq!(code, Some(0), "{said}");
    let mut wire = redis.wire();
    let ids: Vec<String> = (0..20)
        .map(|at| cmd!(wire, "CHAT.SEND", "lobby", "alice", at).ok().text().to_owned())
        .collect();
    let forwarder = Forwarder::run(&redis.url(), &to(&sink), &[]);
    let found = await_entries(&sink, 6);
    assert_eq!((found[0].kind.as_str(), found[0].id.as_str()), ("lost", "0-0"));
    let written: Vec<&str> = found[1..].iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!(written, ids[15..].iter().map(String::as_str).collect::<Vec<_>>());
    assert!((forwarder.metric("chat_forward_lost_total") - 1.0).abs() < 0.5);
}

#[test]
fn a_full_stream_waits_for_its_group_and_keeps_what_is_not_acknowledged() {
    const MOST: i64 = 100;
    let (redis, sink) = (Redis::start(), Redis::start());
    let (code, said) = Forwarder::create(&redis.url(), &to(&sink), &[]);
    assert_eq!(code, Some(0), "{said}");
    let mut wire = sink.wire();
    cmd!(wire, "XGROUP", "CREATE", KEY, "g", "$", "MKSTREAM").ok();
    let forwarder = Forwarder::run(&redis.url(), &to(&sink), &["--stream-max", "100"]);
    let (rooms, mut writer) = (names(10), redis.wire());
    let mut sent = 0;
    while (forwarder.metric("chat_forward_stream_full")).abs() < 0.5 {
        rooms.iter().for_each(|room| drop(cmd!(writer, "CHAT.SEND", room, "alice", sent).ok()));
        sent += rooms.len();
        assert!(sent < 100_000, "{} entries, and it is not full", length(&sink));
    }
    let before = length(&sink);
    assert!(before >= MOST, "{before}");
    never("more entries", Duration::from_millis(500), || match length(&sink) {
        found if found == before => Ok(()),
        found => Err(found.to_string()),
    });
    // A consumer reads all; each event comes once.
    let mut read = Vec::new();
    while read.len() < sent {
        let reply = cmd!(
            wire,
            "XREADGROUP",
            "GROUP",
            "g",
            "c",
            "COUNT",
            37,
            "BLOCK",
            20_000,
            "STREAMS",
            KEY,
            ">"
        );
        let Reply::List(streams) = reply else { panic!("{} of {sent}: {reply:?}", read.len()) };
        for row in streams[0].list()[1].list() {
            let entry = entry(row);
            read.push((entry.room, entry.id));
            cmd!(wire, "XACK", KEY, "g", row.list()[0].text()).ok();
        }
    }
    read.sort();
    read.dedup();
    assert_eq!(read.len(), sent, "each once");
    assert!(length(&sink) < before + 2_100, "{}", length(&sink));
}

#[test]
fn mistakes_are_told() {
    let (redis, sink) = (Redis::start(), Redis::without_module());
    let url = redis.url();
    let rows: [(&[&str], &str); 7] = [
        (&["--to", "redis://127.0.0.1:1/x", "--from", "later"], "--from: now or beginning"),
        (&["--to", "redis://127.0.0.1:1"], "after the host, /KEY"),
        (&["--to", "redis://127.0.0.1:1/{a}"], "KEY has no braces"),
        (&["--to", "https://u@example.com/hook"], "--to: the address has no user"),
        (&["--to", "redis://127.0.0.1:1/x", "--kinds", "all"], "--kinds: of ordinary"),
        (&["--to", "redis://127.0.0.1:1/x", "--types", "x"], "--types: of message"),
        (&["--to", "redis://127.0.0.1:1/x", "--stream-max", "0"], "--stream-max"),
    ];
    for (flags, expected) in rows {
        let (code, said) = Forwarder::create(&url, flags[1], &flags[2..]);
        assert!(code == Some(2) && said.contains(expected), "{flags:?}: {said}");
    }
    // Nothing was created.
    let mut forwarder = Forwarder::run(&url, &to(&sink), &[]);
    assert_eq!(forwarder.process().wait(LATER).code(), Some(1));
    assert!(forwarder.process().errors().contains("create it first"));
    // A room could have the name of this key.
    let (code, said) = Forwarder::create(&url, &format!("{url}/events"), &[]);
    assert!(code == Some(1) && said.contains("take a name like dm:events"), "{said}");
    let (code, _) = Forwarder::create(&url, &to(&sink), &[]);
    assert_eq!(code, Some(0));
    // Somebody uses the key for something else.
    let forwarder = Forwarder::run(&url, &to(&sink), &[]);
    forwarder.await_active();
    drop(forwarder);
    cmd!(sink, "DEL", KEY).ok();
    cmd!(sink, "SET", KEY, "text").ok();
    let forwarder = Forwarder::run(&url, &to(&sink), &[]);
    eventually("the wrong type", LATER, || match forwarder.readyz() {
        (503, why) if why.contains("the key dm:events is a string") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    cmd!(sink, "DEL", KEY).ok();
    forwarder.await_active();
    // And while it runs: what is sent then is written when the key is free again.
    cmd!(sink, "SET", KEY, "text").ok();
    let id = cmd!(redis, "CHAT.SEND", "lobby", "alice", "hello").ok().text().to_owned();
    eventually("the wrong type, while it runs", LATER, || match forwarder.readyz() {
        (503, why) if why.contains("the key dm:events is a string") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    cmd!(sink, "DEL", KEY).ok();
    assert_eq!(await_entries(&sink, 1)[0].id, id);
}
