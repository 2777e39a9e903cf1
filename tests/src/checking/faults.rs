//! Faults under load that sockets and streams must bear alike, judged by the checker.

use std::path::Path;

use crate::checking::checker::{Checker, Effects};
use crate::checking::relays::Relays;
use crate::cmd;
use crate::seed::seeded;
use crate::servers::artefacts;
use crate::servers::redis::Redis;
use crate::servers::relay::Relay;
use crate::wait::{LATER, eventually};

/// Options of relays under load.
pub const OPTIONS: &[&str] = &[
    "--operations-per-second",
    "100000",
    "--probe",
    "1s",
    "--presence-ttl",
    "6s",
    "--grace",
    "1s",
];

/// Relays of these names at this Redis, ready.
#[track_caller]
pub fn relays(url: &str, names: &[&str]) -> Vec<Relay> {
    relays_of(artefacts::relay(), url, names)
}

/// As [`relays`], of another build.
#[track_caller]
pub fn relays_of(program: &Path, url: &str, names: &[&str]) -> Vec<Relay> {
    let start = |name: &&str| Relay::of_program(program, name, url, OPTIONS);
    let relays: Vec<Relay> = names.iter().map(start).collect();
    relays.iter().for_each(Relay::wait_ready);
    relays
}

/// Where readers and senders reach them.
pub fn addresses(relays: &[Relay]) -> Relays {
    Relays::new(&relays.iter().map(Relay::address).collect::<Vec<_>>())
}

/// Has a replica take the place of its primary in agreement with it, and waits until it has.
#[track_caller]
pub fn hand_over(primary: &Redis, replica: &Redis) {
    cmd!(primary, "FAILOVER").ok();
    eventually("the failover", LATER, || match replica.info("replication", "role").as_str() {
        "master" => Ok(()),
        role => Err(role.to_owned()),
    });
}

/// Kills the oldest of three relays at each of these shares of the messages, and starts another one
/// of this name.
#[track_caller]
pub fn kill_relays(checker: &Checker, kills: &[(f64, &str)]) -> Effects {
    let mut redis = Redis::start();
    let url = redis.url();
    let mut running = relays(&url, &["r1", "r2", "r3"]);
    let known = addresses(&running);
    checker.run(seeded("relay kill"), &known, &mut redis, |progress, _| {
        for (share, name) in kills {
            progress.wait(*share);
            running[0].process().kill();
            running.remove(0);
            running.extend(relays(&url, &[name]));
            known.set(&running.iter().map(Relay::address).collect::<Vec<_>>());
        }
    })
}

/// Kills a Redis that stores everything and starts it again, twice.
#[track_caller]
pub fn kill_redis(checker: &Checker) -> Effects {
    let mut redis = Redis::durable();
    let relays = relays(&redis.url(), &["r1", "r2"]);
    checker.run(seeded("redis kill"), &addresses(&relays), &mut redis, |progress, redis| {
        for share in [0.25, 0.6] {
            progress.wait(share);
            redis.kill();
            redis.restart();
        }
    })
}

/// Has Redis close the relays' connections for subscriptions, seven times.
#[track_caller]
pub fn kill_subscriptions(checker: &Checker) -> Effects {
    let mut redis = Redis::start();
    let relays = relays(&redis.url(), &["r1", "r2"]);
    checker.run(seeded("pubsub kill"), &addresses(&relays), &mut redis, |progress, redis| {
        for step in 1..8 {
            progress.wait(f64::from(step) / 10.0);
            cmd!(redis, "CLIENT", "KILL", "TYPE", "pubsub").ok();
        }
    })
}
