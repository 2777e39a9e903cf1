//! The rooms of a cluster, while slots move and a replica takes over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chat_tests::clients::client::Client;
use chat_tests::clients::cluster_wire::ClusterWire;
use chat_tests::cmd;
use chat_tests::servers::cluster::slots::slot;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::json;

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

#[test]
fn a_shard_that_is_away_holds_up_no_other() {
    let mut cluster = Cluster::with(&Shape { replicas: 0, ..Shape::default() });
    let [dead, living] = [0, 1].map(|node| cluster.rooms_of(node, "room", 1).remove(0));
    let alice = cluster.rooms_of(1, "@alice", 1).remove(0)[1..].to_owned();
    let relay = Relay::with("r1", &cluster.url_of(&[1]), &["--probe", "500ms"]);
    relay.wait_ready();
    let alice = relay.connect(&alice);
    watch(&alice, "room*");
    // Redis answers for the other slots while one primary is away.
    for node in 0..3 {
        cmd!(cluster.node(node), "CONFIG", "SET", "cluster-require-full-coverage", "no").ok();
    }
    let mut sent = Vec::new();
    let mut talk = |cluster: &Cluster, alice: &Client| {
        let begun = Instant::now();
        for _ in 0..10 {
            let reply = cmd!(cluster.node(1), "CHAT.SEND", &living, "bob", "hello");
            sent.push(reply.ok().text().to_owned());
            eventually("the event", SOON, || {
                if ids(alice, &living) == sent { Ok(()) } else { Err(alice.arrived()) }
            });
        }
        begun.elapsed()
    };
    let before = talk(&cluster, &alice);
    cmd!(cluster.node(0), "CHAT.SEND", &dead, "bob", "unread perhaps").ok();
    cluster.kill(0);
    eventually("the relay to notice", LATER, || match relay.get("/readyz") {
        (200, words) if words.contains("are away") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    // If each event waited for the dead shard, it would take ten times half a second more.
    let took = talk(&cluster, &alice);
    assert!(took < before + Duration::from_secs(4), "{took:?}, before {before:?}");
    assert_eq!(alice.refused(json!({"op": "watch", "match": "other*"})), "UNAVAILABLE");
    cluster.restart(0);
    relay.wait_for_answer(200, "ready\n");
    let back = cmd!(cluster.node(0), "CHAT.SEND", &dead, "bob", "back").text().to_owned();
    eventually("the shard that is back", LATER, || {
        if ids(&alice, &dead).contains(&back) { Ok(()) } else { Err(alice.arrived()) }
    });
    talk(&cluster, &alice);
}
