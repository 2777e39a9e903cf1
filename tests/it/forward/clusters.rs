//! The rooms of a cluster, while slots move and a replica takes over.

use std::collections::{BTreeMap, BTreeSet};

use chat_tests::checking::view::Event;
use chat_tests::clients::cluster_wire::ClusterWire;
use chat_tests::servers::cluster::slots::slot;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::forwarder::Forwarder;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::SOON;

use super::stage::{await_all, to};

#[test]
fn the_rooms_of_a_cluster_are_forwarded_once_while_slots_move() {
    let shape = Shape { primaries: 2, replicas: 1, ..Shape::default() };
    let (cluster, sink) = (Cluster::with(&shape), Redis::start());
    let (code, said) = Forwarder::create(&cluster.url(), &to(&sink), &["--from", "beginning"]);
    assert_eq!(code, Some(0), "{said}");
    let _forwarder = Forwarder::run(&cluster.url(), &to(&sink), &[]);
    let rooms = cluster.rooms("room", 8);
    let mut client = ClusterWire::new(&[cluster.address(0), cluster.address(1)]);
    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    let mut talk = |client: &mut ClusterWire, times: usize| {
        for _ in 0..times {
            for room in &rooms {
                let command = ["CHAT.SEND", room, "alice", "hello"];
                assert!(!client.call(room, &command, SOON).is_error());
                *sent.entry(room.clone()).or_default() += 1;
            }
        }
    };
    talk(&mut client, 3);
    let slots: BTreeSet<u16> = cluster.slots_of(0);
    let moved: Vec<u16> =
        rooms.iter().map(|room| slot(room)).filter(|slot| slots.contains(slot)).collect();
    cluster.move_slots(&moved[..moved.len() / 2], 0, 1);
    talk(&mut client, 3);
    cluster.agree();
    cluster.fail_over(1);
    talk(&mut client, 3);
    let mut expected = BTreeMap::new();
    for room in &rooms {
        let reply = client.call(room, &["CHAT.SYNC", room, "0-0"], SOON);
        let events: Vec<String> = reply.list()[2]
            .list()
            .iter()
            .map(|event| Event::read(event.text()).id().to_owned())
            .collect();
        assert_eq!(events.len(), sent[room], "{room}");
        expected.insert(room.clone(), events);
    }
    await_all(&mut sink.wire(), &expected, "all events of the cluster");
}
