//! Relays reach only some nodes, or none.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chat_tests::clients::client::Client;
use chat_tests::clients::http::Http;
use chat_tests::port;
use chat_tests::seed::is_long_run;
use chat_tests::servers::cluster::slots::slot;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::proxy::Network;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use serde_json::json;

use super::stage::{GRACE, Stage};

/// The promise for a send to a shard that nothing has happened to.
const SLOWEST: Duration = Duration::from_secs(1);
/// A cluster in which one shard does not stop the others.
const PARTIAL: &str = "cluster-require-full-coverage no";

/// The nodes stand behind proxies, through which relays reach them and other nodes do not.
fn behind_proxies(rooms_of_each: usize) -> Stage {
    let shape = Shape { has_proxies: true, settings: &[GRACE], ..Shape::default() };
    Stage::of(&shape, rooms_of_each)
}

/// Waits until the ghosts of the rooms have ended: nobody who is cut off later misses that.
pub(super) fn await_ghosts(cluster: &Cluster, rooms: &[String]) {
    eventually("the ends of all ghosts", LATER, || match cluster.total("chat_presence_timeouts") {
        ended if ended >= rooms.len() as u64 => Ok(()),
        ended => Err(format!("{ended}")),
    });
}

/// Waits until `/readyz` of each of these relays answers with this status.
#[track_caller]
pub(super) fn await_readiness(relays: &[SocketAddr], status: u16) {
    for relay in relays {
        eventually(&format!("{status} from /readyz"), LATER, || {
            match Http::new(*relay).get("/readyz") {
                answer if answer.status == status => Ok(()),
                answer => Err(format!("{answer:?}")),
            }
        });
    }
}

/// Waits until a metric of the relay has this value.
#[track_caller]
fn await_metric(relay: &Relay, name: &str, value: f64, deadline: Duration) {
    eventually(&format!("{name} {value}"), deadline, || match relay.metric(name) {
        Some(found) if found == value => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn a_relay_that_is_cut_off_from_one_node_serves_the_rooms_of_the_others() {
    let mut stage = behind_proxies(4);
    stage.keep_users_away_from(&[0]);
    let relays: Vec<_> = stage.relays.iter().map(Relay::address).collect();
    let mut elsewhere = Vec::new();
    let effects = stage.under_load("one node", |progress, cluster, rooms| {
        await_ghosts(cluster, rooms);
        let owned = cluster.slots_of(0);
        let (here, others): (Vec<_>, Vec<_>) =
            rooms.iter().cloned().partition(|room| owned.contains(&slot(room)));
        elsewhere = others;
        // A user whose own room is not on the node either.
        let user = (0..).map(|n| format!("traveller{n}"));
        let user = user.into_iter().find(|user| !owned.contains(&slot(&format!("@{user}"))));
        let client = Client::connect(relays[0], &user.expect("there are many names"));
        cluster.proxy(0).set(Network::Drop);
        eventually("a refusal for a room of the node", LATER, || {
            match client.call(json!({"op": "history", "room": here[0], "count": 1})) {
                Err(error) if error["code"] == "UNAVAILABLE" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        await_readiness(&relays, 200);
        let end = Instant::now() + Duration::from_secs(3);
        for n in 0.. {
            if Instant::now() > end {
                break;
            }
            for room in cluster.rooms_of(1 + n % 2, "elsewhere", 2) {
                let begun = Instant::now();
                let text = format!("elsewhere {n}");
                client.ok(json!({"op": "send", "room": room, "text": text}));
                client.ok(json!({"op": "history", "room": room, "count": 1}));
                assert!(begun.elapsed() < SLOWEST, "{room}: {:?}", begun.elapsed());
            }
        }
        cluster.proxy(0).set(Network::Open);
        progress.wait_for_more(50);
    });
    let is_elsewhere = |room: &str| elsewhere.iter().any(|other| other == room);
    assert!(effects.slowest.of(is_elsewhere) < SLOWEST, "{effects:?}");
    assert_eq!((effects.reloads, effects.drops, effects.lost), (0, 0, 0), "{effects:?}");
    for relay in &stage.relays {
        await_metric(relay, "chat_relay_nodes_open", 3.0, LATER);
        await_metric(relay, "chat_relay_slots_unproven", 0.0, LATER);
    }
}

#[test]
fn relays_that_are_cut_off_from_all_nodes_keep_their_sockets() {
    if !is_long_run() {
        println!("left out: set LONG to run it");
        return;
    }
    let mut stage = behind_proxies(4);
    let relays: Vec<_> = stage.relays.iter().map(Relay::address).collect();
    let effects = stage.under_load("all nodes", |progress, cluster, rooms| {
        await_ghosts(cluster, rooms);
        for network in [Network::Drop, Network::Stall] {
            for node in cluster.running() {
                cluster.proxy(node).set(network);
            }
            await_readiness(&relays, 503);
            for node in cluster.running() {
                cluster.proxy(node).set(Network::Open);
            }
            await_readiness(&relays, 200);
            progress.wait_for_more(50);
        }
    });
    assert_eq!((effects.reloads, effects.drops, effects.lost), (0, 0, 0), "{effects:?}");
}

#[test]
fn a_relay_starts_with_one_of_its_seeds_and_waits_for_half_of_the_slots() {
    if !is_long_run() {
        println!("left out: set LONG to run it");
        return;
    }
    let mut cluster =
        Cluster::with(&Shape { replicas: 0, settings: &[PARTIAL], ..Shape::default() });
    let nobody = || format!("127.0.0.1:{}", port::free());
    let seeds = format!("redis://{},{},{}", nobody(), cluster.address(1), nobody());
    let relay = Relay::with("one-seed", &seeds, &[]);
    relay.wait_ready();
    await_metric(&relay, "chat_relay_nodes_open", 3.0, LATER);
    let client = relay.connect("alice");
    for room in cluster.rooms("room", 2) {
        client.ok(json!({"op": "send", "room": room, "text": "hello"}));
    }

    let rooms: Vec<String> =
        (0..3).map(|node| cluster.rooms_of(node, "later", 1).remove(0)).collect();
    for node in 0..3 {
        cluster.kill(node);
    }
    let relay = Relay::with("no-seed", &cluster.url(), &[]);
    await_readiness(&[relay.address()], 503);
    let client = relay.connect("bob");
    let asked: Vec<u64> = rooms
        .iter()
        .map(|room| client.ask(json!({"op": "send", "room": room, "text": "kept", "nonce": room})))
        .collect();
    cluster.restart(0);
    await_metric(&relay, "chat_relay_nodes_open", 1.0, LATER);
    await_readiness(&[relay.address()], 503);
    cluster.restart(1);
    relay.wait_ready();
    cluster.restart(2);
    for (room, reference) in rooms.iter().zip(asked) {
        let answer = eventually("a stored message", LATER, || {
            client.reply(reference).ok_or_else(|| client.arrived())
        });
        answer.expect("accepted");
        let history = client.ok(json!({"op": "history", "room": room}));
        let kept = history["events"].as_array().expect("events").iter();
        let kept = kept.filter(|event| event["text"] == "kept").count();
        assert_eq!(kept, 1, "{room}: {history}");
    }
}
