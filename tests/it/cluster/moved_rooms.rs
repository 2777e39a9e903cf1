//! A slot moves key by key (MIGRATE): what the nodes publish, and what the rooms keep. Plain
//! clients, no relay.

use std::collections::BTreeSet;

use chat_tests::checking::people::{events_of, leaves};
use chat_tests::checking::subscriber::Subscriber;
use chat_tests::checking::view::sync;
use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::cluster::moves::Move;
use chat_tests::servers::cluster::slots::slot;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::wait::{SOON, eventually};

/// Two primaries with a replica each, whose grace of presence is short.
pub(super) const SMALL: Shape<'_> = Shape {
    primaries: 2,
    replicas: 1,
    settings: &["chat.presence-grace 2000"],
    has_proxies: false,
};

/// How often a node has published.
pub(super) fn publishes(cluster: &Cluster, node: usize) -> u64 {
    cluster.node(node).info("chat", "chat_publishes").parse().expect("a number")
}

/// The rooms that CHAT.ROOMS lists at all these nodes, with repetitions.
pub(super) fn listed(cluster: &Cluster, nodes: &[usize]) -> Vec<String> {
    let page = |node: &usize| {
        let reply = cmd!(cluster.node(*node), "CHAT.ROOMS", "COUNT", 1000).ok();
        let rows = reply.list()[1].list().to_vec();
        rows.into_iter().map(|row| row.list()[0].text().to_owned())
    };
    let mut rooms: Vec<String> = nodes.iter().flat_map(page).collect();
    rooms.sort();
    rooms
}

/// A message with a nonce, a muted member, a connection that is beaten and one that is not.
pub(super) fn fill(wire: &mut Wire, room: &str) {
    cmd!(wire, "CHAT.SEND", room, "alice", "first", "NONCE", "n1").ok();
    cmd!(wire, "CHAT.JOIN", room, "bob").ok();
    cmd!(wire, "CHAT.MOD", room, "*", "MUTE", "bob").ok();
    cmd!(wire, "CHAT.PRESENCE", room, "alice", "beaten", "TTL", 60_000).ok();
    cmd!(wire, "CHAT.PRESENCE", room, "ghost", "unbeaten", "TTL", 1_000).ok();
}

/// Checks what [`fill`] made. `users` are online.
pub(super) fn check(wire: &mut Wire, room: &str, first: &str, users: i64) {
    let repeated = cmd!(wire, "CHAT.SEND", room, "alice", "first", "NONCE", "n1");
    assert_eq!(repeated.text(), first, "{room}: the same nonce");
    let other = cmd!(wire, "CHAT.SEND", room, "alice", "second", "NONCE", "n1");
    assert!(other.error().starts_with("INVALID nonce"), "{room}: {other:?}");
    let muted = cmd!(wire, "CHAT.SEND", room, "bob", "hi");
    assert!(muted.error().starts_with("MUTED"), "{room}: {muted:?}");
    assert_eq!(cmd!(wire, "CHAT.ONLINE", room).list()[0].int(), users, "{room}");
    let unknown = cmd!(wire, "CHAT.BEAT", room, 60_000, "beaten").ok();
    assert_eq!(unknown.list()[1].list(), [], "{room}: connections that the node does not know");
}

/// The id of the first message.
pub(super) fn first_id(wire: &mut Wire, room: &str) -> String {
    cmd!(wire, "CHAT.SEND", room, "alice", "first", "NONCE", "n1").text().to_owned()
}

