//! Slots move all at once (CLUSTER MIGRATESLOTS of Valkey 9): the new node has the rooms before it
//! owns them, and must not act on them. Plain clients, no relay.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chat_tests::checking::people::leaves;
use chat_tests::checking::subscriber::Subscriber;
use chat_tests::checking::view::history;
use chat_tests::clients::cluster_wire::ClusterWire;
use chat_tests::cmd;
use chat_tests::servers::cluster::slots::names;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::server::Server;
use chat_tests::wait::{LATER, SOON, eventually, never, until};

use super::moved_rooms::{SMALL, check, fill, first_id, listed, publishes};

/// The slots that move: a part of those of node 0.
const LAST_SLOT: u16 = 2_000;
/// Rooms in them.
const ROOMS: usize = 40;
/// Long messages in each of them.
const LONG: usize = 8;
/// The time for one message to each room.
const BETWEEN_ROUNDS: Duration = Duration::from_millis(10);
/// Microseconds by which each key delays a slow snapshot.
pub(super) const SLOW: u64 = 50_000;

/// A cluster, with rooms that [`fill`] has filled; `None`: the server has no such move.
fn scene(shape: &Shape<'_>) -> Option<(Cluster, Vec<String>)> {
    let cluster = Cluster::with(shape);
    if !Server::of(cluster.node(0)).moves_slots_at_once() {
        return None;
    }
    let rooms = names("room", &(0..=LAST_SLOT).collect(), ROOMS);
    let mut wire = cluster.node(0).wire();
    for room in &rooms {
        fill(&mut wire, room);
        // Without these all rooms would fit into the buffer of the snapshot, and arrive together.
        for _ in 0..LONG {
            cmd!(wire, "CHAT.SEND", room, "alice", "long ".repeat(600)).ok();
        }
    }
    Some((cluster, rooms))
}

/// Begins to move slots from 0 up to `last`. Each key delays the snapshot by `delay` microseconds.
pub(super) fn begin_up_to(last: u16, cluster: &Cluster, from: usize, to: usize, delay: u64) {
    for node in [from, to] {
        cmd!(cluster.node(node), "CONFIG", "SET", "rdb-key-save-delay", delay).ok();
    }
    let (node, to) = (cluster.node(from), cluster.id(to));
    cmd!(node, "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", 0, last, "NODE", to).ok();
}

fn begin(cluster: &Cluster, from: usize, to: usize, delay: u64) {
    begin_up_to(LAST_SLOT, cluster, from, to, delay);
}

/// The state of the newest move as a node sees it.
fn state(cluster: &Cluster, node: usize) -> String {
    let moves = cmd!(cluster.node(node), "CLUSTER", "GETSLOTMIGRATIONS").ok();
    let newest = moves.list().first().map(|one| one.get("state").expect("a state").text());
    newest.unwrap_or_default().to_owned()
}

pub(super) fn await_state(cluster: &Cluster, node: usize, wanted: &str) {
    eventually("the state of a move", LATER, || match state(cluster, node) {
        found if found == wanted => Ok(()),
        found => Err(format!("{found}, not {wanted}")),
    });
}

/// Waits until some rooms, and not all, have arrived at this node.
fn await_half(cluster: &Cluster, node: usize) {
    eventually("some rooms", LATER, || {
        let stats = cmd!(cluster.node(node), "INFO", "commandstats").text().to_owned();
        let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_chat.apply:calls="));
        let calls = line.and_then(|line| line.split(',').next()?.parse::<usize>().ok());
        match calls.unwrap_or(0) {
            0..5 => Err(format!("{calls:?}")),
            calls if calls < ROOMS => Ok(()),
            calls => panic!("{calls} rooms have arrived already"),
        }
    });
}

/// Checks that a node to which rooms only move shows nothing of them.
#[track_caller]
fn assert_silent(cluster: &Cluster, node: usize) {
    assert_eq!(listed(cluster, &[node]), [""; 0]);
    for field in ["chat_rooms", "chat_connections_online", "chat_publishes"] {
        assert_eq!(cluster.node(node).info("chat", field), "0", "{field}");
    }
}

fn subscribers(cluster: &Cluster, node: usize, rooms: &[String]) -> Vec<Subscriber> {
    rooms.iter().map(|room| Subscriber::new(cluster.node(node), &[room])).collect()
}

