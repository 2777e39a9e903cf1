//! What a later version has written, and this one cannot read, ends the server or is refused, with
//! a line in the log. Nothing is skipped, and no file is changed.
//!
//! No later version exists, so its bytes are made: the numbers of form and encoding in a file are
//! raised, and records get a kind that there is not.

use std::fs;
use std::path::PathBuf;

use chat_tests::at_once::at_once;
use chat_tests::checking::view::history;
use chat_tests::clients::reply::write_command;
use chat_tests::clients::wire::Command;
use chat_tests::servers::fake_primary::FakePrimary;
use chat_tests::servers::redis::Redis;
use chat_tests::traffic::payload::{Later, body, make_later, seal};
use chat_tests::traffic::records::{leave, of_later};
use chat_tests::wait::{LATER, eventually};
use chat_tests::{args, cmd};

/// The line about a record.
const UNREADABLE: &str = "has a change of a room that this module (stored form ";
/// The line about a stored room.
const REFUSED: &str = "a chat-room was refused: a later version of the module has saved it";

fn apply(records: Vec<u8>) -> Command {
    args!["CHAT.APPLY", "lobby", records]
}

/// A server that has one room, and an RDB file when it is stopped.
fn with_a_room() -> Redis {
    let redis = Redis::with(&["rdbcompression no", "save 3600 1"]);
    cmd!(redis, "CHAT.SEND", "lobby", "alice", "first").ok();
    redis
}

/// A file with one room.
fn dump() -> Vec<u8> {
    let source = with_a_room();
    source.save();
    fs::read(source.dir().join("dump.rdb")).expect("a dump")
}

/// A replica of `primary`, without a file of its own.
fn replica_of(primary: &FakePrimary) -> Redis {
    let address = primary.address();
    Redis::with(&[&format!("replicaof {} {}", address.ip(), address.port())])
}

#[track_caller]
fn wait_for_link(primary: &FakePrimary, replica: &Redis) {
    eventually("a replica with the dump", LATER, || match primary.has_replica() {
        true if replica.info("replication", "master_link_status") == "up" => Ok(()),
        _ => Err("not yet".into()),
    });
}

/// The file of an append-only server to which commands are appended.
fn newest_part(redis: &Redis) -> PathBuf {
    let files = fs::read_dir(redis.dir().join("appendonlydir")).expect("a folder").flatten();
    let mut files = files.map(|file| file.path());
    files.find(|path| path.to_string_lossy().contains(".incr.")).expect("a file")
}

// upgrades.md: **A replica of an earlier version ends**
#[test]
fn a_replica_ends_at_a_record_that_it_cannot_read() {
    let dump = dump();
    at_once(&of_later(), |(what, record)| {
        let primary = FakePrimary::start(dump.clone());
        let mut replica = replica_of(&primary);
        wait_for_link(&primary, &replica);
        assert_eq!(history(&mut replica.wire(), "lobby", &[]).texts(), ["first"]);
        primary.send(&apply(record.clone()));
        let (status, log) = replica.wait_ended();
        assert_eq!(status.code(), Some(1), "{what}: {log}");
        assert!(log.contains(&format!("the primary {UNREADABLE}")), "{what}: {log}");
    });
}

// upgrades.md: **A full synchronisation from a later version**
#[test]
fn a_replica_does_not_take_rooms_of_a_later_version() {
    at_once(&[Later::Encoding, Later::Form], |what| {
        let mut dump = dump();
        make_later(&mut dump, *what);
        let primary = FakePrimary::start(dump.clone());
        let (host, port) = (primary.address().ip().to_string(), primary.address().port());
        for load in ["repl-diskless-load disabled", "repl-diskless-load swapdb"] {
            let mut replica = Redis::with(&[load]);
            cmd!(replica, "REPLICAOF", host, port).ok();
            let (_, log) = replica.wait_ended();
            assert!(log.contains(REFUSED), "{what:?}, {load}: {log}");
            let own = fs::read(replica.dir().join("dump.rdb")).unwrap_or_default();
            assert_eq!(own == dump, load.ends_with("disabled"), "{what:?}, {load}");
        }
    });
}

