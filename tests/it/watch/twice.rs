//! A room that the watcher also receives: each event comes once, whichever way is first.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chat_tests::cmd;
use chat_tests::seed::{patience, seeded};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{SOON, eventually, until};
use rand::Rng;
use serde_json::json;

use super::{ids, watch};

#[test]
fn each_event_comes_once_while_the_watcher_joins_and_leaves() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "100000"]);
    relay.wait_ready();
    let alice = relay.connect("alice");
    let rooms = ["team:1", "team:2"];
    // One room is received before, one later.
    alice.ok(json!({"op": "join", "room": rooms[0]}));
    cmd!(redis, "CHAT.SEND", rooms[1], "*", "hello").ok();
    watch(&alice, "team:*");
    let is_over = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut wire = redis.wire();
            let mut sent = [Vec::new(), Vec::new()];
            while !is_over.load(Ordering::Relaxed) {
                for (room, sent) in rooms.iter().zip(&mut sent) {
                    let reply = cmd!(wire, "CHAT.SEND", room, "*", "hello");
                    sent.push(reply.text().to_owned());
                }
                // A thousand times a second is enough.
                until(Instant::now() + Duration::from_millis(1));
            }
            sent
        });
        let mut random = seeded("a watcher that joins and leaves");
        let end = Instant::now() + patience(Duration::from_secs(3));
        while Instant::now() < end {
            let room = rooms[random.random_range(0..2)];
            match random.random_range(0..6) {
                0 => drop(alice.ok(json!({"op": "subscribe", "room": room}))),
                1 => drop(alice.ok(json!({"op": "join", "room": room}))),
                2 => drop(alice.ok(json!({"op": "unsubscribe", "room": room}))),
                3 => drop(alice.ok(json!({"op": "leave", "room": room}))),
                // Paused until Redis has said that she may read on.
                4 => {
                    let access = if random.random() { "open" } else { "members" };
                    cmd!(redis, "CHAT.JOIN", room, "alice").ok();
                    cmd!(redis, "CHAT.ROOM", room, "SET", "access", access).ok();
                    cmd!(redis, "CHAT.ROOM", room, "SET", "access", "open").ok();
                }
                _ => drop(cmd!(redis, "CHAT.MOD", room, "*", "KICK", "alice")),
            }
        }
        is_over.store(true, Ordering::Relaxed);
        sender.join().expect("the sender")
    });
    for (room, sent) in rooms.iter().zip(sent) {
        assert!(sent.len() > 100, "{}", sent.len());
        eventually("every message", SOON, || {
            let found: HashSet<String> = ids(&alice, room).into_iter().collect();
            let lacking = sent.iter().find(|id| !found.contains(*id));
            lacking.map_or(Ok(()), |id| Err(format!("{id} of {room}")))
        });
        let mut found = ids(&alice, room);
        let count = found.len();
        found.sort();
        found.dedup();
        assert_eq!(found.len(), count, "an event of {room} came twice");
    }
}
