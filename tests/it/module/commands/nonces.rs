//! A nonce makes a send repeatable: a repeated send returns the first id and publishes nothing.

use std::time::Duration;

use chat_tests::checking::subscriber::Subscriber;
use chat_tests::checking::view::history;
use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{SOON, eventually};

fn send(wire: &mut Wire, user: &str, text: &str, nonce: &str) -> Reply {
    cmd!(wire, "CHAT.SEND", "lobby", user, text, "NONCE", nonce)
}

#[test]
fn a_repeat_returns_the_first_id_and_publishes_nothing() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let first = send(&mut wire, "alice", "once", "n1").ok();
    let channel = Subscriber::new(&redis, &["lobby"]);
    let digest = redis.digest();
    for _ in 0..3 {
        assert_eq!(send(&mut wire, "alice", "once", "n1"), first);
    }
    assert_eq!(redis.digest(), digest);
    channel.silent(Duration::from_millis(200));
    assert!(send(&mut wire, "alice", "twice", "n1").error().starts_with("INVALID nonce"));
    let bob = send(&mut wire, "bob", "once", "n1").ok();
    assert_ne!(bob, first, "another user's nonce is another nonce");
    let other = cmd!(wire, "CHAT.SEND", "other", "alice", "once", "NONCE", "n1").ok();
    assert!(other.text().ends_with("-1"), "another room's nonce is another nonce");
}

fn sent(wire: &mut Wire, user: &str, nonce: &str) -> Reply {
    cmd!(wire, "CHAT.SENT", "lobby", user, nonce).ok()
}

#[test]
fn chat_sent_returns_the_id_of_a_repeat_wherever_reads_are_answered() {
    let redis =
        Redis::with(&["chat.history-max 5", "chat.journal-max 5", "maxmemory-policy noeviction"]);
    let mut wire = redis.wire();
    assert_eq!(sent(&mut wire, "alice", "n1"), Reply::Nil, "no room");
    assert_eq!(cmd!(wire, "EXISTS", "lobby").int(), 0, "asking creates no room");
    let first = send(&mut wire, "alice", "once", "n1").ok();
    let backend = send(&mut wire, "*", "once", "n1").ok();
    assert_eq!(sent(&mut wire, "alice", "n1"), first);
    assert_eq!(sent(&mut wire, "*", "n1"), backend);
    assert_eq!(sent(&mut wire, "alice", "n2"), Reply::Nil, "another nonce");
    assert_eq!(sent(&mut wire, "bob", "n1"), Reply::Nil, "another user");
    assert_eq!(cmd!(wire, "CHAT.SENT", "other", "alice", "n1"), Reply::Nil, "another room");

    cmd!(wire, "CHAT.DELETE", "lobby", "alice", first.text()).ok();
    assert_eq!(sent(&mut wire, "alice", "n1"), first, "a deleted message");
    for n in 0..20 {
        cmd!(wire, "CHAT.SEND", "lobby", "*", format!("m{n}")).ok();
    }
    assert_eq!(sent(&mut wire, "alice", "n1"), first, "a trimmed message");
    cmd!(wire, "CHAT.MOD", "lobby", "*", "BAN", "alice").ok();
    assert_eq!(sent(&mut wire, "alice", "n1"), first, "a banned user");

    let replica = Redis::replica(&redis, &[]);
    replica.catch_up(&redis);
    assert_eq!(sent(&mut replica.wire(), "alice", "n1"), first, "on a replica");
    drop(replica);
    cmd!(wire, "CONFIG", "SET", "maxmemory", 1).ok();
    assert_eq!(sent(&mut wire, "alice", "n1"), first, "out of memory");
}

#[test]
fn a_repeat_is_looked_up_before_every_other_check() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.JOIN", "lobby", "owner").ok();
    let first = send(&mut wire, "alice", "once", "n1").ok();
    cmd!(wire, "CHAT.ROOM", "lobby", "SET", "frozen", "yes", "max_text", 1, "access", "members")
        .ok();
    cmd!(wire, "CHAT.LEAVE", "lobby", "alice").ok();
    assert_eq!(send(&mut wire, "alice", "once", "n1"), first);
    assert!(send(&mut wire, "alice", "more", "n2").is_error());
}

