//! Slots move under load, and nobody notices more than a delay.

use std::time::Duration;

use chat_tests::checking::view::history;
use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::servers::cluster::moves::Move;
use chat_tests::servers::cluster::slots::slot;
use chat_tests::servers::server::Server;
use chat_tests::servers::store::Store;
use chat_tests::wait::{LATER, eventually};
use serde_json::json;

use super::atomic_moves::{SLOW, await_state, begin_up_to};
use super::stage::{Stage, assert_unnoticed, slots_with};

/// The promise for a send while slots move.
const SLOWEST: Duration = Duration::from_secs(1);

#[test]
fn a_thousand_slots_move_and_come_back_unnoticed() {
    let mut stage = Stage::with(10, &[]);
    let effects = stage.under_load("reshard", |progress, cluster, rooms| {
        let slots = slots_with(cluster, 0, rooms, 1000);
        cluster.move_slots(&slots, 0, 1);
        progress.wait_for_more(50);
        cluster.move_slots(&slots, 1, 0);
        progress.wait_for_more(50);
        // One in each room; nobody else has left yet.
        let ghosts = u64::try_from(rooms.len()).expect("a number");
        eventually("the end of each ghost", LATER, || {
            let ended = cluster.total("chat_presence_timeouts");
            assert!(ended <= ghosts, "{ended} ends of {ghosts} ghosts");
            if ended == ghosts { Ok(()) } else { Err(format!("{ended} of {ghosts}")) }
        });
    });
    assert_unnoticed(&effects, SLOWEST);
}

/// The last slot of the first of three nodes, which stays there: a primary without slots would
/// become a replica.
const LAST_OF_FIRST: u16 = 5_459;

#[test]
fn slots_that_move_at_once_move_unnoticed_also_when_cancelled() {
    let mut stage = Stage::with(10, &[]);
    if !Server::of(stage.cluster.node(0)).moves_slots_at_once() {
        return;
    }
    let last = LAST_OF_FIRST - 1;
    let effects = stage.under_load("atomic", |progress, cluster, _| {
        begin_up_to(last, cluster, 0, 1, SLOW);
        await_state(cluster, 1, "receiving-snapshot");
        progress.wait_for_more(20);
        cmd!(cluster.node(0), "CLUSTER", "CANCELSLOTMIGRATIONS").ok();
        await_state(cluster, 0, "cancelled");
        progress.wait_for_more(20);
        for (from, to) in [(0, 1), (1, 0)] {
            begin_up_to(last, cluster, from, to, SLOW);
            await_state(cluster, to, "success");
            cluster.agree();
            progress.wait_for_more(50);
        }
    });
    assert_unnoticed(&effects, SLOWEST);
}

#[test]
fn a_target_that_dies_while_slots_move_at_once_is_not_noticed() {
    let mut stage = Stage::with(6, &[]);
    if !Server::of(stage.cluster.node(0)).moves_slots_at_once() {
        return;
    }
    // Nothing of the users is at the node that dies.
    stage.keep_users_away_from(&[2]);
    let owned = stage.cluster.slots_of(2);
    stage.rooms.retain(|room| !owned.contains(&slot(room)));
    let effects = stage.under_load("target", |progress, cluster, rooms| {
        begin_up_to(LAST_OF_FIRST - 1, cluster, 0, 2, SLOW);
        await_state(cluster, 2, "receiving-snapshot");
        progress.wait_for_more(20);
        let slot_of_target = *owned.first().expect("it has slots");
        cluster.kill(2);
        await_state(cluster, 0, "failed");
        progress.wait_for_more(50);
        cluster.await_other_owner(slot_of_target, 2);
        cluster.restart(2);
        cluster.agree();
        assert_eq!(cluster.owner_of(&rooms[0]), 0);
        progress.wait_for_more(20);
    });
    assert_eq!((effects.reloads, effects.drops, effects.lost), (0, 0, 0), "{effects:?}");
    assert!(effects.slowest.of_all() < SLOWEST, "{effects:?}");
}

#[test]
fn a_room_that_is_deleted_around_a_move_ends_for_its_readers() {
    let stage = Stage::with(3, &[]);
    let Stage { cluster, relays, rooms, .. } = &stage;
    let readers: Vec<Client> = relays.iter().map(|relay| relay.connect("reader")).collect();
    let speaker = relays[0].connect("speaker");
    // Those of the first node.
    let [before, during, after] = &rooms[..3] else { panic!("{rooms:?}") };
    for room in [before, during, after] {
        speaker.ok(json!({"op": "send", "room": room, "text": "first"}));
        for reader in &readers {
            reader.ok(json!({"op": "join", "room": room}));
        }
    }
    let delete = |at: usize, room: &str| {
        assert_eq!(cmd!(cluster.node(at), "DEL", room).int(), 1, "{room} at node {at}");
    };
    let slots: Vec<u16> = [before, during, after].iter().map(|room| slot(room)).collect();
    delete(0, before);
    let mut moving = Move::begin(cluster, &slots, 0, 1);
    // One before its key moves, in a slot that is moving.
    delete(0, during);
    moving.migrate();
    moving.finish();
    cluster.agree();
    delete(cluster.owner_of(after), after);
    for room in [before, during, after] {
        for reader in &readers {
            eventually(&format!("the end of {room} for its readers"), LATER, || {
                let told = reader.events(room);
                let ends = ["drop", "reload"];
                let is_end = |kind: &str| ends.contains(&kind);
                match told.iter().any(|event| event.json["type"].as_str().is_some_and(is_end)) {
                    true => Ok(()),
                    false => Err(reader.arrived()),
                }
            });
        }
        // A new room begins clean.
        let sent = speaker.ok(json!({"op": "send", "room": room, "text": "second"}));
        for reader in &readers {
            reader.next_where(room, "the new room", |event| event["id"] == sent["id"]);
        }
        let page = history(&mut cluster.wire_to(room), room, &[]);
        assert_eq!(page.texts(), ["second"], "{room}");
    }
}
