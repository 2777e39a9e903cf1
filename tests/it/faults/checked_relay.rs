//! Relays and networks fail under load, judged by the checker: nothing is lost, nothing arrives
//! twice.

use std::time::Duration;

use chat_tests::checking::checker::{Checker, Loss};
use chat_tests::checking::relays::Relays;
use chat_tests::cmd;
use chat_tests::seed::{rounds, seeded};
use chat_tests::servers::proxy::{Network, Proxy};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::eventually;

const OPTIONS: &[&str] = &[
    "--operations-per-second",
    "100000",
    "--probe",
    "1s",
    "--presence-ttl",
    "6s",
    "--grace",
    "1s",
];

pub(crate) fn relays(url: &str, names: &[&str]) -> Vec<Relay> {
    let relays: Vec<Relay> = names.iter().map(|name| Relay::with(name, url, OPTIONS)).collect();
    relays.iter().for_each(Relay::wait_ready);
    relays
}

pub(crate) fn addresses(relays: &[Relay]) -> Relays {
    Relays::new(&relays.iter().map(Relay::address).collect::<Vec<_>>())
}

#[test]
fn without_faults_every_reader_receives_everything() {
    let mut redis = Redis::start();
    let relays = relays(&redis.url(), &["r1", "r2", "r3"]);
    let checker = Checker { messages: rounds(200), ..Checker::default() };
    let effects = checker.run(seeded("no faults"), &addresses(&relays), &mut redis, |_, _| {});
    assert_eq!((effects.reconnects, effects.reloads), (0, 0));
}

#[test]
fn killing_a_relay_loses_no_message() {
    let mut redis = Redis::start();
    let mut running = relays(&redis.url(), &["r1", "r2", "r3"]);
    let url = redis.url();
    let known = addresses(&running);
    // Enough clients that some are on each relay.
    let checker = Checker { messages: rounds(200), readers: 8, ..Checker::default() };
    let effects = checker.run(seeded("relay kill"), &known, &mut redis, |progress, _| {
        for (share, name) in [(0.2, "r4"), (0.5, "r5")] {
            progress.wait(share);
            running[0].process().kill();
            running.remove(0);
            running.extend(relays(&url, &[name]));
            known.set(&running.iter().map(Relay::address).collect::<Vec<_>>());
        }
    });
    assert!(effects.reconnects > 0 && effects.reloads == 0, "{effects:?}");
}

#[test]
fn killing_and_restarting_redis_loses_no_message() {
    let mut redis = Redis::durable();
    let relays = relays(&redis.url(), &["r1", "r2"]);
    let checker = Checker { messages: rounds(150), ..Checker::default() };
    let effects =
        checker.run(seeded("redis kill"), &addresses(&relays), &mut redis, |progress, redis| {
            for share in [0.25, 0.6] {
                progress.wait(share);
                redis.kill();
                redis.restart();
            }
        });
    assert_eq!((effects.reconnects, effects.reloads), (0, 0), "sockets stay open");
}

#[test]
fn a_redis_that_lost_its_data_makes_readers_reload() {
    // Without a file, a restart loses everything.
    let mut redis = Redis::start();
    let relays = relays(&redis.url(), &["r1", "r2"]);
    let checker = Checker { messages: rounds(100), loss: Loss::Reported, ..Checker::default() };
    let effects = checker.run(
        seeded("forgetful redis"),
        &addresses(&relays),
        &mut redis,
        |progress, redis| {
            progress.wait(0.3);
            redis.kill();
            redis.restart();
        },
    );
    assert!(effects.reconnects == 0 && effects.reloads > 0, "{effects:?}");
}

#[test]
fn killing_subscriptions_loses_no_message() {
    let mut redis = Redis::start();
    let relays = relays(&redis.url(), &["r1", "r2"]);
    let checker = Checker { messages: rounds(200), ..Checker::default() };
    let effects =
        checker.run(seeded("pubsub kill"), &addresses(&relays), &mut redis, |progress, redis| {
            for step in 1..8 {
                progress.wait(f64::from(step) / 10.0);
                cmd!(redis, "CLIENT", "KILL", "TYPE", "pubsub").ok();
            }
        });
    assert_eq!((effects.reconnects, effects.reloads), (0, 0));
}

#[test]
fn network_faults_between_relay_and_redis_lose_no_message() {
    let mut redis = Redis::start();
    let proxy = Proxy::to(redis.address());
    let relays = relays(&format!("redis://{}", proxy.address()), &["r1", "r2"]);
    let checker =
        Checker { messages: rounds(100), deadline: Duration::from_secs(150), ..Checker::default() };
    let effects =
        checker.run(seeded("bad network"), &addresses(&relays), &mut redis, |progress, _| {
            let storms = [
                Network::Delay(Duration::from_millis(20)),
                Network::Truncate(100),
                Network::Drop,
                Network::Stall,
            ];
            for (storm, step) in storms.into_iter().zip(1..) {
                progress.wait(f64::from(step) / 6.0);
                let before = proxy.forwarded();
                proxy.set(storm);
                match storm {
                    Network::Delay(_) => {
                        eventually("delayed traffic", Duration::from_secs(30), || {
                            let now = proxy.forwarded();
                            if now > before + 20_000 || progress.is_over() {
                                Ok(())
                            } else {
                                Err(format!("{now}"))
                            }
                        })
                    }
                    _ => relays.iter().for_each(Relay::wait_unready),
                }
                proxy.set(Network::Open);
                if storm == Network::Stall {
                    proxy.cut();
                }
                relays.iter().for_each(Relay::wait_ready);
            }
        });
    assert_eq!((effects.reconnects, effects.reloads), (0, 0), "sockets stay open");
}
