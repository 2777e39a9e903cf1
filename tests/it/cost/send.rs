//! What a send costs the relay of its sender.

use chat_tests::clients::client::Client;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use serde_json::json;

use super::callgrind::{self, Counted};

const ROOMS: usize = 10;
const IN_ROOM: usize = 10;
const WARM_UP: usize = 40;
const MESSAGES: usize = 245;

/// The most per send, of a relay on which half of the room receives it.
const INSTRUCTIONS: f64 = 30_000.0;
const ALLOCATIONS: f64 = 12.0;
/// Another C library and another processor may need a little more.
const TOLERANCE: f64 = 1.1;

/// Rooms of ten clients, every second one on the counted relay. Each message is sent when all have
/// received the one before it.
struct Rooms(Vec<Vec<Client>>);

impl Rooms {
    fn connect(relays: [&Relay; 2]) -> Rooms {
        let client = |room: usize, number: usize| {
            let client = relays[number % 2].connect(&format!("u{room}x{number}"));
            client.ok(json!({"op": "join", "room": format!("room-{room}")}));
            client
        };
        Rooms(
            (0..ROOMS)
                .map(|room| (0..IN_ROOM).map(|number| client(room, number)).collect())
                .collect(),
        )
    }

    fn send(&self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            let clients = &self.0[number % ROOMS];
            let (room, text) = (format!("room-{}", number % ROOMS), "x".repeat(64));
            let nonce = format!("n{number:07}");
            clients[0].ok(json!({"op": "send", "room": room, "text": text, "nonce": nonce}));
            for client in clients {
                let is_it = |event: &serde_json::Value| event["nonce"] == nonce;
                client.next_where(&room, "the message", is_it);
            }
        }
    }
}

#[test]
fn a_send_keeps_to_its_budget_of_instructions_and_allocations() {
    if let Some(why) = callgrind::missing() {
        assert!(std::env::var_os("CI").is_none(), "{why}");
        println!("SKIPPED: {why}");
        return;
    }
    let redis = Redis::with(&["chat.presence-announce 0"]);
    let mut counted = Counted::start(&redis);
    let other = Relay::start("other", &redis);
    let rooms = Rooms::connect([&counted.relay, &other]);
    rooms.send(0..WARM_UP);
    let counts = counted.count(|| rooms.send(WARM_UP..WARM_UP + MESSAGES));
    let per_send = |count: f64| count / MESSAGES as f64;
    let (instructions, allocations) = (per_send(counts.instructions), per_send(counts.allocations));
    println!("a send: {instructions:.0} instructions, {allocations:.1} allocations");
    // Fewer would mean that nothing was counted.
    assert!(instructions > INSTRUCTIONS / 10.0 && allocations > 1.0, "{counts:?}");
    assert!(instructions <= INSTRUCTIONS * TOLERANCE, "{instructions:.0} instructions per send");
    assert!(allocations <= ALLOCATIONS * TOLERANCE, "{allocations:.1} allocations per send");
}
