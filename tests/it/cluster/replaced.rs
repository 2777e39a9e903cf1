//! Nodes of a cluster are replaced by others, or get other addresses, under load.

use std::time::{Duration, Instant};

use chat_tests::cmd;
use chat_tests::seed::is_long_run;
use chat_tests::servers::cluster::Cluster;
use chat_tests::wait::eventually;

use super::stage::{Stage, assert_unnoticed};

/// The promise for a send when a primary is lost: the time of a node without an answer, and 3 s.
const FAILOVER: Duration = Duration::from_secs(5);

/// The promise for a send while slots move.
const UNNOTICED: Duration = Duration::from_secs(1);
/// How long a relay keeps links to a node without slots, and how much longer it may take.
const KEPT: Duration = Duration::from_secs(30);
const MORE: Duration = Duration::from_secs(15);

/// How many connections of relays a node has.
fn links(cluster: &Cluster, node: usize) -> usize {
    let list = cmd!(cluster.node(node), "CLIENT", "LIST").text().to_owned();
    list.lines().filter(|line| line.contains("name=chat-relay:")).count()
}

#[test]
fn a_node_that_takes_all_slots_of_another_one_is_not_noticed() {
    if !is_long_run() {
        return;
    }
    let mut stage = Stage::with(6, &[]);
    let effects = stage.under_load("other node", |progress, cluster, _| {
        let added = cluster.add_primary();
        cluster.add_replica(added);
        progress.wait_for_more(20);
        let slots: Vec<u16> = cluster.slots_of(0).into_iter().collect();
        cluster.move_slots(&slots, 0, added);
        let emptied = Instant::now();
        cluster.agree();
        assert!(links(cluster, added) > 0, "relays are at the new node");
        progress.wait_for_more(50);
        eventually("an end of the links to the empty node", KEPT + MORE, || {
            match links(cluster, 0) {
                0 => Ok(()),
                links => Err(format!("{links}")),
            }
        });
        println!("no links to the empty node after {:.1?}", emptied.elapsed());
        for gone in [cluster.a_replica_of(0), 0] {
            cluster.take_out(gone);
        }
        progress.wait_for_more(50);
    });
    assert_unnoticed(&effects, UNNOTICED);
}

#[test]
fn nodes_that_all_get_other_addresses_are_found_again() {
    if !is_long_run() {
        return;
    }
    let mut stage = Stage::with(6, &[]);
    let effects = stage.under_load("other addresses", |progress, cluster, _| {
        let before: Vec<_> = cluster.running().into_iter().map(|n| cluster.address(n)).collect();
        for primary in cluster.primaries() {
            let replica = cluster.a_replica_of(primary);
            cluster.restart_elsewhere(replica);
            cluster.agree();
            cluster.fail_over(primary);
            cluster.agree();
            cluster.restart_elsewhere(primary);
            cluster.agree();
            progress.wait_for_more(30);
        }
        let after: Vec<_> = cluster.running().into_iter().map(|n| cluster.address(n)).collect();
        assert!(before.iter().all(|address| !after.contains(address)), "{before:?}, {after:?}");
        // None of the addresses in the settings of the relays leads anywhere now.
        let primary = cluster.primaries()[0];
        cluster.fail_over(primary);
        progress.wait_for_more(30);
    });
    assert_eq!((effects.reloads, effects.drops, effects.lost), (0, 0, 0), "{effects:?}");
    assert!(effects.slowest.of_all() < FAILOVER, "{effects:?}");
}