#[test]
fn a_room_that_moves_is_never_told_as_deleted_and_keeps_everything() {
    let cluster = Cluster::with(&SMALL);
    let rooms = cluster.rooms_of(0, "room", 12);
    let mut source = cluster.node(0).wire();
    rooms.iter().for_each(|room| fill(&mut source, room));
    let first: Vec<String> = rooms.iter().map(|room| first_id(&mut source, room)).collect();
    let names: Vec<&str> = rooms.iter().map(String::as_str).collect();
    // A server closes the connection's subscriptions one by one when their slots have gone.
    let heard: Vec<Subscriber> =
        names.iter().map(|room| Subscriber::new(cluster.node(0), &[room])).collect();

    let slots: BTreeSet<u16> = rooms.iter().map(|room| slot(room)).collect();
    let slots: Vec<u16> = slots.into_iter().collect();
    let mut moving = Move::begin(&cluster, &slots, 0, 1);
    moving.migrate();
    for (room, channel) in names.iter().zip(&heard) {
        let moved = eventually("the event moved", SOON, || {
            events_of(channel, room, "moved").pop().ok_or_else(|| format!("{:?}", channel.all()))
        });
        let keys: Vec<&String> = moved.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["last", "room", "ts", "type"], "{moved}");
        let asked = cmd!(source, "CHAT.SEND", room, "carol", "to the old node");
        assert!(asked.error().starts_with("ASK "), "{asked:?}");
    }
    moving.finish();
    cluster.agree();
    let mut target = cluster.node(1).wire();
    // The ghost's grace is over at the earliest 2 s after its room has arrived.
    let after: Vec<Subscriber> =
        names.iter().map(|room| Subscriber::new(cluster.node(1), &[room])).collect();
    for (room, first) in names.iter().zip(&first) {
        eventually("the end of the ghost", SOON, || {
            match cmd!(target, "CHAT.ONLINE", *room).list()[0].int() {
                1 => Ok(()),
                online => Err(format!("{online} online in {room}")),
            }
        });
        check(&mut target, room, first, 1);
    }
    for ((room, before), after) in names.iter().zip(&heard).zip(&after) {
        assert_eq!(events_of(before, room, "moved").len(), 1, "{room}: {:?}", before.all());
        let all: Vec<_> = before.all().into_iter().chain(after.all()).collect();
        assert!(all.iter().all(|(_, text)| !text.contains(r#""drop""#)), "{room}: {all:?}");
        // A reply may overtake the event of what it tells.
        let ends = eventually("the event of the ghost's end", SOON, || {
            match leaves(before, room).len() + leaves(after, room).len() {
                0 => Err(format!("{room}: {all:?}")),
                ends => Ok(ends),
            }
        });
        assert_eq!(ends, 1, "{room}: one end of the ghost: {all:?}");
    }
    let mut expected: Vec<String> = rooms.clone();
    expected.sort();
    assert_eq!(listed(&cluster, &[0, 1]), expected, "each room is listed once");
    assert_eq!(listed(&cluster, &[0]), [""; 0], "and not where it was");
    cluster.assert_equal_digests();
}

/// The last words of a node about a room: what a reader gets who asks for what followed.
fn sync_of(wire: &mut Wire, room: &str, cursor: &str, asking: bool) -> Reply {
    if asking {
        cmd!(wire, "ASKING").ok();
    }
    cmd!(wire, "CHAT.SYNC", room, cursor)
}

#[test]
fn a_deletion_is_told_as_such_or_found_by_the_sync_that_follows_a_move() {
    let cluster = Cluster::with(&SMALL);
    let rooms = cluster.rooms_of(0, "room", 4);
    let [before, during, moved, after] = &rooms[..] else { panic!("four rooms") };
    let mut source = cluster.node(0).wire();
    let mut target = cluster.node(1).wire();
    for room in &rooms {
        cmd!(source, "CHAT.SEND", room, "alice", "hello").ok();
    }
    let channel = |node: usize, room: &str| Subscriber::new(cluster.node(node), &[room]);

    let mut heard = channel(0, before);
    cmd!(source, "DEL", before).ok();
    let drop = heard.next_of("drop");
    assert_eq!((&drop["reason"], &drop["room"]), (&"deleted".into(), &before.as_str().into()));

    // The slot is moving, the key is not.
    let mut heard = channel(0, during);
    let cursor = cmd!(source, "CHAT.SEND", during, "alice", "last words").text().to_owned();
    let moving = Move::begin(&cluster, &[slot(during)], 0, 1);
    cmd!(source, "DEL", during).ok();
    assert_eq!(heard.next_of("moved")["last"], cursor.as_str());
    let asked = sync_of(&mut source, during, &cursor, false);
    assert!(asked.error().starts_with("ASK "), "{asked:?}");
    let gone = sync_of(&mut target, during, &cursor, true).ok();
    assert_eq!(
        (gone.list()[0].int(), gone.list()[1].text()),
        (0, "0-0"),
        "it is found by the sync"
    );
    moving.finish();
    let again = cmd!(target, "CHAT.SEND", during, "alice", "a new room").text().to_owned();
    assert_ne!(again, cursor);
    assert!(!sync(&mut target, during, &cursor, &[]).recovered, "the new room begins clean");

    // The key has moved, the slot not yet: the target's clients hear of the deletion.
    let mut moving = Move::begin(&cluster, &[slot(moved)], 0, 1);
    moving.migrate();
    cmd!(target, "ASKING").ok();
    assert_eq!(cmd!(target, "DEL", moved).int(), 1);
    cmd!(target, "ASKING").ok();
    let gone = cmd!(target, "CHAT.SYNC", moved, "1-1").ok();
    assert_eq!(gone.list()[1].text(), "0-0");
    moving.finish();

    let mut moving = Move::begin(&cluster, &[slot(after)], 0, 1);
    moving.migrate();
    moving.finish();
    cluster.agree();
    let mut heard = channel(1, after);
    cmd!(target, "DEL", after).ok();
    assert_eq!(heard.next_of("drop")["reason"], "deleted");
    assert_eq!(listed(&cluster, &[0, 1]), [during.as_str()]);
    cluster.assert_equal_digests();
}
