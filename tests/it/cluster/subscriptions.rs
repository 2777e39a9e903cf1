//! No room stays deaf: subscriptions that end while others begin, and links that carry commands but
//! no messages.

use std::time::{Duration, Instant};

use chat_tests::args;
use chat_tests::checking::faults::relays;
use chat_tests::clients::client::Client;
use chat_tests::seed::is_long_run;
use chat_tests::servers::cluster::slots::slot;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::proxy::Network;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::json;

/// Rooms of one connection. It may have 500, its user's own room among them.
const ROOMS_OF_ONE: usize = 480;

/// A cluster with a proxy in front of each node, and one relay.
fn behind_proxies(replicas: usize) -> (Cluster, Relay) {
    let cluster = Cluster::with(&Shape { replicas, has_proxies: true, ..Shape::default() });
    let relay = relays(&cluster.url(), &["r1"]).remove(0);
    (cluster, relay)
}

/// Asks to join all these rooms; the answers are still to come.
fn ask_to_join(client: &Client, rooms: &[String]) -> Vec<u64> {
    rooms.iter().map(|room| client.ask(json!({"op": "join", "room": room}))).collect()
}

#[track_caller]
fn await_joins(client: &Client, asked: Vec<u64>) {
    for reference in asked {
        let answer = eventually("a join", LATER, || {
            client.reply(reference).ok_or_else(|| format!("unconfirmed: {}", client.arrived()))
        });
        answer.expect("accepted");
    }
}

/// The relay's number of channels that are not confirmed.
fn unconfirmed(relay: &Relay) -> f64 {
    relay.metric("chat_relay_channels_unconfirmed").unwrap_or(f64::NAN)
}

#[track_caller]
fn await_confirmed(relay: &Relay) {
    eventually("confirmed channels", LATER, || match unconfirmed(relay) {
        0.0 => Ok(()),
        count => Err(format!("{count} are not")),
    });
}

/// Says something in every room that no sync can bring, until it is heard. A subscription may just
/// be moving, at the server's wish: what is said meanwhile is lost, and clients get `reset`.
#[track_caller]
fn assert_heard(cluster: &Cluster, clients: &[(&Client, &[String])], text: &str) {
    let mut store = cluster.client();
    let mut say = |room: &String| {
        let said = args!["CHAT.SEND", room, "*", text, "EPHEMERAL"];
        store.call(room, &said, LATER).ok();
    };
    clients.iter().flat_map(|(_, rooms)| *rooms).for_each(&mut say);
    for (client, rooms) in clients {
        for room in *rooms {
            let mut said_at = Instant::now();
            eventually(&format!("{text} in {room}"), SOON, || {
                if client.events(room).iter().any(|event| event.json["text"] == text) {
                    return Ok(());
                }
                if said_at.elapsed() > Duration::from_secs(1) {
                    said_at = Instant::now();
                    say(room);
                }
                Err(format!("the room is deaf: {:?}", client.events(room).last()))
            });
        }
    }
}

/// The server ends subscriptions on its own while it confirms others. To a client that counts
/// replies the one looks like the other.
#[test]
fn no_room_is_deaf_after_subscriptions_end_among_requests_for_others() {
    let (cluster, relay) = behind_proxies(0);
    let old = cluster.rooms_of(0, "old", 150);
    let new = cluster.rooms_of(0, "new", 500);
    let [first, second, third] = ["first", "second", "third"].map(|user| relay.connect(user));
    await_joins(&first, ask_to_join(&first, &old));
    let mut slots: Vec<u16> = old.iter().map(|room| slot(room)).collect();
    slots.sort_unstable();
    slots.dedup();
    // So everything arrives at once.
    cluster.proxy(0).set_subscriptions(Some(Network::HoldReplies));
    let asked = std::thread::scope(|scope| {
        let moving = scope.spawn(|| cluster.move_slots(&slots, 0, 1));
        let asked = (ask_to_join(&second, &new[..250]), ask_to_join(&third, &new[250..]));
        moving.join().expect("moved");
        asked
    });
    cluster.proxy(0).set_subscriptions(None);
    await_joins(&second, asked.0);
    await_joins(&third, asked.1);
    await_confirmed(&relay);
    let rooms = [(&first, &old[..]), (&second, &new[..250]), (&third, &new[250..])];
    assert_heard(&cluster, &rooms, "after the move");
    cluster.move_slots(&slots, 1, 0);
    cluster.agree();
    await_confirmed(&relay);
    assert_heard(&cluster, &rooms, "after the way back");
    assert_eq!(relay.metric("chat_relay_defects_total").unwrap_or(0.0), 0.0);
    assert!(relay.metric("chat_relay_moved_rooms_total").unwrap_or(0.0) >= 150.0);
}