/// Waits for the one end of each ghost, among what all these subscribers heard.
#[track_caller]
fn await_ghosts(rooms: &[String], heard: &[&[Subscriber]]) {
    let count = |at: usize| -> usize {
        heard.iter().map(|subscribers| leaves(&subscribers[at], &rooms[at]).len()).sum()
    };
    eventually("the end of each ghost", SOON, || {
        let missing = (0..rooms.len()).filter(|at| count(*at) == 0).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} rooms without")) }
    });
    never("a second end of a ghost", Duration::from_millis(500), || {
        let twice: Vec<&String> =
            (0..rooms.len()).filter(|at| count(*at) > 1).map(|at| &rooms[at]).collect();
        if twice.is_empty() { Ok(()) } else { Err(format!("{twice:?}")) }
    });
    for subscribers in heard {
        for (room, subscriber) in rooms.iter().zip(*subscribers) {
            let all = subscriber.all();
            assert!(all.iter().all(|(_, text)| !text.contains(r#""drop""#)), "{room}: {all:?}");
        }
    }
}

fn sorted(rooms: &[String]) -> Vec<String> {
    rooms.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn rooms_move_at_once_with_their_presence_and_unseen_until_then() {
    let Some((cluster, rooms)) = scene(&SMALL) else { return };
    let first: Vec<String> = {
        let mut wire = cluster.node(0).wire();
        rooms.iter().map(|room| first_id(&mut wire, room)).collect()
    };
    let before = subscribers(&cluster, 0, &rooms);
    let seeds = [cluster.address(0), cluster.address(1)];
    let is_over = AtomicBool::new(false);
    let sent: Vec<Vec<String>> = std::thread::scope(|threads| {
        let sender = threads.spawn(|| {
            let (mut wire, mut sent) = (ClusterWire::new(&seeds), vec![Vec::new(); ROOMS]);
            let mut next = Instant::now();
            // One page of history shows all of a room.
            for n in 0..900 * ROOMS {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                if n % ROOMS == 0 {
                    until(next);
                    next += BETWEEN_ROUNDS;
                }
                let (room, nonce) = (&rooms[n % ROOMS], format!("s{n}"));
                let command = ["CHAT.SEND", room, "alice", &nonce, "NONCE", &nonce];
                let reply = wire.call(room, &command, SOON);
                sent[n % ROOMS].push(reply.text().to_owned());
            }
            sent
        });
        begin(&cluster, 0, 1, SLOW);
        await_half(&cluster, 1);
        assert_silent(&cluster, 1);
        let replica = cluster.replicas_of(1)[0];
        assert_eq!(cluster.node(replica).info("chat", "chat_rooms"), "0");
        eventually("the end of the move", LATER, || {
            // The target first: what moves between the two calls is in neither list.
            let both = listed(&cluster, &[1, 0]);
            assert_eq!(both.len(), both.iter().collect::<BTreeSet<_>>().len(), "{both:?}");
            match state(&cluster, 1) {
                state if state == "success" => Ok(()),
                state => Err(state),
            }
        });
        cluster.agree();
        is_over.store(true, Ordering::Relaxed);
        sender.join().expect("the sender ended")
    });
    let after = subscribers(&cluster, 1, &rooms);
    eventually("all rooms in the list", SOON, || match listed(&cluster, &[1, 0]) {
        rows if rows == sorted(&rooms) => Ok(()),
        rows => Err(format!("{rows:?}")),
    });
    await_ghosts(&rooms, &[&before, &after]);
    let mut wire = cluster.node(1).wire();
    for ((room, first), sent) in rooms.iter().zip(&first).zip(&sent) {
        check(&mut wire, room, first, 1);
        let page = history(&mut wire, room, &["COUNT", "1000"]);
        let stored: Vec<&str> = page.ids();
        assert_eq!(stored[1 + LONG..], *sent, "{room}: nothing lost, nothing twice");
    }
    assert_eq!(cluster.node(0).info("chat", "chat_rooms"), "0");
    cluster.assert_equal_digests();
}

#[test]
fn a_cancelled_move_leaves_no_trace() {
    let Some((cluster, rooms)) = scene(&SMALL) else { return };
    let heard = subscribers(&cluster, 0, &rooms);
    begin(&cluster, 0, 1, SLOW);
    await_half(&cluster, 1);
    cmd!(cluster.node(0), "CLUSTER", "CANCELSLOTMIGRATIONS").ok();
    await_state(&cluster, 0, "cancelled");
    await_ghosts(&rooms, &[&heard]);
    assert_silent(&cluster, 1);
    assert_eq!(listed(&cluster, &[0]), sorted(&rooms));
    cluster.assert_equal_digests();

    begin(&cluster, 0, 1, 0);
    await_state(&cluster, 1, "success");
    cluster.agree();
    eventually("all rooms in the list", SOON, || match listed(&cluster, &[1, 0]) {
        rows if rows == sorted(&rooms) => Ok(()),
        rows => Err(format!("{rows:?}")),
    });
    let mut wire = cluster.node(1).wire();
    for room in &rooms {
        let unknown = cmd!(wire, "CHAT.BEAT", room, 60_000, "beaten").ok();
        assert_eq!(unknown.list()[1].list(), [], "{room}");
        assert_eq!(cmd!(wire, "DEL", room).int(), 1);
    }
    assert_eq!(publishes(&cluster, 1), ROOMS as u64, "one drop for each room, and nothing before");
    cluster.assert_equal_digests();
}

#[test]
fn a_target_that_dies_half_way_leaves_the_rooms_where_they_are() {
    // Two primaries would be no majority without one of them.
    let shape = Shape { primaries: 3, replicas: 0, ..SMALL };
    let Some((mut cluster, rooms)) = scene(&shape) else { return };
    let heard = subscribers(&cluster, 0, &rooms);
    begin(&cluster, 0, 1, SLOW);
    await_half(&cluster, 1);
    cluster.kill(1);
    await_state(&cluster, 0, "failed");
    await_ghosts(&rooms, &[&heard]);
    assert_eq!(listed(&cluster, &[0]), sorted(&rooms));
    cluster.restart(1);
    cluster.agree();
    assert_silent(&cluster, 1);
    begin(&cluster, 0, 1, 0);
    await_state(&cluster, 1, "success");
    cluster.agree();
    let mut wire = cluster.node(1).wire();
    for room in &rooms {
        let unknown = cmd!(wire, "CHAT.BEAT", room, 60_000, "beaten").ok();
        assert_eq!(unknown.list()[1].list(), [], "{room}");
    }
    eventually("all rooms in the list", SOON, || match listed(&cluster, &[1, 0]) {
        rows if rows == sorted(&rooms) => Ok(()),
        rows => Err(format!("{rows:?}")),
    });
}
