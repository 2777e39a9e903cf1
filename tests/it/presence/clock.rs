//! The server's wall clock is set while users are online: renewed connections never leave, and
//! others leave within the time to live, a grace and a second.

use std::time::{Duration, Instant};

use chat_tests::at_once::at_once;
use chat_tests::checking::people::{leaves, who};
use chat_tests::checking::subscriber::Subscriber;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::clock::Clock;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};

const HOUR_MS: i64 = 3_600_000;
const TTL: u64 = 2_000;
/// After a jump, a start or a promotion one grace passes first.
const GRACE: u64 = 1_000;
const SETTING: &str = "chat.presence-grace 1000";
/// TTL, grace, the promised second, and two for a loaded machine: all far below the hour by which
/// the clocks differ.
const LATEST: Duration = Duration::from_millis(TTL + GRACE + 1_000 + 2_000);

fn people(wire: &mut Wire) {
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "hi").ok();
    cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "beats", "TTL", TTL).ok();
    cmd!(wire, "CHAT.PRESENCE", "lobby", "bob", "silent", "TTL", TTL).ok();
}

fn beat(wire: &mut Wire) {
    let unknown = cmd!(wire, "CHAT.BEAT", "lobby", TTL, "beats").list()[1].list().len();
    assert_eq!(unknown, 0, "the connection that beats was ended");
}

/// Beats for alice until bob's leave, and for a while longer.
#[track_caller]
fn assert_only_bob_goes(redis: &Redis, channel: &Subscriber, since: Instant) {
    let mut wire = redis.wire();
    eventually("bob's leave", LATER, || {
        beat(&mut wire);
        let leaves = leaves(channel, "lobby");
        if leaves.is_empty() { Err(format!("{:?}", who(&mut wire, "lobby"))) } else { Ok(()) }
    });
    let took = since.elapsed();
    assert!(took <= LATEST, "a ghost for {took:?}");
    let end = Instant::now() + Duration::from_millis(2 * TTL);
    eventually("some more time", LATER, || {
        beat(&mut wire);
        if Instant::now() > end { Ok(()) } else { Err(String::new()) }
    });
    let leaves = leaves(channel, "lobby");
    assert!(leaves.len() == 1 && leaves[0]["user"] == "bob", "{leaves:?}");
    // Without beats alice leaves too.
    eventually("alice's leave", LATEST, || match who(&mut wire, "lobby") {
        nobody if nobody.is_empty() => Ok(()),
        some => Err(format!("{some:?}")),
    });
}

#[test]
fn setting_the_clock_neither_expires_nor_extends_presence() {
    let jumps = [HOUR_MS, -HOUR_MS, 24 * HOUR_MS, -24 * HOUR_MS, 3_000, -3_000];
    at_once(&jumps, |jump| {
        println!("the clock jumps by {jump} ms");
        let clock = Clock::ahead_ms(0);
        let redis = Redis::with_clock(&[SETTING], &clock);
        let channel = Subscriber::new(&redis, &["lobby"]);
        people(&mut redis.wire());
        clock.set_ahead_ms(*jump);
        assert_only_bob_goes(&redis, &channel, Instant::now());
    });
}

#[test]
fn setting_the_clock_twice_does_neither() {
    let clock = Clock::ahead_ms(0);
    let redis = Redis::with_clock(&[SETTING], &clock);
    let channel = Subscriber::new(&redis, &["lobby"]);
    people(&mut redis.wire());
    clock.set_ahead_ms(HOUR_MS);
    beat(&mut redis.wire());
    clock.set_ahead_ms(0);
    assert_only_bob_goes(&redis, &channel, Instant::now());
}

#[test]
fn a_promoted_replica_with_another_clock_neither_expires_nor_extends_presence() {
    at_once(&[-HOUR_MS, HOUR_MS], |offset| {
        println!("the replica's clock is {offset} ms ahead");
        let mut primary = Redis::with(&[SETTING]);
        let clock = Clock::ahead_ms(*offset);
        let address = primary.address();
        let replica = Redis::replica_through(&primary, address, &[SETTING], Some(&clock));
        people(&mut primary.wire());
        replica.catch_up(&primary);
        let channel = Subscriber::new(&replica, &["lobby"]);
        // The way to here may have taken long.
        beat(&mut primary.wire());
        replica.catch_up(&primary);
        primary.kill();
        cmd!(replica, "REPLICAOF", "NO", "ONE").ok();
        assert_only_bob_goes(&replica, &channel, Instant::now());
    });
}

#[test]
fn a_snapshot_loaded_with_another_clock_neither_expires_nor_extends_presence() {
    at_once(&[-HOUR_MS, HOUR_MS], |offset| {
        println!("at the restart the clock is {offset} ms ahead");
        let clock = Clock::ahead_ms(0);
        let mut redis = Redis::with_clock(&[SETTING], &clock);
        people(&mut redis.wire());
        redis.save();
        redis.kill();
        clock.set_ahead_ms(*offset);
        redis.restart();
        let channel = Subscriber::new(&redis, &["lobby"]);
        assert_only_bob_goes(&redis, &channel, Instant::now());
    });
}

#[test]
fn a_room_restored_on_a_server_with_another_clock_extends_no_presence() {
    at_once(&[-HOUR_MS, HOUR_MS], |offset| {
        println!("the other server's clock is {offset} ms ahead");
        let here = Redis::with(&[SETTING]);
        let clock = Clock::ahead_ms(*offset);
        let there = Redis::with_clock(&[SETTING], &clock);
        people(&mut here.wire());
        let channel = Subscriber::new(&there, &["lobby"]);
        let payload = cmd!(here, "DUMP", "lobby");
        cmd!(there, "RESTORE", "lobby", 0, payload.bytes()).ok();
        assert_only_bob_goes(&there, &channel, Instant::now());
    });
}
