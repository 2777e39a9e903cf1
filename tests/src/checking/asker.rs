//! A user who asks for everything else than sends: whether any operation is refused meanwhile.

use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use crate::checking::effects::Refusals;
use crate::checking::relays::Relays;
use crate::clients::client::Client;
use crate::wait::eventually;

/// A user who has joined all rooms.
pub(super) struct Asker {
    client: Client,
    rooms: Vec<String>,
    random: SmallRng,
    /// For each answer.
    deadline: Duration,
    pub(super) answers: usize,
    pub(super) refusals: Refusals,
    /// Frames examined for rooms that it must ask for again.
    examined: usize,
}

impl Asker {
    /// Joins all rooms through one of these relays.
    #[track_caller]
    pub(super) fn join(
        user: &str,
        rooms: &[String],
        relays: &Relays,
        mut random: SmallRng,
        deadline: Duration,
    ) -> Asker {
        let client = Client::connect(relays.any(&mut random).expect("a relay"), user);
        for room in rooms {
            client.ok(json!({"op": "join", "room": room}));
        }
        let (rooms, refusals) = (rooms.to_vec(), Refusals::default());
        Asker { client, rooms, random, deadline, answers: 0, refusals, examined: 0 }
    }

    /// Asks while `goes_on` says so.
    ///
    /// # Panics
    /// If an operation fails otherwise than with `UNAVAILABLE`, or is not answered.
    #[track_caller]
    pub(super) fn ask(&mut self, goes_on: impl Fn() -> bool) {
        while goes_on() {
            let op = operation(&self.rooms, &mut self.random);
            let asked = self.client.ask(op.clone());
            let begun = Instant::now();
            let answer = eventually(&format!("an answer to {op}"), self.deadline, || {
                self.client.reply(asked).ok_or_else(|| self.client.arrived())
            });
            self.answers += 1;
            let refused = match answer {
                Err(error) => {
                    assert_eq!(error["code"], "UNAVAILABLE", "{op}: {error}");
                    error.to_string()
                }
                // Perhaps of some rooms among several.
                Ok(ok) => refused_rooms(&ok),
            };
            if !refused.is_empty() {
                let (user, after) = (&self.client.user, begun.elapsed());
                let op = op.to_string().chars().take(80).collect::<String>();
                self.refusals.0.push(format!("{op} by {user}, after {after:.3?}: {refused}"));
            }
        }
    }
}

impl Asker {
    /// Asks again for the rooms that it does not receive any more: a join that had no answer, because a
    /// primary died, may end so.
    pub(super) fn come_back(&mut self) {
        for frame in self.client.frames_from(self.examined) {
            if frame.json["type"] == "gone" {
                assert_eq!(frame.json["code"], "UNAVAILABLE", "{}", frame.text);
                let subscribe = json!({"op": "subscribe", "room": frame.json["room"]});
                if self.client.call(subscribe).is_err() {
                    return;
                }
            }
            self.examined += 1;
        }
    }
}

/// The rooms of a reply that could not be asked.
fn refused_rooms(ok: &Value) -> String {
    let rooms = ok["rooms"].as_object().into_iter().flatten();
    let refused = rooms.filter(|(_, room)| room["error"]["code"] == "UNAVAILABLE");
    let names: Vec<&str> = refused.map(|(name, _)| name.as_str()).collect();
    let listed = ok["rooms"].as_array().into_iter().flatten();
    let listed = listed.filter(|room| room["error"]["code"] == "UNAVAILABLE");
    let listed = listed.filter_map(|room| room["room"].as_str());
    names.into_iter().chain(listed).collect::<Vec<_>>().join(" ")
}

fn operation(rooms: &[String], random: &mut SmallRng) -> Value {
    let room = rooms.choose(random).expect("a room");
    match random.random_range(0..11) {
        0 => json!({"op": "history", "room": room, "count": 20}),
        1 => json!({"op": "who", "room": room}),
        2 => json!({"op": "members", "room": room}),
        3 => json!({"op": "online", "rooms": rooms}),
        4 => json!({"op": "unread", "rooms": rooms}),
        5 => json!({"op": "inbox"}),
        6 => json!({"op": "signal", "room": room, "name": "typing"}),
        7 => json!({"op": "join", "room": room}),
        8 => json!({"op": "subscribe", "room": room}),
        9 => json!({"op": "room", "room": room}),
        _ => json!({"op": "rooms", "count": 50}),
    }
}
