//! The steps of an upgrade in their order, under load: nothing is lost, nothing arrives twice, and
//! sockets close only where a relay is replaced.

use chat_tests::checking::checker::{Checker, Progress};
use chat_tests::checking::faults::{addresses, hand_over, relays, relays_of};
use chat_tests::checking::relays::Relays;
use chat_tests::seed::{rounds, seeded};
use chat_tests::servers::artefacts::{module, old_module, old_relay};
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::proxy::Proxy;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};

/// Deadlines of presence apply soon after a promotion.
const GRACE: &str = "chat.presence-grace 500";

/// Starts new relays beside the old ones and ends those, one after the other.
#[track_caller]
fn replace(running: &mut Vec<Relay>, url: &str, known: &Relays) {
    let new = relays(url, &["new1", "new2"]);
    for mut old in running.drain(..) {
        known.set(&new.iter().map(Relay::address).collect::<Vec<_>>());
        old.process().terminate();
        // upgrades.md: **Stop an old relay with SIGTERM**
        assert_eq!(old.process().wait(LATER).code(), Some(0));
    }
    running.extend(new);
}

// upgrades.md: **Replicas first**
// upgrades.md: **Fail over**
// upgrades.md: **The former primary**
// upgrades.md: **Relays last**
#[test]
fn replicas_then_a_failover_then_the_former_primary_then_relays() {
    let mut primary = Redis::with_module(old_module(), &[GRACE]);
    let mut replica = Redis::replica_with_module(&primary, old_module(), &[GRACE]);
    let path = Proxy::to(primary.address());
    let url = format!("redis://{}", path.address());
    let mut running = relays_of(old_relay(), &url, &["old1", "old2"]);
    let known = addresses(&running);
    let checker = Checker { messages: rounds(150), while_fault: true, ..Checker::default() };
    let upgrade = |progress: &Progress, redis: &mut Redis| {
        progress.wait(0.1);
        replica.stop();
        replica.use_module(module());
        replica.restart();
        replica.catch_up(redis);
        progress.wait_for_more(20);
        hand_over(redis, &replica);
        path.lead_to(replica.address());
        std::mem::swap(redis, &mut replica);
        replica.end();
        replica.use_module(module());
        replica.set(&format!("replicaof 127.0.0.1 {}", redis.address().port()));
        replica.restart();
        running.iter().for_each(Relay::wait_ready);
        replica.catch_up(redis);
        progress.wait_for_more(20);
        replace(&mut running, &url, &known);
        progress.wait_for_more(20);
    };
    let effects = checker.run(seeded("upgrade"), &known, &mut primary, upgrade);
    assert_eq!((effects.reloads, effects.lost), (0, 0), "{effects:?}");
    assert!(effects.reconnects > 0, "{effects:?}");
    eventually("equal data on both", LATER, || {
        replica.catch_up(&primary);
        match (primary.digest(), replica.digest()) {
            (here, there) if here == there => Ok(()),
            differ => Err(format!("{differ:?}")),
        }
    });
}

// upgrades.md: **Without a replica**
// upgrades.md: **A restart of Redis or a failover**
#[test]
fn a_server_without_a_replica_is_restarted_while_sockets_stay_open() {
    let lines = ["appendonly yes", "appendfsync always", GRACE];
    let mut redis = Redis::with_module(old_module(), &lines);
    let running = relays_of(old_relay(), &redis.url(), &["old1", "old2"]);
    let checker = Checker { messages: rounds(100), while_fault: true, ..Checker::default() };
    let upgrade = |progress: &Progress, redis: &mut Redis| {
        progress.wait(0.2);
        redis.stop();
        redis.use_module(module());
        redis.restart();
        progress.wait_for_more(20);
    };
    let effects = checker.run(seeded("restart"), &addresses(&running), &mut redis, upgrade);
    assert_eq!((effects.reconnects, effects.reloads, effects.lost), (0, 0, 0), "{effects:?}");
}

// upgrades.md: **In a cluster**
#[test]
fn a_cluster_is_upgraded_node_by_node() {
    let shape = Shape { settings: &[GRACE], ..Shape::default() };
    let mut cluster = Cluster::with_module(old_module(), &shape);
    let rooms = cluster.rooms("room", 1);
    let running = relays_of(old_relay(), &cluster.url(), &["old1", "old2"]);
    let checker = Checker { rooms, messages: rounds(40), while_fault: true, ..Checker::default() };
    let upgrade = |progress: &Progress, cluster: &mut Cluster| {
        let primaries = cluster.primaries();
        let replicas = (0..cluster.len()).filter(|node| !primaries.contains(node));
        for replica in replicas.collect::<Vec<_>>() {
            renew(cluster, replica);
        }
        for primary in primaries {
            progress.wait_for_more(10);
            cluster.fail_over(primary);
            renew(cluster, primary);
        }
        progress.wait_for_more(10);
    };
    let effects = checker.run(seeded("cluster"), &addresses(&running), &mut cluster, upgrade);
    assert_eq!((effects.reconnects, effects.reloads, effects.lost), (0, 0, 0), "{effects:?}");
    cluster.agree();
    cluster.assert_equal_digests();
}

/// Restarts a replica with the new module, and waits until all nodes see that it has caught up.
#[track_caller]
fn renew(cluster: &mut Cluster, node: usize) {
    cluster.stop(node);
    cluster.use_module(node, module());
    cluster.restart(node);
    cluster.agree();
}
