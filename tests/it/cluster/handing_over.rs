//! Replicas take the places of primaries as planned, under load.

use std::time::Duration;

use chat_tests::cmd;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};

use super::stage::{Stage, assert_unnoticed};

/// The promise for a send during a planned failover.
const SLOWEST: Duration = Duration::from_secs(1);

/// Relays that probe all the time.
const OPTIONS: &[&str] = &[
    "--operations-per-second",
    "100000",
    "--probe",
    "50ms",
    "--presence-ttl",
    "6s",
    "--grace",
    "1s",
];

#[test]
fn ten_planned_failovers_are_noticed_by_nobody() {
    let mut stage = Stage::with(6, &[]);
    // Probes that find out before the map does that a node has become a replica.
    let url = stage.cluster.url();
    let names = ["probes1", "probes2"];
    stage.relays = names.map(|name| Relay::with(name, &url, OPTIONS)).into();
    stage.relays.iter().for_each(Relay::wait_ready);
    let effects = stage.under_load("failovers", |progress, cluster, rooms| {
        for n in 0..10 {
            let primary = cluster.owner_of(&rooms[n * 7 % rooms.len()]);
            cluster.fail_over(primary);
            progress.wait_for_more(30);
            // The next one may need this one's replica.
            cluster.agree();
        }
        // A replica passes on what its primary publishes: who listens at both hears it twice.
        let replicas: Vec<usize> = (0..6).filter(|n| !cluster.primaries().contains(n)).collect();
        for replica in replicas {
            eventually("a replica at which no room is subscribed", LATER, || {
                let channels = cmd!(cluster.node(replica), "PUBSUB", "SHARDCHANNELS");
                match channels.texts().into_iter().find(|name| rooms.contains(&(*name).to_owned()))
                {
                    None => Ok(()),
                    Some(room) => Err(format!("{room} at node {replica}")),
                }
            });
        }
    });
    assert_unnoticed(&effects, SLOWEST);
}
