//! Nodes of a cluster get other addresses under load.

use std::time::Duration;

use chat_tests::seed::is_long_run;

use super::stage::Stage;

/// The promise for a send when a primary is lost: the time of a node without an answer, and 3 s.
const FAILOVER: Duration = Duration::from_secs(5);

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