// upgrades.md: **An append-only file of a later version**
// upgrades.md: **Damaged changes**
#[test]
fn an_append_only_file_of_a_later_version_ends_the_start_and_stays_as_it_was() {
    let damaged = [
        ("damaged", vec![2, 0xff]),
        ("a number that leaves no further ones", leave(1_795_225_200_000, 1 << 46, "bob")),
    ];
    let cases: Vec<_> = of_later().into_iter().chain(damaged).collect();
    at_once(&cases, |(what, record)| {
        let mut redis = Redis::durable();
        cmd!(redis, "CHAT.SEND", "lobby", "alice", "first").ok();
        redis.stop();
        let file = newest_part(&redis);
        let mut bytes = fs::read(&file).expect("readable");
        write_command(&mut bytes, &apply(record.clone()));
        write_command(&mut bytes, &["SET", "after", "it"]);
        fs::write(&file, &bytes).expect("written");
        let log = redis.restart_refused();
        assert!(log.contains(&format!("the append-only file {UNREADABLE}")), "{what}: {log}");
        assert_eq!(fs::read(&file).expect("readable"), bytes, "{what}");
        // The last resort: what cannot be read is lost.
        redis.set("chat.skip-unreadable-records yes");
        redis.restart();
        assert_eq!(cmd!(redis, "GET", "after").text(), "it");
        assert_eq!(redis.info("chat", "chat_records_refused"), "1", "{what}");
    });
}

// upgrades.md: **An RDB file of a later version**
#[test]
fn an_rdb_file_of_a_later_version_is_refused_and_stays_as_it_was() {
    at_once(&[Later::Encoding, Later::Form], |what| {
        let mut redis = with_a_room();
        redis.stop();
        let file = redis.dir().join("dump.rdb");
        let good = fs::read(&file).expect("a dump");
        let mut later = good.clone();
        make_later(&mut later, *what);
        fs::write(&file, &later).expect("written");
        let log = redis.restart_refused();
        assert!(log.contains(REFUSED), "{what:?}: {log}");
        assert_eq!(fs::read(&file).expect("readable"), later, "{what:?}");
        // With the version that wrote it, or with a backup, it is there again.
        fs::write(&file, good).expect("written");
        redis.restart();
        assert_eq!(history(&mut redis.wire(), "lobby", &[]).texts(), ["first"]);
    });
}

// upgrades.md: **A room from a node of a later version**
#[test]
fn a_payload_of_a_later_version_is_refused() {
    let redis = with_a_room();
    let mut wire = redis.wire();
    let payload = cmd!(wire, "DUMP", "lobby").bytes().to_vec();
    for what in [Later::Encoding, Later::Form] {
        let mut later = body(&payload).to_vec();
        make_later(&mut later, what);
        let reply = cmd!(wire, "RESTORE", "copy", 0, seal(later, &payload));
        assert!(reply.error().contains("Bad data format"), "{what:?}: {reply:?}");
        assert_eq!(cmd!(wire, "EXISTS", "copy").int(), 0);
    }
    assert_eq!(redis.process().output().matches(REFUSED).count(), 2);
}

/// Records that every version can read, and that no primary sends, are left out as before.
#[test]
fn a_replica_goes_on_after_records_that_do_not_fit() {
    let primary = FakePrimary::start(dump());
    let replica = replica_of(&primary);
    wait_for_link(&primary, &replica);
    primary.send(&apply(leave(1, 1, "bob")));
    primary.send(&args!["CHAT.APPLY", "nowhere", leave(1_795_225_200_000, 3, "bob")]);
    // Of a room that was arriving when the replica began to follow.
    primary.send(&apply(vec![24, 3, 1, 5]));
    eventually("three refusals", LATER, || match replica.info("chat", "chat_records_refused") {
        refused if refused == "3" => Ok(()),
        refused => Err(refused),
    });
    assert_eq!(history(&mut replica.wire(), "lobby", &[]).texts(), ["first"]);
}
