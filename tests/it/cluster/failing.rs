//! Primaries fail under load: killed, frozen, replaced by a stale replica.

use std::time::{Duration, Instant};

use chat_tests::checking::checker::Loss;
use chat_tests::servers::cluster::slots::slot;
use chat_tests::wait::until;

use super::stage::Stage;

/// The promise for a send to a shard that nothing has happened to.
const SLOWEST: Duration = Duration::from_secs(1);

/// The promise for all rooms to be back after a promotion.
const BACK: Duration = Duration::from_secs(1);

#[test]
fn a_killed_primary_delays_its_own_rooms_only() {
    let mut stage = Stage::with(6, &[]);
    stage.keep_users_away_from(&[0]);
    let mut others = Vec::new();
    let mut away = Duration::ZERO;
    let effects = stage.under_load("kill", |progress, cluster, rooms| {
        let primary = cluster.owner_of(&rooms[0]);
        let owned = cluster.slots_of(primary);
        others = rooms.iter().filter(|room| !owned.contains(&slot(room))).cloned().collect();
        let killed = Instant::now();
        cluster.kill(primary);
        cluster.await_other_owner(slot(&rooms[0]), primary);
        away = killed.elapsed();
        progress.wait_for_more(50);
        cluster.restart(primary);
        cluster.agree();
        progress.wait_for_more(50);
    });
    println!("promoted after {away:.3?}");
    assert_eq!((effects.reloads, effects.drops, effects.lost), (0, 0, 0), "{effects:?}");
    let elsewhere = |room: &str| others.iter().any(|other| other == room);
    assert!(effects.slowest.of(elsewhere) < SLOWEST, "{effects:?}");
    let refused_elsewhere =
        |line: &&String| others.iter().any(|room| line.contains(&format!("\"room\":\"{room}\"")));
    assert_eq!(effects.refusals.0.iter().find(refused_elsewhere), None, "{effects:?}");
    // Detection by the relay's own probe, the promotion, and the promise.
    assert!(effects.slowest.of_all() < away + BACK, "{effects:?}, promoted after {away:?}");
}

#[test]
fn a_stale_replica_makes_readers_of_what_is_lost_reload() {
    let mut stage = Stage::with(6, &[]);
    stage.loss = Loss::Reported;
    let effects = stage.under_load("takeover", |progress, cluster, rooms| {
        let primary = cluster.owner_of(&rooms[0]);
        let replica = cluster.a_replica_of(primary);
        cluster.kill(replica);
        // What the replica will lack.
        progress.wait_for_more(60);
        cluster.kill(primary);
        cluster.restart(replica);
        cluster.take_over(replica);
        progress.wait_for_more(60);
        cluster.restart(primary);
        cluster.agree();
    });
    assert!(effects.lost > 0, "nothing was lost: {effects:?}");
    assert_eq!(effects.rooms_reloaded, effects.rooms_that_lost, "{effects:?}");
    assert_eq!(effects.drops, 0, "{effects:?}");
}

#[test]
fn a_primary_that_freezes_and_continues_is_left_for_the_promoted_one() {
    let mut stage = Stage::with(6, &[]);
    // What was published and never acknowledged may be gone.
    stage.loss = Loss::Reported;
    let effects = stage.under_load("freeze", |progress, cluster, rooms| {
        let primary = cluster.owner_of(&rooms[0]);
        let frozen = Instant::now();
        cluster.freeze(primary);
        cluster.await_other_owner(slot(&rooms[0]), primary);
        progress.wait_for_more(50);
        until(frozen + Duration::from_secs(20));
        cluster.thaw(primary);
        cluster.agree();
        progress.wait_for_more(50);
    });
    assert_eq!((effects.lost, effects.drops), (0, 0), "{effects:?}");
    let reloaded = &effects.rooms_reloaded;
    assert!(reloaded.is_subset(&effects.rooms_that_lost), "{effects:?}");
}
