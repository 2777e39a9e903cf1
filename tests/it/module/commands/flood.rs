//! The error for a user who does too much gives the time to wait; then the user may continue.

use std::time::{Duration, Instant};

use chat_tests::checking::view::history;
use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::{Command, Wire};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::until;
use chat_tests::{args, cmd};
use serde_json::json;

/// The wait that an error reports.
#[track_caller]
fn retry_ms(reply: &Reply) -> u64 {
    let line = reply.error();
    let ms = line.strip_prefix("RATELIMIT ").and_then(|ms| ms.parse().ok());
    ms.unwrap_or_else(|| panic!("no RATELIMIT: {line}"))
}

fn wait_ms(ms: u64) {
    until(Instant::now() + Duration::from_millis(ms));
}

/// Everything that `chat.rate-limit` counts, by `user` on the message `id`.
fn counted(user: &str, id: &str, n: u64) -> [Command; 5] {
    [
        args!["CHAT.SEND", "lobby", user, "x"],
        args!["CHAT.EDIT", "lobby", user, id, format!("edit {n}")],
        args!["CHAT.REACT", "lobby", user, id, format!("+{n}")],
        args!["CHAT.SIGNAL", "lobby", user, "typing"],
        args!["CHAT.SEND", "lobby", user, "x", "EPHEMERAL"],
    ]
}

fn prepare(wire: &mut Wire) -> String {
    cmd!(wire, "CHAT.JOIN", "lobby", "owner").ok();
    cmd!(wire, "CHAT.JOIN", "lobby", "bob").ok();
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "first").ok().text().to_owned()
}

#[test]
fn every_kind_of_write_counts_and_the_reported_wait_is_enough() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let id = prepare(&mut wire);
    cmd!(wire, "CONFIG", "SET", "chat.rate-limit", "5/2s").ok();
    for n in 0..3 {
        // Each kind in turn is the one over the limit.
        let mut commands = counted("alice", &id, n);
        commands.rotate_left(usize::try_from(n).expect("small"));
        let mut waits = Vec::new();
        for command in commands.iter().chain([&commands[0], &commands[1], &commands[2]]) {
            let reply = wire.call(command);
            if reply.is_error() {
                waits.push(retry_ms(&reply));
            }
        }
        assert!((1..=3).contains(&waits.len()), "round {n}: {waits:?}");
        assert!(
            waits.iter().all(|ms| (1..=400).contains(ms)),
            "one of five in two seconds: {waits:?}"
        );
        let digest = redis.digest();
        let refused = loop {
            let reply = cmd!(wire, "CHAT.SIGNAL", "lobby", "alice", "typing");
            if reply.is_error() {
                break reply;
            }
        };
        assert_eq!(redis.digest(), digest, "a refused command changes nothing");
        // Reads are free, and other users and other rooms have their own limits.
        cmd!(wire, "CHAT.HISTORY", "lobby", "AS", "alice").ok();
        cmd!(wire, "CHAT.READ", "lobby", "alice", &id).ok();
        cmd!(wire, "CHAT.SEND", "lobby", "bob", "x").ok();
        cmd!(wire, "CHAT.SEND", "other", "alice", "x").ok();
        wait_ms(retry_ms(&refused));
        cmd!(wire, "CHAT.SIGNAL", "lobby", "alice", "typing").ok();
        // Idle for the whole time: all five are available again.
        wait_ms(2000);
    }
    for _ in 0..5 {
        cmd!(wire, "CHAT.SEND", "lobby", "alice", "x").ok();
    }
    retry_ms(&cmd!(wire, "CHAT.DELETE", "lobby", "alice", &id));
    for _ in 0..20 {
        cmd!(wire, "CHAT.SEND", "lobby", "*", "the backend is free").ok();
    }
    cmd!(wire, "CONFIG", "SET", "chat.rate-limit", "0").ok();
    for _ in 0..20 {
        cmd!(wire, "CHAT.SEND", "lobby", "alice", "x").ok();
    }
}

#[test]
fn waiting_as_long_as_reported_is_enough() {
    let redis = Redis::with(&["chat.rate-limit 5/100ms"]);
    let mut wire = redis.wire();
    prepare(&mut wire);
    let mut waits = 0;
    while waits < 100 {
        let reply = cmd!(wire, "CHAT.SIGNAL", "lobby", "bob", "typing");
        if reply.is_error() {
            waits += 1;
            wait_ms(retry_ms(&reply));
            cmd!(wire, "CHAT.SIGNAL", "lobby", "bob", "typing").ok();
        }
    }
}

#[test]
fn the_rate_holds_over_time() {
    let redis = Redis::with(&["chat.rate-limit 10/500ms"]);
    let mut wire = redis.wire();
    prepare(&mut wire);
    // Ten at once, then twenty a second. What is not used beyond ten is lost, so a pause of this test
    // or of the server is lost too: `expected` is a bucket that sees the same calls.
    const BURST: f64 = 10.0;
    const PER_SECOND: f64 = 20.0;
    let (start, mut last) = (Instant::now(), Instant::now());
    let (mut accepted, mut expected, mut level) = (0_u32, 0_u32, BURST);
    while start.elapsed() < Duration::from_millis(1500) {
        if !cmd!(wire, "CHAT.SIGNAL", "lobby", "bob", "typing").is_error() {
            accepted += 1;
        }
        let now = Instant::now();
        level = (level + PER_SECOND * (now - last).as_secs_f64()).min(BURST);
        last = now;
        if level >= 1.0 {
            level -= 1.0;
            expected += 1;
        }
    }
    let most = BURST + PER_SECOND * start.elapsed().as_secs_f64() + 1.0;
    assert!(f64::from(accepted) <= most, "{accepted} accepted of at most {most}");
    assert!(accepted + 4 >= expected, "{accepted} accepted, {expected} expected");
}

