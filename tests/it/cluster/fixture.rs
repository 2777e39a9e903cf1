//! Clusters of this harness, with plain clients: what the servers and the module do by themselves.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chat_tests::checking::view::history;
use chat_tests::clients::cluster_wire::ClusterWire;
use chat_tests::cmd;
use chat_tests::seed::is_long_run;
use chat_tests::servers::cluster::moves::Move;
use chat_tests::servers::cluster::slots::{names, slot};
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::proxy::Network;
use chat_tests::servers::store::Store;
use chat_tests::wait::{LATER, eventually};

#[test]
fn every_room_has_one_owner_and_a_replica() {
    let cluster = Cluster::start();
    assert_eq!(cluster.primaries(), [0, 1, 2]);
    for primary in 0..3 {
        assert_eq!(cluster.replicas_of(primary), [primary + 3]);
    }
    let names = ["a{b}c", "{}x", "x{}", "{a", "a}", "a{{b}}c", "{lobby}", "@alice", "dm:alice,bob"];
    for name in names {
        let told = cmd!(cluster.node(0), "CLUSTER", "KEYSLOT", name).int();
        assert_eq!(i64::from(slot(name)), told, "{name}");
        let owner = cluster.owner_of(name);
        cmd!(cluster.node(owner), "CHAT.SEND", name, "alice", "hello").ok();
        let elsewhere = (owner + 1) % 3;
        let moved = cmd!(cluster.node(elsewhere), "CHAT.SEND", name, "alice", "hello");
        assert!(moved.error().starts_with("MOVED "), "{name}: {moved:?}");
    }
    cluster.assert_equal_digests();
}

#[test]
fn a_cluster_has_the_shape_that_was_asked_for() {
    if !is_long_run() {
        return;
    }
    let shape = Shape { primaries: 2, replicas: 2, ..Shape::default() };
    let mut cluster = Cluster::with(&Shape { settings: &["appendonly no"], ..shape });
    assert_eq!(cluster.replicas_of(0), [2, 3]);
    assert_eq!(cluster.replicas_of(1), [4, 5]);
    let room = names("room", &cluster.first_slots(1, 300).into_iter().collect(), 1).remove(0);
    cmd!(cluster.wire_to(&room), "CHAT.SEND", &room, "alice", "hello").ok();

    let added = cluster.add_primary();
    let replica = cluster.add_replica(added);
    assert_eq!(cluster.replicas_of(added), [replica]);
    let slots = cluster.first_slots(1, 300);
    assert!(slots.contains(&slot(&room)), "{room}");
    cluster.move_slots(&slots[..150], 1, added);
    let mut moving = Move::begin(&cluster, &slots[150..], 1, added);
    moving.migrate();
    moving.finish();
    cluster.agree();
    assert_eq!(cluster.owner_of(&room), added);
    cluster.move_slots(&slots, added, 1);
    cluster.agree();
    assert_eq!(cluster.owner_of(&room), 1);
    for gone in [replica, added] {
        cluster.take_out(gone);
    }
    assert_eq!(cluster.primaries(), [0, 1]);
    let before = cluster.address(0);
    for node in cluster.running() {
        cluster.restart_elsewhere(node);
    }
    cluster.agree();
    assert_ne!(cluster.address(0), before);
}

/// Senders with nonces at all shards while `change` runs: nothing is lost, nothing is stored twice,
/// replicas hold the same.
fn nothing_is_lost_while(cluster: &mut Cluster, change: impl FnOnce(&mut Cluster, &[String])) {
    let rooms = cluster.rooms("room", 10);
    let seeds: Vec<_> = (0..cluster.len()).map(|n| cluster.address(n)).collect();
    let is_over = AtomicBool::new(false);
    let mut sent = std::thread::scope(|threads| {
        let senders: Vec<_> = (0..2)
            .map(|sender| {
                let (rooms, seeds, is_over) = (&rooms, &seeds, &is_over);
                threads.spawn(move || {
                    let mut wire = ClusterWire::new(seeds);
                    let mut sent = Vec::new();
                    for n in 0.. {
                        if is_over.load(Ordering::Relaxed) {
                            break;
                        }
                        let room = &rooms[n % rooms.len()];
                        let text = format!("{sender}:{n}");
                        let command = ["CHAT.SEND", room, "alice", &text, "NONCE", &text];
                        let id = wire.call(room, &command, LATER).ok();
                        sent.push((room.clone(), id.text().to_owned(), text));
                    }
                    sent
                })
            })
            .collect();
        // A change that panics must end the senders too.
        let changed = catch_unwind(AssertUnwindSafe(|| change(cluster, &rooms)));
        is_over.store(true, Ordering::Relaxed);
        changed.unwrap_or_else(|panic| resume_unwind(panic));
        senders.into_iter().flat_map(|sender| sender.join().expect("a sender")).collect::<Vec<_>>()
    });
    cluster.agree();
    let mut stored = Vec::new();
    for room in &rooms {
        let mut wire = cluster.wire_to(room);
        let mut after = "0-0".to_owned();
        loop {
            let page = history(&mut wire, room, &["AFTER", &after, "COUNT", "1000"]);
            after = page.newest_of_page();
            let texts = page.texts().into_iter().map(str::to_owned);
            let ids = page.ids().into_iter().map(str::to_owned);
            stored.extend(ids.zip(texts).map(|(id, text)| (room.clone(), id, text)));
            if !page.more {
                break;
            }
        }
    }
    println!("{} sent", sent.len());
    assert!(sent.len() > 100, "{}", sent.len());
    sent.sort();
    stored.sort();
    assert_eq!(sent, stored);
    cluster.assert_equal_digests();
}

