//! A reader of many rooms by sockets that loses its connection and reconnects: the shortest form of a correct
//! client, with a record of everything it received.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::checking::relays::Relays;
use crate::checking::view::Event;
use crate::clients::client::Client;
use crate::clients::frames::Frame;
use crate::wait::eventually;

/// What a reader has received, by whatever connection, and how it goes on.
pub trait Received {
    /// Its user.
    fn name(&self) -> &str;
    /// Messages of a room since the reader's last reload.
    fn messages(&self, room: &str) -> Vec<Event>;
    /// The position after which [`Received::messages`] begin.
    fn from(&self, room: &str) -> Option<&str>;
    /// The log of a reader in a room, with times.
    fn story(&self, room: &str) -> String;
    /// How often it connected.
    fn connects(&self) -> usize;
    /// How often a room was reloaded.
    fn reloads(&self) -> usize;
    /// How often this room was reloaded.
    fn reloads_of(&self, room: &str) -> usize;
    /// Messages of a room that it received before its last reload.
    fn forgotten(&self, room: &str) -> Vec<Event>;
    /// How many events `drop` it received.
    fn drops(&self) -> usize;
    /// What was refused to it.
    fn refusals(&self) -> Vec<String>;
    /// Reads what has arrived, connected to some relay. Error: it is not connected.
    fn step(&mut self) -> Result<(), String>;
    /// Whether every room is live and at these cursors; a room that is not named, at any cursor.
    fn has(&self, goal: &HashMap<String, String>) -> Result<(), String>;

    /// Reads until it has this.
    fn catch_up_with(&mut self, goal: &HashMap<String, String>, deadline: Duration) {
        let what = format!("{} to have all", self.name());
        eventually(&what, deadline, || {
            self.step()?;
            self.has(goal)
        });
    }

    /// Reads until `stop` holds the last ids of the rooms, and then up to these.
    fn follow_until(&mut self, stop: &Mutex<Option<HashMap<String, String>>>, deadline: Duration) {
        let what = format!("{} to have all", self.name());
        eventually(&what, deadline * 2, || {
            self.step()?;
            let goal = stop.lock().unwrap_or_else(PoisonError::into_inner).clone();
            self.has(&goal.ok_or("the senders are not done")?)
        });
    }
}

/// A reader.
pub struct Reader {
    /// Its user.
    pub name: String,
    rooms: HashMap<String, Room>,
    relays: Relays,
    random: SmallRng,
    client: Option<Client>,
    /// Frames of the current connection that were read.
    read: usize,
    /// Requests that change a cursor, by `ref`: the room, or none for `resume`.
    asked: HashMap<u64, Option<String>>,
    started: Instant,
    /// How often it connected.
    pub connects: usize,
    /// How often a room was reloaded.
    pub reloads: usize,
    drops: usize,
    refusals: Vec<String>,
}

#[derive(Default)]
struct Room {
    /// Events since the last reload.
    events: Vec<Event>,
    /// Events before it.
    forgotten: Vec<Event>,
    reloads: usize,
    /// The position after which `events` begin.
    from: Option<String>,
    /// The last durable event, message or not.
    cursor: Option<String>,
    /// Live events count only after the reply that says after which event they continue.
    is_live: bool,
    log: Vec<String>,
}

impl Reader {
    /// A reader that is not connected yet.
    pub fn new(name: &str, rooms: &[String], relays: &Relays, random: SmallRng) -> Reader {
        Reader {
            name: name.into(),
            rooms: rooms.iter().map(|room| (room.clone(), Room::default())).collect(),
            relays: relays.clone(),
            random,
            client: None,
            read: 0,
            asked: HashMap::new(),
            started: Instant::now(),
            connects: 0,
            reloads: 0,
            drops: 0,
            refusals: Vec::new(),
        }
    }

