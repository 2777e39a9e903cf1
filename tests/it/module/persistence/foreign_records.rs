//! With `chat.skip-unreadable-records yes`, records from an append-only file or a primary that no
//! primary of ours sends are skipped and counted; everything else works, and every room loads again.
//! Without it those that cannot be read end the server: `upgrades/newer_data.rs`.

use std::io::Write;

use chat_tests::checking::view::history;
use chat_tests::clients::reply::write_command;
use chat_tests::clients::wire::{Command, Wire};
use chat_tests::servers::fake_primary::FakePrimary;
use chat_tests::servers::redis::Redis;
use chat_tests::traffic::records::{leave, snapshot};
use chat_tests::wait::{LATER, eventually};
use chat_tests::{args, cmd};

const SKIP: &str = "chat.skip-unreadable-records yes";

/// The largest number that the loader accepts: the next event would overflow.
const EDGE: u64 = (1 << 47) - 1;

/// Calls of `CHAT.APPLY` that are refused, in a room `lobby` with two events, the last at `ms`.
fn hostile(ms: u64) -> Vec<Command> {
    let apply = |room: &str, records: Vec<u8>| args!["CHAT.APPLY", room, records];
    vec![
        apply("lobby", leave(ms, EDGE, "bob")),
        apply("lobby", leave(ms, 1 << 46, "bob")),
        apply("lobby", leave(ms, 1, "bob")),
        apply("lobby", leave(ms, 3, "a,b")),
        apply("lobby", leave(ms, 3, &"x".repeat(97))),
        apply("lobby", snapshot(b"\x03no room")),
        apply("lobby", vec![0xff; 40]),
        apply("nowhere", leave(ms, 3, "bob")),
        apply("a b", leave(ms, 3, "bob")),
        apply("string", leave(ms, 3, "bob")),
    ]
}

fn prepare(wire: &mut Wire) -> u64 {
    cmd!(wire, "SET", "string", "x").ok();
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "first").ok();
    let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", "second").text().to_owned();
    id.split_once('-').and_then(|(ms, _)| ms.parse().ok()).expect("an id")
}

fn refused(redis: &Redis) -> String {
    redis.info("chat", "chat_records_refused")
}

fn lines_about_it(redis: &Redis) -> usize {
    redis.process().output().matches("records of rooms were refused").count()
}

fn messages(wire: &mut Wire) -> usize {
    history(wire, "lobby", &[]).events.len()
}

/// The room is unchanged and accepts another message.
#[track_caller]
fn goes_on(wire: &mut Wire, text: &str) {
    let before = messages(wire);
    let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", text).text().to_owned();
    assert!(!id.is_empty());
    assert_eq!(messages(wire), before + 1);
}

#[test]
fn an_append_only_file_with_foreign_records_loads_and_so_do_its_rooms() {
    let mut redis = Redis::with(&["appendonly yes", "appendfsync always", SKIP]);
    let ms = prepare(&mut redis.wire());
    redis.stop();
    let calls = hostile(ms);
    let mut lines = Vec::new();
    for call in calls.iter().chain([&args!["SET", "after", "them"]]) {
        write_command(&mut lines, call);
    }
    let directory = redis.dir().join("appendonlydir");
    let files = std::fs::read_dir(directory).expect("a directory").flatten();
    let file = files.map(|file| file.path()).find(|path| path.to_string_lossy().contains(".incr."));
    let file = std::fs::OpenOptions::new().append(true).open(file.expect("a file"));
    file.and_then(|mut file| file.write_all(&lines)).expect("written");
    for round in 0..3 {
        redis.restart();
        let mut wire = redis.wire();
        assert_eq!(refused(&redis), calls.len().to_string());
        assert_eq!(lines_about_it(&redis), round + 1, "one line for each start");
        assert_eq!(cmd!(wire, "GET", "after").text(), "them");
        assert_eq!(cmd!(wire, "GET", "string").text(), "x");
        assert_eq!(messages(&mut wire), 2 + round);
        goes_on(&mut wire, "more");
        redis.stop();
    }
}

#[test]
fn foreign_records_from_a_primary_damage_no_room_of_its_replica() {
    let rdb = {
        let source = Redis::start();
        let mut wire = source.wire();
        prepare(&mut wire);
        cmd!(wire, "SAVE").ok();
        std::fs::read(source.dir().join("dump.rdb")).expect("a dump")
    };
    let primary = FakePrimary::start(rdb);
    let address = primary.address();
    let replicaof = format!("replicaof {} {}", address.ip(), address.port());
    let mut replica = Redis::with(&[&replicaof, "save 3600 1", SKIP]);
    eventually("a replica with the dump", LATER, || match primary.has_replica() {
        true if replica.info("replication", "master_link_status") == "up" => Ok(()),
        _ => Err("not yet".into()),
    });
    let mut wire = replica.wire();
    let last = cmd!(wire, "CHAT.ROOM_RO", "lobby").get("last").expect("last").text().to_owned();
    let ms = last.split_once('-').and_then(|(ms, _)| ms.parse().ok()).expect("an id");
    let calls = hostile(ms);
    for _ in 0..100 {
        calls.iter().for_each(|call| primary.send(call));
    }
    primary.send(&args!["SET", "after", "them"]);
    eventually("the write after them", LATER, || match cmd!(wire, "EXISTS", "after").int() {
        1 => Ok(()),
        _ => Err(refused(&replica)),
    });
    assert_eq!(refused(&replica), (100 * calls.len()).to_string());
    assert_eq!(lines_about_it(&replica), 1, "one line a second at most");
    let now = cmd!(wire, "CHAT.ROOM_RO", "lobby").get("last").expect("last").text().to_owned();
    assert_eq!(now, last);
    cmd!(wire, "REPLICAOF", "NO", "ONE").ok();
    goes_on(&mut wire, "third");
    replica.stop();
    replica.set("replicaof no one");
    replica.restart();
    let mut wire = replica.wire();
    assert_eq!(messages(&mut wire), 3);
    goes_on(&mut wire, "fourth");
}