#[test]
fn a_repeat_with_its_nonce_costs_nothing() {
    let redis = Redis::with(&["chat.rate-limit 2/60s"]);
    let mut wire = redis.wire();
    let send = |wire: &mut Wire, nonce: &str| {
        cmd!(wire, "CHAT.SEND", "lobby", "alice", "x", "NONCE", nonce)
    };
    let first = send(&mut wire, "n1").ok();
    for _ in 0..10 {
        assert_eq!(send(&mut wire, "n1"), first);
    }
    send(&mut wire, "n2").ok();
    let wait = retry_ms(&send(&mut wire, "n3"));
    assert!((1..=30_000).contains(&wait), "{wait}");
    assert_eq!(send(&mut wire, "n1"), first, "also when there is nothing left");
    assert_eq!(history(&mut wire, "lobby", &[]).events.len(), 2);
}

#[test]
fn a_slow_room_accepts_one_message_per_user_and_interval() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let id = prepare(&mut wire);
    cmd!(wire, "CHAT.JOIN", "lobby", "mod").ok();
    cmd!(wire, "CHAT.MOD", "lobby", "*", "ROLE", "mod", "moderator").ok();
    let set = cmd!(wire, "CHAT.ROOM", "lobby", "SET", "slow", 700, "BY", "mod");
    assert_eq!(set.get("slow"), Some(&Reply::Int(700)));
    let send = |wire: &mut Wire, user: &str| cmd!(wire, "CHAT.SEND", "lobby", user, "x");
    send(&mut wire, "bob").ok();
    let refused = send(&mut wire, "bob");
    let wait = retry_ms(&refused);
    assert!((1..=700).contains(&wait), "{wait}");
    // Only messages, only of plain members, only of the same user.
    for user in ["alice", "*", "*", "mod", "mod", "owner", "owner"] {
        send(&mut wire, user).ok();
    }
    retry_ms(&send(&mut wire, "alice"));
    cmd!(wire, "CHAT.EDIT", "lobby", "alice", &id, "edited").ok();
    cmd!(wire, "CHAT.REACT", "lobby", "bob", &id, "👍").ok();
    cmd!(wire, "CHAT.SIGNAL", "lobby", "bob", "typing").ok();
    // Neither ephemeral messages nor leaving and joining avoid the limit.
    retry_ms(&cmd!(wire, "CHAT.SEND", "lobby", "bob", "x", "EPHEMERAL"));
    cmd!(wire, "CHAT.LEAVE", "lobby", "bob").ok();
    cmd!(wire, "CHAT.JOIN", "lobby", "bob").ok();
    let again = send(&mut wire, "bob");
    wait_ms(retry_ms(&again));
    send(&mut wire, "bob").ok();
    retry_ms(&send(&mut wire, "bob"));
    cmd!(wire, "CHAT.ROOM", "lobby", "SET", "slow", "default", "BY", "mod").ok();
    for _ in 0..3 {
        send(&mut wire, "bob").ok();
    }
}

#[test]
fn no_reported_wait_is_longer_than_the_rule() {
    let redis = Redis::with(&["chat.rate-limit 1/2s"]);
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.JOIN", "paced", "owner").ok();
    cmd!(wire, "CHAT.JOIN", "slow", "owner").ok();
    cmd!(wire, "CHAT.ROOM", "slow", "SET", "slow", 2_500, "BY", "owner").ok();
    // Long enough that the two clocks are compared many times, sometimes between two sends.
    let (start, mut n) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(2) {
        n += 1;
        for (room, longest) in [("paced", 2_000), ("slow", 2_500)] {
            let (user, pair) = (format!("u{n}"), Instant::now());
            cmd!(wire, "CHAT.SEND", room, &user, "x").ok();
            let again = cmd!(wire, "CHAT.SEND", room, &user, "x");
            let passed = pair.elapsed().as_millis() as u64;
            if passed < 2_000 {
                let wait = retry_ms(&again);
                assert!((longest - passed - 1..=longest).contains(&wait), "{room} {user}: {wait}");
            }
        }
    }
}

#[test]
fn a_relaxed_rate_applies_at_once() {
    let redis = Redis::with(&["chat.rate-limit 1/1h"]);
    let mut wire = redis.wire();
    let send = |wire: &mut Wire| cmd!(wire, "CHAT.SEND", "lobby", "alice", "x");
    send(&mut wire).ok();
    assert!(retry_ms(&send(&mut wire)) > 3_000_000);
    cmd!(wire, "CONFIG", "SET", "chat.rate-limit", "2/1s").ok();
    send(&mut wire).ok();
    wait_ms(retry_ms(&send(&mut wire)));
    send(&mut wire).ok();
}

#[test]
fn a_relay_forwards_the_wait() {
    let redis = Redis::with(&["chat.rate-limit 3/60s"]);
    let relay = Relay::start("r1", &redis);
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    for n in 0..3 {
        alice.ok(json!({"op": "send", "room": "lobby", "text": n.to_string()}));
    }
    let error = alice.call(json!({"op": "send", "room": "lobby", "text": "x"})).expect_err("no");
    assert_eq!(error["code"], "RATELIMIT", "{error}");
    let wait = error["retry_ms"].as_u64().expect("milliseconds");
    assert!((1..=20_000).contains(&wait), "{error}");
    // The connection still works.
    alice.ok(json!({"op": "history", "room": "lobby"}));
}