#[test]
fn moving_slots_loses_no_message() {
    let mut cluster = Cluster::start();
    nothing_is_lost_while(&mut cluster, |cluster, rooms| {
        let slots: BTreeSet<u16> = rooms.iter().map(|room| slot(room)).collect();
        let of_first = cluster.slots_of(0);
        let slots: Vec<u16> = slots.into_iter().filter(|slot| of_first.contains(slot)).collect();
        cluster.move_slots(&slots, 0, 1);
        // Late news of a finished move would end the next one of the same slot: Valkey 9.1 forgets
        // that it imports the slot.
        cluster.agree();
        // Back by hand, with a look at each step.
        let mut moving = Move::begin(cluster, &slots, 1, 0);
        moving.migrate();
        let room = rooms.iter().find(|room| slots.contains(&slot(room))).expect("a room");
        let asked = cmd!(cluster.node(1), "CHAT.SEND", room, "alice", "hello");
        assert!(asked.error().starts_with("ASK "), "{asked:?}");
        assert_eq!(cluster.keys_in(1, slot(room)), 0);
        assert_eq!(cluster.find_owner(slot(room)), Some(1));
        moving.finish();
        assert_eq!(cluster.find_owner(slot(room)), Some(0));
    });
}

#[test]
fn planned_failovers_and_a_killed_primary_lose_no_message() {
    let mut cluster = Cluster::start();
    nothing_is_lost_while(&mut cluster, |cluster, rooms| {
        for _ in 0..2 {
            let primary = cluster.owner_of(&rooms[0]);
            let promoted = cluster.fail_over(primary);
            assert_eq!(cluster.owner_of(&rooms[0]), promoted);
            cluster.agree();
        }
        let primary = cluster.owner_of(&rooms[0]);
        // What its replica has not received when it dies would be lost.
        cmd!(cluster.node(primary), "CLIENT", "PAUSE", 60_000, "WRITE").ok();
        cluster.node(cluster.a_replica_of(primary)).catch_up(cluster.node(primary));
        cluster.kill(primary);
        let promoted = cluster.await_other_owner(slot(&rooms[0]), primary);
        cluster.restart(primary);
        cluster.agree();
        cluster.await_replicas(promoted, &[primary]);
    });
}

#[test]
fn a_frozen_primary_comes_back_as_a_replica() {
    let mut cluster = Cluster::start();
    let room = cluster.rooms_of(0, "room", 1).remove(0);
    cluster.freeze(0);
    assert_eq!(cluster.await_other_owner(slot(&room), 0), 3);
    cluster.await_failed(0);
    cmd!(cluster.wire_to(&room), "CHAT.SEND", &room, "alice", "meanwhile").ok();
    cluster.thaw(0);
    cluster.agree();
    cluster.await_replicas(3, &[0]);
    cluster.take_over(0);
    assert_eq!(cluster.owner_of(&room), 0);
    cluster.agree();
    cluster.assert_equal_digests();
}

#[test]
fn clients_are_cut_off_from_one_node_and_its_replica_is_not() {
    let cluster = Cluster::with(&Shape { has_proxies: true, ..Shape::default() });
    let room = cluster.rooms_of(0, "room", 1).remove(0);
    let mut client = ClusterWire::new(&[cluster.address(1)]);
    let send = ["CHAT.SEND", room.as_str(), "alice", "hello"];
    client.try_call(&room, &send).expect("an open proxy").ok();
    cluster.proxy(0).set(Network::Drop);
    client.try_call(&room, &send).expect_err("a proxy that drops");
    cmd!(cluster.node(0), "CHAT.SEND", &room, "alice", "past the proxy").ok();
    cluster.assert_equal_digests();
    cluster.proxy(0).set(Network::Open);
    let back = Duration::from_secs(20);
    eventually("the client to be back", back, || client.try_call(&room, &send)).ok();
    cluster.agree();
}