/// Publications do not arrive although commands are answered: only a probe can find that.
#[test]
fn a_link_that_carries_commands_but_no_messages_is_opened_anew() {
    let (cluster, relay) = behind_proxies(0);
    let here = cluster.rooms_of(0, "here", 3);
    let elsewhere = cluster.rooms_of(1, "elsewhere", 3);
    let reader = relay.connect("reader");
    let all = [&here[..], &elsewhere].concat();
    await_joins(&reader, ask_to_join(&reader, &all));
    cluster.proxy(0).set_subscriptions(Some(Network::Stall));
    let mut store = cluster.client();
    let mut say = |room: &str, text: &str| {
        let nonce = format!("{room}-{text}");
        let said = args!["CHAT.SEND", room, "*", text, "NONCE", nonce];
        store.call(room, &said, LATER).ok();
    };
    for room in &all {
        say(room, "one");
        say(room, "two");
    }
    eventually("a link that is given up", LATER, || match relay.metric("chat_relay_nodes_open") {
        Some(2.0) => Ok(()),
        open => Err(format!("{open:?} nodes are open")),
    });
    assert!(unconfirmed(&relay) >= 3.0, "its rooms are not confirmed");
    for room in &all {
        say(room, "three");
    }
    cluster.proxy(0).set_subscriptions(None);
    for room in &all {
        eventually(&format!("all messages of {room}"), LATER, || {
            let events = reader.events(room);
            let texts: Vec<_> =
                events.iter().filter_map(|event| event.json["text"].as_str()).collect();
            if texts == ["one", "two", "three"] { Ok(()) } else { Err(format!("{texts:?}")) }
        });
    }
    await_confirmed(&relay);
    assert_heard(&cluster, &[(&reader, &all)], "afterwards");
}

/// How many rooms one relay has when a third of them loses its node.
const MANY: usize = 10_000;
/// The promise for all of them to be confirmed and synced after the promotion.
const SYNCED: Duration = Duration::from_secs(2);

#[test]
fn ten_thousand_rooms_are_confirmed_within_two_seconds_of_a_promotion() {
    if !is_long_run() {
        println!("left out: set LONG=1 to run it");
        return;
    }
    let mut cluster = Cluster::start();
    let relay = relays(&cluster.url(), &["r1"]).remove(0);
    // Slots are shared equally, names are not: this node is to be the busiest.
    let mut rooms = cluster.rooms_of(0, "room", MANY - 2 * (MANY / 4));
    rooms.extend([1, 2].iter().flat_map(|node| cluster.rooms_of(*node, "room", MANY / 4)));
    let clients: Vec<(Client, &[String])> = rooms
        .chunks(ROOMS_OF_ONE)
        .enumerate()
        .map(|(n, rooms)| (relay.connect(&format!("reader{n}")), rooms))
        .collect();
    for (client, rooms) in &clients {
        await_joins(client, ask_to_join(client, rooms));
    }
    await_confirmed(&relay);
    let owned = cluster.slots_of(0);
    let lost = rooms.iter().filter(|room| owned.contains(&slot(room))).count();
    let syncs = || relay.metric("chat_relay_syncs_total").unwrap_or(0.0);
    let before = syncs();
    cluster.kill(0);
    cluster.await_other_owner(slot(&rooms[0]), 0);
    let promoted = Instant::now();
    eventually("channels of the promoted node", LATER, || match unconfirmed(&relay) {
        0.0 => Ok(()),
        count => Err(format!("{count} are unconfirmed after {:?}", promoted.elapsed())),
    });
    let confirmed = promoted.elapsed();
    eventually("syncs of its rooms", LATER, || match syncs() - before {
        count if count >= lost as f64 => Ok(()),
        count => Err(format!("{count} of {lost} after {:?}", promoted.elapsed())),
    });
    let synced = promoted.elapsed();
    println!(
        "{lost} of {MANY} rooms are confirmed {confirmed:.3?} after the promotion and synced after {synced:.3?}"
    );
    let clients: Vec<(&Client, &[String])> =
        clients.iter().map(|(client, rooms)| (client, *rooms)).collect();
    assert_heard(&cluster, &clients, "afterwards");
    assert!(synced < SYNCED, "promised {SYNCED:?} after the promotion: {confirmed:?}, {synced:?}");
}
