//! A replica takes over under load, planned or not: judged by the checker. The relays reach Redis
//! through a proxy, which stands for a host name or an address that moves.

use chat_tests::checking::checker::{Checker, Loss, Progress};
use chat_tests::cmd;
use chat_tests::seed::{rounds, seeded};
use chat_tests::servers::clock::Clock;
use chat_tests::servers::proxy::{Network, Proxy};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};

use chat_tests::checking::faults::{addresses, hand_over, relays};

const HOUR_MS: i64 = 3_600_000;

#[test]
fn a_promoted_replica_that_lacks_the_last_writes_makes_readers_reload() {
    promotion("promotion", 0);
}

#[test]
fn a_promoted_replica_whose_clock_is_behind_makes_readers_reload() {
    promotion("promotion, clock behind", -HOUR_MS);
}

#[test]
fn a_promoted_replica_whose_clock_is_ahead_makes_readers_reload() {
    promotion("promotion, clock ahead", HOUR_MS);
}

fn promotion(name: &str, clock_ahead_ms: i64) {
    let mut primary = Redis::start();
    let link = Proxy::to(primary.address());
    let clock = Clock::ahead_ms(clock_ahead_ms);
    let mut replica = Redis::replica_through(&primary, link.address(), &[], Some(&clock));
    let off = i64::try_from(replica.clock_ms()).expect("in range")
        - i64::try_from(primary.clock_ms()).expect("in range");
    assert!((off - clock_ahead_ms).abs() < 60_000, "tests/fixtures/clock.c has no effect: {off}");
    let path = Proxy::to(primary.address());
    let relays = relays(&format!("redis://{}", path.address()), &["r1", "r2"]);
    let checker = Checker { messages: rounds(100), loss: Loss::Reported, ..Checker::default() };
    let fault = |progress: &Progress, redis: &mut Redis| {
        progress.wait(0.3);
        link.set(Network::Drop);
        // From here on the replica receives nothing: a fifth of all messages will be lost.
        progress.wait(0.5);
        cmd!(replica, "REPLICAOF", "NO", "ONE").ok();
        path.lead_to(replica.address());
        std::mem::swap(redis, &mut replica);
        relays.iter().for_each(Relay::wait_ready);
        // The old primary may run for a while yet; no client is connected to it any more.
        progress.wait(0.8);
        replica.kill();
    };
    let effects = checker.run(seeded(name), &addresses(&relays), &mut primary, fault);
    assert_eq!(effects.reconnects, 0, "sockets stay open");
    assert!(effects.lost > 0, "nothing was lost: {effects:?}");
    let all = checker.readers * checker.rooms.len();
    assert!(effects.reloads >= all, "each of {all} reloaded: {effects:?}");
}

#[test]
fn a_planned_failover_loses_no_message() {
    // Deadlines apply soon after a promotion.
    let settings = ["chat.presence-grace 500"];
    let mut primary = Redis::with(&settings);
    let mut replica = Redis::replica(&primary, &settings);
    let path = Proxy::to(primary.address());
    let relays = relays(&format!("redis://{}", path.address()), &["r1", "r2"]);
    let checker = Checker { messages: rounds(150), ..Checker::default() };
    let effects = checker.run(
        seeded("planned failover"),
        &addresses(&relays),
        &mut primary,
        |progress, redis| {
            for share in [0.3, 0.6] {
                progress.wait(share);
                fail_over(redis, &mut replica, &path, &relays);
            }
        },
    );
    assert_eq!((effects.reconnects, effects.reloads), (0, 0), "sockets stay open");
    eventually("equal data on both", LATER, || {
        replica.catch_up(&primary);
        match (primary.digest(), replica.digest()) {
            (here, there) if here == there => Ok(()),
            differ => Err(format!("{differ:?}")),
        }
    });
}

/// Fails over to the replica while presence is about to end in many rooms, and fails back; `redis`
/// is the primary at the end.
fn fail_over(redis: &mut Redis, replica: &mut Redis, path: &Proxy, relays: &[Relay]) {
    let mut wire = redis.wire();
    for n in 0..200 {
        let (room, connection) = (format!("room{}", n % 3), format!("c{n}"));
        let ttl = 1000 + n * 10;
        cmd!(wire, "CHAT.PRESENCE", room, format!("user{n}"), connection, "TTL", ttl).ok();
    }
    eventually("a deadline that has passed", LATER, || {
        let online = cmd!(wire, "CHAT.ONLINE", "room0").list()[0].int();
        if online < 60 { Ok(()) } else { Err(format!("{online} online")) }
    });
    // Writes pause; deadlines do not.
    cmd!(wire, "CLIENT", "PAUSE", 1000, "WRITE").ok();
    hand_over(redis, replica);
    // A relay detects that it talks to a replica, and reports it.
    relays.iter().for_each(Relay::wait_unready);
    path.lead_to(replica.address());
    std::mem::swap(redis, replica);
    relays.iter().for_each(Relay::wait_ready);
}
