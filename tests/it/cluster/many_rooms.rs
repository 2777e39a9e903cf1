//! A thousand rooms of one relay are back soon after the primary of a third of them was killed.

use std::time::{Duration, Instant};

use chat_tests::clients::client::Client;
use chat_tests::servers::cluster::slots::slot;
use chat_tests::wait::{LATER, eventually};
use serde_json::json;

use super::stage::Stage;

/// The promise for all rooms to be back after a promotion.
const BACK: Duration = Duration::from_secs(1);

/// Asks each of these clients to send to its share of the rooms; returns what was asked.
fn send_to_all(clients: &[Client], rooms: &[String], text: &str) -> Vec<(usize, u64)> {
    let shares = rooms.iter().enumerate().map(|(n, room)| (n % clients.len(), room));
    let ask = |(n, room): (usize, &String)| {
        let op = json!({"op": "send", "room": room, "text": text, "nonce": "once"});
        (n, clients[n].ask(op))
    };
    shares.map(ask).collect()
}

#[test]
fn a_thousand_rooms_are_back_within_a_second_of_the_promotion() {
    let mut stage = Stage::with(334, &[]);
    let Stage { cluster, relays, rooms, .. } = &mut stage;
    // A connection may have 500 rooms, and 64 sends waiting.
    let listeners: Vec<Client> =
        (0..4).map(|n| relays[0].connect(&format!("listener{n}"))).collect();
    let asked: Vec<(usize, u64)> = rooms
        .iter()
        .enumerate()
        .map(|(n, room)| (n % 4, listeners[n % 4].ask(json!({"op": "join", "room": room}))))
        .collect();
    for (listener, reference) in asked {
        let listener = &listeners[listener];
        let answer = eventually("a join", LATER, || {
            listener.reply(reference).ok_or_else(|| listener.arrived())
        });
        answer.expect("accepted");
    }
    let here: Vec<String> = cluster.rooms_of(0, "room", 334);
    let speakers: Vec<Client> = (0..8).map(|n| relays[1].connect(&format!("speaker{n}"))).collect();
    cluster.kill(0);
    let asked = send_to_all(&speakers, &here, "while away");
    cluster.await_other_owner(slot(&here[0]), 0);
    let promoted = Instant::now();
    let mut ids = Vec::new();
    for (speaker, reference) in asked {
        let speaker = &speakers[speaker];
        let answer = eventually("an acknowledgement", LATER, || {
            speaker.reply(reference).ok_or_else(|| speaker.arrived())
        });
        ids.push(answer.expect("accepted")["id"].as_str().expect("an id").to_owned());
    }
    let sent = promoted.elapsed();
    for (room, id) in here.iter().zip(&ids) {
        eventually(&format!("the message of {room}"), LATER, || {
            let events = listeners.iter().flat_map(|listener| listener.events(room));
            let ids: Vec<_> =
                events.filter_map(|e| e.json["id"].as_str().map(str::to_owned)).collect();
            if ids == [id.as_str()] { Ok(()) } else { Err(format!("{ids:?}, not {id}")) }
        });
    }
    let heard = promoted.elapsed();
    println!("after the promotion all sent within {sent:.3?}, all heard within {heard:.3?}");
    assert!(heard < BACK, "promised {BACK:?} after the promotion: sent {sent:?}, heard {heard:?}");
}
