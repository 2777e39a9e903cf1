//! Redis loses data under load, in every way in which that happens: judged by the checker. Readers
//! of lost data must reload; nothing else is lost.

use chat_tests::checking::checker::{Checker, Effects, Loss, Progress};
use chat_tests::cmd;
use chat_tests::seed::{rounds, seeded};
use chat_tests::servers::clock::Clock;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{SOON, eventually};

use chat_tests::checking::faults::{addresses, relays};

const HOUR_MS: i64 = 3_600_000;

/// Two relays, senders and readers, while `fault` runs; sockets must stay open throughout.
fn under_load(
    name: &str,
    loss: Loss,
    redis: Redis,
    fault: impl FnOnce(&Progress, &mut Redis),
) -> Effects {
    let checker = Checker { messages: rounds(100), loss, ..Checker::default() };
    checked(name, &checker, redis, fault)
}

fn checked(
    name: &str,
    checker: &Checker,
    mut redis: Redis,
    fault: impl FnOnce(&Progress, &mut Redis),
) -> Effects {
    let relays = relays(&redis.url(), &["r1", "r2"]);
    let effects = checker.run(seeded(name), &addresses(&relays), &mut redis, fault);
    assert_eq!(effects.reconnects, 0, "{name}: sockets stay open");
    effects
}

fn assert_reloaded(effects: Effects) {
    assert!(effects.lost > 0, "nothing was lost: {effects:?}");
    assert!(effects.reloads > 0, "{effects:?}");
}

#[test]
fn a_redis_that_loses_its_last_second_makes_readers_reload() {
    let redis = Redis::with(&["appendonly yes", "appendfsync everysec"]);
    let effects = under_load("last second", Loss::Reported, redis, |progress, redis| {
        for share in [0.3, 0.6] {
            progress.wait(share);
            redis.kill();
            lose_the_end_of_the_append_only_file(redis);
            redis.restart();
        }
    });
    assert_reloaded(effects);
}

/// SIGKILL keeps what the kernel has accepted; a power cut also loses what was not synced, and may
/// cut a record.
fn lose_the_end_of_the_append_only_file(redis: &Redis) {
    let files = std::fs::read_dir(redis.dir().join("appendonlydir")).expect("the AOF");
    let files = files.map(|file| file.expect("a file").path());
    let newest = files.filter(|path| path.to_string_lossy().ends_with(".incr.aof")).max();
    let file = std::fs::File::options().write(true).open(newest.expect("an increment"));
    let file = file.expect("a file of ours");
    let length = file.metadata().expect("a file").len();
    file.set_len(length - (length / 4).min(8_000)).expect("a file of ours");
}

#[test]
fn readers_of_deleted_rooms_reload() {
    let effects = under_load("DEL", Loss::Reported, Redis::start(), |progress, redis| {
        for (share, command) in [(0.2, "DEL"), (0.4, "UNLINK"), (0.7, "DEL")] {
            progress.wait(share);
            assert_eq!(cmd!(redis, command, "room0").int(), 1);
        }
    });
    assert_reloaded(effects);
}

#[test]
fn readers_of_flushed_rooms_reload() {
    let effects = under_load("FLUSHALL", Loss::Reported, Redis::start(), |progress, redis| {
        for (share, how) in [(0.3, "SYNC"), (0.6, "ASYNC")] {
            progress.wait(share);
            cmd!(redis, "FLUSHALL", how).ok();
        }
    });
    assert_reloaded(effects);
}

#[test]
fn a_redis_that_restarts_from_an_older_file_makes_readers_reload() {
    let effects = under_load("older RDB", Loss::Reported, Redis::start(), |progress, redis| {
        progress.wait(0.2);
        redis.save();
        for share in [0.4, 0.7] {
            progress.wait(share);
            redis.kill();
            redis.restart();
        }
    });
    assert_reloaded(effects);
}

#[test]
fn a_room_restored_from_an_older_copy_makes_readers_reload() {
    let effects = under_load("RESTORE", Loss::Reported, Redis::start(), |progress, redis| {
        progress.wait(0.2);
        let copy = cmd!(redis, "DUMP", "room1").ok();
        for share in [0.4, 0.7] {
            progress.wait(share);
            cmd!(redis, "RESTORE", "room1", 0, copy.bytes(), "REPLACE").ok();
        }
    });
    assert_reloaded(effects);
}

#[test]
fn readers_of_evicted_rooms_reload() {
    let redis = Redis::with(&["maxmemory-policy allkeys-lru"]);
    let effects = under_load("eviction", Loss::Reported, redis, |progress, redis| {
        for share in [0.3, 0.6] {
            progress.wait(share);
            // In one pipeline, so that no client's write meets the limit.
            let commands = [vec!["CONFIG", "SET", "maxmemory", "1"], vec!["PING"]];
            let back = vec!["CONFIG", "SET", "maxmemory", "0"];
            let bytes = |args: &Vec<&str>| args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
            let commands: Vec<_> = commands.iter().chain([&back]).map(bytes).collect();
            redis.wire().pipeline(&commands);
        }
        assert_ne!(redis.info("stats", "evicted_keys"), "0");
    });
    assert_reloaded(effects);
}

#[test]
fn setting_the_clock_back_and_forth_loses_no_message() {
    let clock = Clock::ahead_ms(0);
    let redis = Redis::with_clock(&[], &clock);
    let began = redis.clock_ms();
    // A jump of the clock ends the window of nonces.
    let checker = Checker { messages: rounds(100), repeats: false, ..Checker::default() };
    let effects = checked("clock", &checker, redis, |progress, redis| {
        for (share, ahead) in [(0.2, -HOUR_MS), (0.4, HOUR_MS), (0.6, 0), (0.8, -2 * HOUR_MS)] {
            progress.wait(share);
            clock.set_ahead_ms(ahead);
            eventually("the server to see the clock's new time", SOON, || {
                let now = i64::try_from(redis.clock_ms()).expect("in range");
                let off = now - i64::try_from(began).expect("in range") - ahead;
                if (0..600_000).contains(&off) { Ok(()) } else { Err(format!("{off} ms off")) }
            });
        }
        let online = cmd!(redis, "CHAT.ONLINE", "room0").list()[0].int();
        assert_eq!(online, 4, "no reader's presence ended by the clock");
    });
    assert_eq!(effects.reloads, 0);
}

#[test]
fn relays_leave_a_frozen_redis_and_find_it_again() {
    let redis = Redis::durable();
    let effects = under_load("frozen", Loss::Nothing, redis, |progress, redis| {
        progress.wait(0.4);
        redis.process().freeze();
        let relay = Relay::with("late", &redis.url(), &["--probe", "500ms"]);
        relay.wait_unready();
        redis.process().thaw();
        relay.wait_ready();
    });
    assert_eq!(effects.reloads, 0);
}
