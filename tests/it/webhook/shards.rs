//! Shards of a cluster fail, one at a time: that with the positions, then one with rooms only.

use std::collections::{BTreeMap, BTreeSet};

use chat_tests::checking::view::history;
use chat_tests::cmd;
use chat_tests::servers::cluster::slots::slot;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::store::Store;
use chat_tests::wait::{LATER, eventually};

use super::stage::{Forwarder, Receiver, id};

#[test]
fn no_event_is_missing_when_shards_fail_one_after_the_other() {
    let mut cluster = Cluster::with(&Shape { replicas: 1, ..Shape::default() });
    let receiver = Receiver::start();
    let rooms = cluster.rooms("room", 4);
    let forwarder = Forwarder::created(&cluster.url(), "beginning");
    let running = forwarder.run(&receiver, &[]);
    let send = |cluster: &Cluster, rooms: &[String]| {
        let mut wire = cluster.client();
        for room in rooms {
            wire.call(room, &["CHAT.SEND", room, "alice", "hello"], LATER).ok();
        }
    };
    let positions = cluster.find_owner(slot("dm:forward:{f}:positions")).expect("an owner");
    let others = cluster.primaries().into_iter().filter(|node| *node != positions);
    for victim in [positions].into_iter().chain(others.take(1)) {
        send(&cluster, &rooms);
        let owned = cluster.slots_of(victim);
        let (of_victim, elsewhere): (Vec<_>, Vec<_>) =
            rooms.iter().cloned().partition(|room| owned.contains(&slot(room)));
        // What its replica has not received would be lost.
        cluster.node(cluster.a_replica_of(victim)).catch_up(cluster.node(victim));
        cluster.kill(victim);
        send(&cluster, &elsewhere);
        cluster.await_other_owner(slot(&of_victim[0]), victim);
        send(&cluster, &rooms);
        cluster.restart(victim);
        cluster.agree();
    }
    send(&cluster, &rooms);
    let expected: BTreeMap<String, BTreeSet<String>> = rooms
        .iter()
        .map(|room| {
            let page = history(&mut cluster.wire_to(room), room, &["COUNT", "1000"]);
            (room.clone(), page.ids().into_iter().map(str::to_owned).collect())
        })
        .collect();
    assert!(expected.values().all(|ids| ids.len() >= 5), "{expected:?}");
    eventually("every event", LATER, || {
        let taken = receiver.taken();
        let of = |room: &String| -> BTreeSet<String> {
            taken.get(room).into_iter().flatten().map(id).collect()
        };
        let missing = expected.iter().find(|(room, ids)| of(room) != **ids);
        missing.map_or(Ok(()), |(room, ids)| Err(format!("{room}: {:?} of {ids:?}", of(room))))
    });
    let told = receiver.taken().into_values().flatten().find(|event| event["type"] == "lost");
    assert_eq!(told, None, "nothing was lost");
    // What is settled is noted, by the shard that has taken over.
    eventually("the positions", LATER, || {
        let key = "dm:forward:{f}:positions";
        let noted = cmd!(cluster.wire_to(key), "HGETALL", key).texts();
        let noted: BTreeSet<&[String]> = noted.chunks(2).collect();
        let last = |ids: &BTreeSet<String>| ids.iter().max_by_key(|id| number(id)).cloned();
        let is_noted = |(room, ids): (&String, &BTreeSet<String>)| {
            noted.contains(&[room.clone(), last(ids).unwrap_or_default()][..])
        };
        if expected.iter().all(is_noted) { Ok(()) } else { Err(format!("{noted:?}")) }
    });
    running.stop();
}

/// The number in an id.
fn number(id: &str) -> u64 {
    id.split('-').next_back().and_then(|n| n.parse().ok()).expect("an id")
}
