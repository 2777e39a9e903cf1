//! Relays and networks fail under load, judged by the checker: nothing is lost, nothing arrives
//! twice.

use std::time::Duration;

use chat_tests::checking::checker::{Checker, Loss};
use chat_tests::checking::faults::{
    addresses, kill_redis, kill_relays, kill_subscriptions, relays,
};
use chat_tests::seed::{rounds, seeded};
use chat_tests::servers::proxy::{Network, Proxy};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::eventually;

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
    // Enough clients that some are on each relay.
    let checker = Checker { messages: rounds(200), readers: 8, ..Checker::default() };
    let effects = kill_relays(&checker, &[(0.2, "r4"), (0.5, "r5")]);
    assert!(effects.reconnects > 0 && effects.reloads == 0, "{effects:?}");
}

#[test]
fn killing_and_restarting_redis_loses_no_message() {
    let effects = kill_redis(&Checker { messages: rounds(150), ..Checker::default() });
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
    let effects = kill_subscriptions(&Checker { messages: rounds(200), ..Checker::default() });
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
