//! Slots move by hand, with a long time between the move of the keys and that of the slots.

use std::time::{Duration, Instant};

use chat_tests::clients::client::Client;
use chat_tests::servers::cluster::moves::Move;
use chat_tests::servers::cluster::slots::names;
use serde_json::json;

use super::stage::{Stage, assert_unnoticed, slots_with};

/// The promise for a send while slots move.
const SLOWEST: Duration = Duration::from_secs(1);

#[test]
fn slots_that_move_slowly_are_heard_of_meanwhile() {
    let mut stage = Stage::with(6, &[]);
    let addresses: Vec<_> = stage.relays.iter().map(|relay| relay.address()).collect();
    let (mut slowest_event, mut spoken) = (Duration::ZERO, 0);
    let effects = stage.under_load("slow reshard", |progress, cluster, rooms| {
        let slots = slots_with(cluster, 0, rooms, 100);
        let moving = slots.iter().copied().collect();
        let room = &names("window", &moving, 1)[0];
        let listener = Client::connect(addresses[0], "listener");
        let speaker = Client::connect(addresses[1], "speaker");
        listener.ok(json!({"op": "join", "room": room}));
        for (from, to) in [(0, 1), (1, 0)] {
            let mut moving = Move::begin(cluster, &slots, from, to);
            progress.wait_for_more(20);
            moving.migrate();
            // The window: the key has gone, the slot has not.
            let end = Instant::now() + Duration::from_secs(5);
            while Instant::now() < end {
                let begun = Instant::now();
                spoken += 1;
                let text = format!("in the window: {spoken}");
                let sent = speaker.ok(json!({"op": "send", "room": room, "text": text}));
                let what = "an event of the window";
                let is_it = |event: &serde_json::Value| event["id"] == sent["id"];
                listener.next_where(room, what, is_it);
                slowest_event = slowest_event.max(begun.elapsed());
            }
            moving.finish();
            progress.wait_for_more(20);
        }
    });
    assert_unnoticed(&effects, SLOWEST);
    println!("the slowest of {spoken} events in the window: {slowest_event:.3?}");
    assert!(slowest_event < Duration::from_secs(1), "promised within a second: {slowest_event:?}");
}
