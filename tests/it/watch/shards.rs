//! The rooms of a cluster, while slots move and a replica takes over.

use std::collections::{BTreeMap, BTreeSet};

use chat_tests::clients::client::Client;
use chat_tests::clients::cluster_wire::ClusterWire;
use chat_tests::servers::cluster::slots::slot;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON, eventually};

use super::{ids, watch};

#[test]
fn the_rooms_of_a_cluster_are_watched_while_slots_move() {
    let shape = Shape { primaries: 2, replicas: 1, ..Shape::default() };
    let cluster = Cluster::with(&shape);
    let relay = Relay::with("r1", &cluster.url(), &[]);
    relay.wait_ready();
    let rooms = cluster.rooms("room", 8);
    let mut client = ClusterWire::new(&[cluster.address(0), cluster.address(1)]);
    let mut sent: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut talk = |client: &mut ClusterWire| {
        for room in &rooms {
            let reply = client.call(room, &["CHAT.SEND", room, "alice", "hello"], SOON);
            sent.entry(room.clone()).or_default().push(reply.ok().text().to_owned());
        }
        sent.clone()
    };
    let before = talk(&mut client);
    let alice = relay.connect("alice");
    watch(&alice, "room*");
    let check = |what: &str, sent: &BTreeMap<String, Vec<String>>, alice: &Client| {
        for (room, sent) in sent {
            let expected = &sent[before[room].len()..];
            eventually(&format!("{what}: {room}"), LATER, || {
                let found = ids(alice, room);
                if found == expected { Ok(()) } else { Err(format!("{found:?}, not {expected:?}")) }
            });
        }
    };
    check("at first", &talk(&mut client), &alice);
    let slots: BTreeSet<u16> = cluster.slots_of(0);
    let moved: Vec<u16> =
        rooms.iter().map(|room| slot(room)).filter(|slot| slots.contains(slot)).collect();
    cluster.move_slots(&moved[..moved.len() / 2], 0, 1);
    check("moved slots", &talk(&mut client), &alice);
    cluster.agree();
    cluster.fail_over(1);
    check("a planned failover", &talk(&mut client), &alice);
    let frames = alice.frames_from(0);
    assert!(frames.iter().all(|frame| frame.json["type"] != "watch"), "{}", alice.arrived());
}