    fn connect(&mut self) -> Result<(), String> {
        if let Some(client) = self.client.take() {
            self.note_all(&format!("lost the connection: {:?}", client.closed()));
        }
        self.read = 0;
        self.asked.clear();
        self.rooms.values_mut().for_each(|room| room.is_live = false);
        let relay = self.relays.any(&mut self.random).ok_or("no relay")?;
        let client =
            Client::try_connect(relay, &self.name).map_err(|status| format!("HTTP {status}"))?;
        let cursors: HashMap<String, String> = self
            .rooms
            .iter()
            .filter_map(|(name, room)| Some((name.clone(), room.cursor.clone()?)))
            .collect();
        self.client = Some(client);
        self.connects += 1;
        self.note_all(&format!("connected to {relay} with {cursors:?}"));
        let new: Vec<String> =
            self.rooms.keys().filter(|name| !cursors.contains_key(*name)).cloned().collect();
        if !cursors.is_empty() {
            self.ask(resume(&cursors), None);
        }
        for room in new {
            self.ask(json!({"op": "join", "room": room}), Some(room.clone()));
        }
        Ok(())
    }

    fn ask(&mut self, op: Value, room: Option<String>) {
        if let Some(client) = &self.client {
            let reference = client.ask(op);
            self.asked.insert(reference, room);
        }
    }

    fn drain(&mut self) {
        let Some(client) = &self.client else { return };
        let frames = client.frames_from(self.read);
        self.read += frames.len();
        for frame in frames {
            self.take(&frame);
        }
    }

    pub(crate) fn take(&mut self, frame: &Frame) {
        let json = &frame.json;
        if let Some(reference) = json["ref"].as_u64() {
            let Some(asked) = self.asked.remove(&reference) else { return };
            match (asked, members(&frame.text).get("ok")) {
                (Some(room), Some(ok)) => self.place(&room, ok.get()),
                (None, Some(ok)) => {
                    let rooms = members(ok.get()).remove("rooms");
                    for (room, answer) in
                        rooms.map(|rooms| members(rooms.get())).unwrap_or_default()
                    {
                        self.place(&room, answer.get());
                    }
                }
                (room, None) => self.again(room, &json["error"]),
            }
            return;
        }
        let Some(name) = json["room"].as_str().map(str::to_owned) else { return };
        match json["type"].as_str().unwrap_or_default() {
            "reload" => {
                self.note(&name, "reload");
                self.reloads += 1;
                let Some(room) = self.rooms.get_mut(&name) else { return };
                room.reloads += 1;
                room.forgotten.append(&mut room.events);
                room.cursor = None;
                room.is_live = false;
                self.place(&name, &frame.text);
            }
            "gone" => self.again(Some(name), json),
            "drop" => {
                self.note(&name, &frame.text);
                self.drops += 1;
            }
            _ if json["id"].is_string() => {
                let Some(room) = self.rooms.get_mut(&name).filter(|room| room.is_live) else {
                    return;
                };
                room.push(Event { text: frame.text.clone(), json: json.clone() });
            }
            _ => {}
        }
    }

    /// A reply that gives the reader's position: of join, of resume, or a reload.
    pub(crate) fn place(&mut self, name: &str, answer: &str) {
        // Events of a page are compared as bytes.
        let events: Vec<&RawValue> = members(answer)
            .get("events")
            .and_then(|events| serde_json::from_str(events.get()).ok())
            .unwrap_or_default();
        let answer: Value = serde_json::from_str(answer).unwrap_or_default();
        let is_fresh = answer["recovered"] == false || answer["recovered"].is_null();
        self.note(
            name,
            &format!(
                "placed at {} with {} events, recovered {}, more {}",
                answer["last"],
                events.len(),
                answer["recovered"],
                answer["more"]
            ),
        );
        if let Some(error) = answer.get("error") {
            self.again(Some(name.to_owned()), &error.clone());
            return;
        }
        let Some(room) = self.rooms.get_mut(name) else { return };
        if is_fresh {
            self.reloads += usize::from(answer["recovered"] == false);
            room.reloads += usize::from(answer["recovered"] == false);
            room.forgotten.append(&mut room.events);
        }
        let last = answer["last"].as_str().map(str::to_owned);
        let events: Vec<Event> = events.iter().map(|event| Event::read(event.get())).collect();
        if is_fresh {
            let before = events.first().and_then(|first| first.json["prev"].as_str());
            room.from = before.map(str::to_owned).or_else(|| last.clone());
        }
        events.into_iter().for_each(|event| room.push(event));
        // A page that begins after the start of the room has `more`; only after a cursor does it
        // mean that there is more to fetch.
        if answer["more"] == true && !is_fresh {
            let since = room.cursor.clone();
            self.ask(json!({"op": "join", "room": name, "since": since}), Some(name.to_owned()));
            return;
        }
        room.cursor = last;
        room.is_live = true;
    }

