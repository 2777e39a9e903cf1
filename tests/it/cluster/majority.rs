//! Two of five primaries are lost, which have no replicas: what the rest serves, with and without
//! `cluster-require-full-coverage`.

use std::time::{Duration, Instant};

use chat_tests::clients::client::Client;
use chat_tests::seed::is_long_run;
use chat_tests::servers::cluster::Shape;
use chat_tests::servers::cluster::slots::slot;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use serde_json::json;

use super::reaching::{await_ghosts, await_readiness};
use super::stage::{GRACE, Stage};

/// The promise for a send to a shard that serves.
const SLOWEST: Duration = Duration::from_secs(1);

/// Asks to send to each of these rooms; returns what was asked.
fn ask_to_send(client: &Client, rooms: &[String]) -> Vec<u64> {
    let send = |room| json!({"op": "send", "room": room, "text": "while lost", "nonce": "lost"});
    rooms.iter().map(|room| client.ask(send(room))).collect()
}

/// Waits until reading this room is refused.
fn await_refusal(client: &Client, room: &str) {
    eventually(&format!("a refusal for {room}"), LATER, || {
        match client.call(json!({"op": "history", "room": room, "count": 1})) {
            Err(error) if error["code"] == "UNAVAILABLE" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

/// Sends to these rooms and reads them for some seconds, none of which takes long.
fn serve(client: &Client, rooms: &[String]) {
    let end = Instant::now() + Duration::from_secs(3);
    for (n, room) in rooms.iter().cycle().enumerate() {
        if Instant::now() > end {
            return;
        }
        let begun = Instant::now();
        client.ok(json!({"op": "send", "room": room, "text": format!("meanwhile {n}")}));
        client.ok(json!({"op": "history", "room": room, "count": 1}));
        assert!(begun.elapsed() < SLOWEST, "{room}: {:?}", begun.elapsed());
    }
}

/// Loses the first two of five primaries under load, and brings them back.
#[track_caller]
fn two_are_lost(coverage: &str, do_others_serve: bool) {
    let coverage = format!("cluster-require-full-coverage {coverage}");
    let settings = [GRACE, &coverage];
    let shape = Shape { primaries: 5, replicas: 0, settings: &settings, ..Shape::default() };
    let mut stage = Stage::of(&shape, 4);
    stage.keep_users_away_from(&[0, 1]);
    let relays: Vec<_> = stage.relays.iter().map(Relay::address).collect();
    let mut elsewhere = Vec::new();
    let effects = stage.under_load("two primaries", |progress, cluster, rooms| {
        await_ghosts(cluster, rooms);
        let owned = &cluster.slots_of(0) | &cluster.slots_of(1);
        let (lost, others): (Vec<_>, Vec<_>) =
            rooms.iter().cloned().partition(|room| owned.contains(&slot(room)));
        elsewhere = others;
        // A user whose own room is not there either.
        let mut users = (0..).map(|n| format!("traveller{n}"));
        let user = users.find(|user| !owned.contains(&slot(&format!("@{user}"))));
        let client = Client::connect(relays[0], &user.expect("there are many names"));
        // Rooms of which the checker knows nothing.
        let unheard = [0, 1].map(|node| cluster.rooms_of(node, "lost", 2)).concat();
        let served = cluster.rooms_of(2, "served", 4);
        for node in [0, 1] {
            cluster.kill(node);
        }
        let asked = ask_to_send(&client, &unheard);
        await_refusal(&client, &lost[0]);
        if do_others_serve {
            serve(&client, &served);
            await_readiness(&relays, 200);
        } else {
            await_refusal(&client, &elsewhere[0]);
            await_readiness(&relays, 503);
        }
        for node in [0, 1] {
            cluster.restart(node);
        }
        cluster.agree();
        for reference in asked {
            let answer = eventually("an acknowledgement", LATER, || {
                client.reply(reference).ok_or_else(|| client.arrived())
            });
            answer.expect("accepted");
        }
        await_readiness(&relays, 200);
        progress.wait_for_more(50);
    });
    assert_eq!((effects.reloads, effects.drops, effects.lost), (0, 0, 0), "{effects:?}");
    if do_others_serve {
        let is_elsewhere = |room: &str| elsewhere.iter().any(|other| other == room);
        assert!(effects.slowest.of(is_elsewhere) < SLOWEST, "{effects:?}");
    }
}

#[test]
fn a_majority_without_full_coverage_serves_its_own_rooms() {
    if is_long_run() {
        two_are_lost("no", true);
    }
}

#[test]
fn a_majority_that_requires_full_coverage_waits_for_all() {
    if is_long_run() {
        two_are_lost("yes", false);
    }
}