#[test]
fn a_repeat_is_known_after_its_message_was_trimmed_and_after_a_restart() {
    for settings in [["appendonly yes"], ["save 3600 1"]] {
        let mut redis = Redis::with(&[settings[0], "chat.history-max 5", "chat.journal-max 5"]);
        let mut wire = redis.wire();
        let first = send(&mut wire, "alice", "once", "n1").ok();
        for n in 0..50 {
            cmd!(wire, "CHAT.SEND", "lobby", "bob", format!("m{n}")).ok();
        }
        let page = history(&mut wire, "lobby", &[]);
        assert_eq!((page.events.len(), page.more), (5, false), "the message is gone");
        assert_eq!(send(&mut wire, "alice", "once", "n1"), first);
        redis.stop();
        redis.restart();
        let mut wire = redis.wire();
        assert_eq!(send(&mut wire, "alice", "once", "n1"), first, "{settings:?}");
        assert_eq!(history(&mut wire, "lobby", &[]), page, "{settings:?}");
    }
}

#[test]
fn a_replica_that_takes_over_knows_the_nonces() {
    let primary = Redis::start();
    let replica = Redis::replica(&primary, &[]);
    let mut wire = primary.wire();
    let first = send(&mut wire, "alice", "once", "n1").ok();
    replica.catch_up(&primary);
    let mut wire = replica.wire();
    cmd!(wire, "REPLICAOF", "NO", "ONE").ok();
    assert_eq!(send(&mut wire, "alice", "once", "n1"), first);
}

#[test]
fn a_nonce_is_forgotten_after_the_window_and_not_before() {
    let redis = Redis::with(&["chat.nonce-window 2000", "chat.nonce-max 3"]);
    let mut wire = redis.wire();
    let started = std::time::Instant::now();
    let first = send(&mut wire, "alice", "once", "n1").ok();
    for nonce in ["n2", "n3"] {
        send(&mut wire, "alice", "x", nonce).ok();
    }
    let new = eventually("the nonce to be forgotten", SOON, || {
        // Asked first, so that CHAT.SENT knows the nonce whenever CHAT.SEND does.
        let known = sent(&mut wire, "alice", "n1");
        match send(&mut wire, "alice", "once", "n1") {
            again if again == first => {
                assert!(known == first, "{known:?} before the end of the window");
                Err("still known".into())
            }
            new => Ok(new),
        }
    });
    assert!(started.elapsed() >= Duration::from_millis(1900), "after {:?}", started.elapsed());
    assert!(new.ok().text().ends_with("-4"));
    assert_eq!(history(&mut wire, "lobby", &[]).events.len(), 4);
}

/// The server's clock, in milliseconds since the epoch.
fn clock_ms(wire: &mut Wire) -> u64 {
    let parts = cmd!(wire, "TIME");
    let part = |at: usize| parts.list()[at].text().parse::<u64>().expect("a number");
    part(0) * 1000 + part(1) / 1000
}

#[test]
fn a_room_full_of_nonces_reports_when_to_retry_and_then_accepts() {
    let redis = Redis::with(&["chat.nonce-window 2000", "chat.nonce-max 3"]);
    let mut wire = redis.wire();
    let first = send(&mut wire, "alice", "x", "n1").ok();
    for nonce in ["n2", "n3"] {
        send(&mut wire, "alice", "x", nonce).ok();
    }
    let digest = redis.digest();
    let before = clock_ms(&mut wire);
    let full = send(&mut wire, "alice", "x", "n4");
    let after = clock_ms(&mut wire);
    let retry: u64 =
        full.error().strip_prefix("RATELIMIT ").and_then(|ms| ms.parse().ok()).expect("ms");
    // A nonce is remembered from the time of its id, which may be ahead of the clock.
    let ms: u64 = first.text().split('-').next().and_then(|ms| ms.parse().ok()).expect("an id");
    assert!(
        (before..=after).contains(&(ms + 2000 - retry)),
        "{full:?} for {ms}, {before}, {after}"
    );
    assert_eq!(redis.digest(), digest);
    eventually("room for another nonce", SOON, || match send(&mut wire, "alice", "x", "n4") {
        Reply::Error(line) => Err(line),
        id => Ok(id),
    });
}