    /// The relay could not answer at that moment.
    fn again(&mut self, room: Option<String>, error: &Value) {
        self.note_all(&format!("{room:?} refused: {error}"));
        self.refusals.push(format!("{room:?} to {}: {error}", self.name));
        let code = error["code"].as_str().unwrap_or_default();
        assert!(["UNAVAILABLE", "RATELIMIT"].contains(&code), "{}: {error}", self.name);
        // A new connection repeats all requests.
        self.client = None;
    }

    fn note_all(&mut self, what: &str) {
        for name in self.rooms.keys().cloned().collect::<Vec<_>>() {
            self.note(&name, what);
        }
    }

    fn note(&mut self, room: &str, what: &str) {
        let line = format!("    {:.3} s: {what}", self.started.elapsed().as_secs_f64());
        if let Some(room) = self.rooms.get_mut(room) {
            room.log.push(line);
        }
    }
}

impl Received for Reader {
    fn name(&self) -> &str {
        &self.name
    }

    fn connects(&self) -> usize {
        self.connects
    }

    fn reloads(&self) -> usize {
        self.reloads
    }

    fn reloads_of(&self, room: &str) -> usize {
        self.rooms.get(room).map_or(0, |room| room.reloads)
    }

    fn forgotten(&self, room: &str) -> Vec<Event> {
        self.rooms.get(room).map(|room| room.forgotten.clone()).unwrap_or_default()
    }

    fn drops(&self) -> usize {
        self.drops
    }

    fn refusals(&self) -> Vec<String> {
        self.refusals.clone()
    }

    fn messages(&self, room: &str) -> Vec<Event> {
        let events = self.rooms.get(room).map(|room| room.events.as_slice()).unwrap_or_default();
        events.iter().filter(|event| event.json["type"] == "message").cloned().collect()
    }

    fn from(&self, room: &str) -> Option<&str> {
        self.rooms.get(room)?.from.as_deref()
    }

    fn story(&self, room: &str) -> String {
        let log = self.rooms.get(room).map(|room| room.log.as_slice()).unwrap_or_default();
        log[log.len().saturating_sub(30)..].join("\n")
    }

    fn step(&mut self) -> Result<(), String> {
        if self.client.as_ref().is_none_or(|client| client.closed().is_some()) {
            self.drain();
            self.connect()?;
        }
        self.drain();
        Ok(())
    }

    fn has(&self, goal: &HashMap<String, String>) -> Result<(), String> {
        for (name, room) in &self.rooms {
            if !room.is_live {
                return Err(format!("{name} is not live: {}", self.story(name)));
            }
            let Some(wanted) = goal.get(name) else { continue };
            let cursor = room.cursor.as_deref().unwrap_or("0-0");
            // Exactly: a reader ahead of the room has received a lost event and was not told to
            // reload.
            if cursor != wanted {
                return Err(format!("{name} at {cursor}, not {wanted}: {}", self.story(name)));
            }
        }
        Ok(())
    }
}

impl Room {
    fn push(&mut self, event: Event) {
        self.cursor = Some(event.id().to_owned());
        self.events.push(event);
    }
}

/// The members of a JSON object as unparsed bytes.
pub(crate) fn members(text: &str) -> HashMap<String, &RawValue> {
    serde_json::from_str(text).unwrap_or_default()
}

/// An id as a pair of integers.
pub(crate) fn place(id: &str) -> (u64, u64) {
    let (ms, n) = id.split_once('-').unwrap_or_default();
    (ms.parse().unwrap_or(0), n.parse().unwrap_or(0))
}

/// The `resume` operation for these cursors.
fn resume(cursors: &HashMap<String, String>) -> Value {
    json!({"op": "resume", "rooms": cursors})
}
