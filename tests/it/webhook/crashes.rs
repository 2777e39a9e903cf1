//! Processes that end at any moment, and others that take over.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use chat_tests::cmd;
use chat_tests::port;
use chat_tests::process::Process;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};

use super::stage::{Forwarder, Receiver, SECRET, id, library, send, stored};

/// A receiver that is a process of its own, at this port. It appends to `seen` in the directory.
fn receiver(port: u16, dir: &Path) -> Process {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/webhook/receiver.py");
    let words = [port.to_string(), SECRET.to_owned(), "seen".to_owned()];
    let args = [program.into_os_string()].into_iter().chain(words.map(OsString::from));
    let args: Vec<OsString> = args.collect();
    let variables = [(OsString::from("PYTHONPATH"), library().into_os_string())];
    Process::spawn_in("receiver", Path::new("python3"), &args, dir, &variables)
}

#[test]
fn no_event_is_missing_when_forwarder_and_receiver_and_redis_are_killed() {
    let mut redis = Redis::durable();
    let dir = tempfile::tempdir().expect("a directory");
    let port = port::free();
    let forwarder = Forwarder::created(&redis.url(), "beginning");
    let to = format!("http://127.0.0.1:{port}/");
    let mut listening = receiver(port, dir.path());
    let mut running = forwarder.run_to(&to, &[]);
    running.wait_says(200, "active");
    for round in 0..4 {
        let mut wire = redis.wire();
        for n in 0..150 {
            cmd!(wire, "CHAT.SEND", format!("room-{}", n % 7), "alice", format!("{n}")).ok();
        }
        match round {
            0 => {
                listening.kill();
                listening = receiver(port, dir.path());
            }
            1 => {
                running.process.kill();
                running = forwarder.run_to(&to, &[]);
            }
            2 => {
                redis.kill();
                redis.restart();
            }
            _ => {}
        }
    }
    let mut expected = BTreeSet::new();
    for n in 0..7 {
        let room = format!("room-{n}");
        expected.extend(stored(&redis, &room).into_iter().map(|id| (room.clone(), id)));
    }
    assert_eq!(expected.len(), 600);
    eventually("every event", LATER, || {
        let text = std::fs::read_to_string(dir.path().join("seen")).unwrap_or_default();
        let seen = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        let seen: BTreeSet<(String, String)> = seen.collect();
        let missing = expected.difference(&seen).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} are missing")) }
    });
    drop(listening);
    running.stop();
}

#[test]
fn another_process_takes_over_from_one_that_is_frozen_which_then_stands_by() {
    let redis = Redis::start();
    let receiver = Receiver::start();
    let forwarder = Forwarder::created(&redis.url(), "now");
    let first = forwarder.run(&receiver, &[]);
    let second = forwarder.run_to(&receiver.url(), &[]);
    second.wait_says(200, "standby");
    send(&redis, "a", "1");
    receiver.wait_taken("a", &stored(&redis, "a"));
    first.process.freeze();
    send(&redis, "a", "2");
    second.wait_says(200, "active");
    let ids = stored(&redis, "a");
    // The first message may come again: its position was perhaps not stored yet.
    eventually("the second message", LATER, || {
        let found: BTreeSet<String> = receiver.taken()["a"].iter().map(id).collect();
        if found.len() == ids.len() { Ok(()) } else { Err(format!("{found:?}")) }
    });
    first.process.thaw();
    first.wait_says(200, "standby");
    second.wait_says(200, "active");
    // One that ends as planned leaves its place at once.
    second.stop();
    first.wait_says(200, "active");
    send(&redis, "a", "3");
    let ids = stored(&redis, "a");
    eventually("the third message", LATER, || {
        let found: BTreeSet<String> = receiver.taken()["a"].iter().map(id).collect();
        if found.len() == ids.len() { Ok(()) } else { Err(format!("{found:?}")) }
    });
    first.stop();
}
