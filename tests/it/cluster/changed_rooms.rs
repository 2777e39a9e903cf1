//! A reader of all events (CHAT.CHANGES) while rooms move between the nodes and a replica takes over.
//! Plain clients, no relay.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use chat_tests::checking::change_reader::ChangeReader;
use chat_tests::clients::cluster_wire::ClusterWire;
use chat_tests::servers::cluster::Cluster;
use chat_tests::servers::cluster::moves::Move;
use chat_tests::servers::cluster::slots::{names, slot};
use chat_tests::servers::server::Server;
use chat_tests::wait::{SOON, eventually};

use super::atomic_moves::{await_state, begin_up_to};
use super::moved_rooms::SMALL;

/// A cluster, rooms that move, and what was sent to them.
struct Scene {
    cluster: Cluster,
    rooms: Vec<String>,
    client: ClusterWire,
    reader: ChangeReader,
    sent: BTreeMap<String, BTreeSet<String>>,
}

impl Scene {
    fn new(rooms: Vec<String>) -> Scene {
        let cluster = Cluster::with(&SMALL);
        let seeds = [cluster.address(0), cluster.address(1)];
        let client = ClusterWire::new(&seeds);
        let reader = ChangeReader::new(&seeds, 5);
        Scene { cluster, rooms, client, reader, sent: BTreeMap::new() }
    }

    /// One message to every second room, from this one on.
    fn send(&mut self, from: usize) {
        for room in self.rooms.iter().skip(from).step_by(2) {
            let reply = self.client.call(room, &["CHAT.SEND", room, "alice", "hello"], SOON);
            self.sent.entry(room.clone()).or_default().insert(reply.ok().text().to_owned());
        }
    }

    fn look_at(&mut self, node: usize) {
        self.reader.walk(self.cluster.address(node), &mut BTreeSet::new());
    }

    /// Reads all changes, and checks that every event sent was received and nothing told as lost.
    #[track_caller]
    fn check(&mut self, what: &str, primaries: &[usize]) {
        let addresses: Vec<SocketAddr> =
            primaries.iter().map(|node| self.cluster.address(*node)).collect();
        // A node enters rooms that have come all at once by its timer.
        eventually(&format!("every event, {what}"), SOON, || {
            self.reader.read(&addresses);
            let received = |room: &String| self.reader.rooms.get(room).map(|known| &known.ids);
            let mut lacking = self.sent.iter().filter(|(room, ids)| received(room) != Some(*ids));
            match lacking.next() {
                None => Ok(()),
                Some((room, ids)) => Err(format!("{room}: {:?} of {ids:?}", received(room))),
            }
        });
        assert_eq!(self.reader.rooms.len(), self.sent.len(), "{what}");
        assert_eq!(self.reader.take_told(), BTreeSet::new(), "{what}");
    }
}

#[test]
fn rooms_that_move_between_two_looks_are_read_in_both_orders() {
    // Slots that moved a moment ago are not moved again: a node may hear late who owned them.
    let parts = [(0, 0..=60), (0, 100..=160), (1, 9_000..=9_060), (1, 9_100..=9_160)];
    let rooms = parts.clone().map(|(_, slots)| names("room", &slots.collect(), 4));
    let mut scene = Scene::new(rooms.concat());
    scene.send(0);
    scene.check("before", &[0, 1]);
    for (at, (from, _)) in parts.into_iter().enumerate() {
        let to = 1 - from;
        let slots: BTreeSet<u16> = rooms[at].iter().map(|room| slot(room)).collect();
        let slots: Vec<u16> = slots.into_iter().collect();
        let (first, second) = if at % 2 == 0 { (from, to) } else { (to, from) };
        let what = format!("from {from} to {to}, looking at {first} and then at {second}");
        scene.send(0);
        scene.look_at(first);
        scene.send(1);
        let mut moving = Move::begin(&scene.cluster, &slots, from, to);
        moving.migrate();
        scene.send(0);
        // In the middle: the keys are there, the slots are here.
        scene.check(&format!("{what}, in the middle"), &[first, second]);
        scene.send(1);
        scene.look_at(first);
        moving.finish();
        scene.look_at(second);
        scene.send(0);
        scene.check(&what, &[first, second]);
    }
    scene.send(0);
    scene.cluster.agree();
    let promoted = scene.cluster.fail_over(0);
    scene.send(1);
    scene.check("a planned failover", &[promoted, 1]);
    let room = scene.rooms[0].clone();
    scene.client.call(&room, &["DEL", &room], SOON).ok();
    scene.reader.read(&[promoted, 1].map(|node| scene.cluster.address(node)));
    assert!(!scene.reader.rooms.contains_key(&room));
    assert_eq!(scene.reader.take_told(), BTreeSet::from([room]));
}

#[test]
fn rooms_that_move_at_once_are_listed_when_their_slots_have_come() {
    const LAST_SLOT: u16 = 2_000;
    let mut scene = Scene::new(names("room", &(0..=LAST_SLOT).collect(), 12));
    if !Server::of(scene.cluster.node(0)).moves_slots_at_once() {
        return;
    }
    scene.send(0);
    scene.send(1);
    scene.check("before", &[0, 1]);
    for (from, to) in [(0, 1), (1, 0)] {
        scene.send(0);
        scene.look_at(from);
        scene.look_at(to);
        begin_up_to(LAST_SLOT, &scene.cluster, from, to, 0);
        scene.send(1);
        await_state(&scene.cluster, from, "success");
        await_state(&scene.cluster, to, "success");
        scene.look_at(from);
        scene.send(0);
        scene.check(&format!("from {from} to {to}"), &[from, to]);
        scene.cluster.agree();
    }
}
