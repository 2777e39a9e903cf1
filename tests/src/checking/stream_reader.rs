//! A reader of many rooms by streams of events over HTTP, which loses its connection and comes back
//! with `Last-Event-ID`, as a browser does, and a record of everything it received.
//!
//! After a cut, events that came after the last positions come again. They must be the same events in
//! the same order, and must have come shortly before the cut.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use serde_json::value::RawValue;

use crate::checking::reader::{Received, members, place};
use crate::checking::relays::Relays;
use crate::checking::view::Event;
use crate::clients::event_stream::{Block, EventStream, Wanted};
use crate::seed::patience;

/// The time between an event and the positions that hold it, by the contract.
const POSITIONS_WITHIN: Duration = Duration::from_secs(1);
/// What a loaded machine may add.
const SLACK: Duration = Duration::from_secs(3);

/// A reader.
pub struct StreamReader {
    name: String,
    rooms: BTreeMap<String, Room>,
    relays: Relays,
    random: SmallRng,
    stream: Option<EventStream>,
    /// Blocks of the current stream that were read.
    read: usize,
    last_id: Option<String>,
    started: Instant,
    connects: usize,
    reloads: usize,
    drops: usize,
    refusals: Vec<String>,
    /// Events that came twice, after a cut.
    pub repeated: usize,
}

#[derive(Default)]
struct Room {
    /// Events since the last reload, with the times of their arrival.
    events: Vec<(Event, Instant)>,
    /// Events before it.
    forgotten: Vec<Event>,
    reloads: usize,
    /// Events that must come again, in this order.
    again: VecDeque<(Event, Instant)>,
    /// The position after which `events` begin.
    from: Option<String>,
    cursor: Option<String>,
    log: Vec<String>,
}

impl StreamReader {
    /// A reader that is not connected yet.
    pub fn new(name: &str, rooms: &[String], relays: &Relays, random: SmallRng) -> StreamReader {
        StreamReader {
            name: name.into(),
            rooms: rooms.iter().map(|room| (room.clone(), Room::default())).collect(),
            relays: relays.clone(),
            random,
            stream: None,
            read: 0,
            last_id: None,
            started: Instant::now(),
            connects: 0,
            reloads: 0,
            drops: 0,
            refusals: Vec::new(),
            repeated: 0,
        }
    }

    fn connect(&mut self) -> Result<(), String> {
        if let Some(stream) = self.stream.take() {
            let why = format!("lost the stream: {:?}", stream.inbox().ended);
            self.note_all(&why);
            self.rewind();
        }
        let relay = self.relays.any(&mut self.random).ok_or("no relay")?;
        let rooms: Vec<&str> = self.rooms.keys().map(String::as_str).collect();
        let target = format!("/v1/events?user={}&rooms={}", self.name, rooms.join(","));
        let mut wanted = Wanted::get(&target);
        if let Some(last_id) = &self.last_id {
            wanted = wanted.with("last-event-id", last_id);
        }
        let refused = |status| format!("HTTP {status}");
        let stream = wanted.open(relay).map_err(|problem| {
            self.refusals.push(format!("a stream to {}: {}", self.name, problem.status));
            refused(problem.status)
        })?;
        self.read = 0;
        self.stream = Some(stream);
        self.connects += 1;
        let what = format!("connected to {relay} with {:?}", self.last_id);
        self.note_all(&what);
        Ok(())
    }

    /// The stream is cut: what came after the last positions comes again.
    fn rewind(&mut self) {
        let last_id = self.last_id.clone().unwrap_or_default();
        let positions: HashMap<&str, &str> =
            last_id.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let cut = self.rooms.values().flat_map(|room| room.events.last()).map(|(_, at)| *at).max();
        for (name, room) in &mut self.rooms {
            let Some(position) = positions.get(name.as_str()) else {
                // Nothing of the room had come before the cut: it begins anew.
                *room = Room { log: std::mem::take(&mut room.log), ..Room::default() };
                continue;
            };
            let keep =
                room.events.partition_point(|(event, _)| place(event.id()) <= place(position));
            let mut again: VecDeque<_> = room.events.drain(keep..).collect();
            // Those that should have come again at an earlier cut.
            again.append(&mut room.again);
            for (event, at) in &again {
                let before = cut.unwrap_or(*at).saturating_duration_since(*at);
                assert!(
                    before <= POSITIONS_WITHIN + patience(SLACK),
                    "{}: no positions {before:?} after {}",
                    self.name,
                    event.text
                );
            }
            self.repeated += again.len();
            room.again = again;
            room.cursor = Some((*position).to_owned());
        }
    }

    fn drain(&mut self) {
        let Some(stream) = &self.stream else { return };
        let blocks = stream.blocks_from(self.read);
        self.read += blocks.len();
        for block in blocks {
            self.take(block);
        }
    }

    fn take(&mut self, block: Block) {
        let Block { event, data, json, id, at } = block;
        if let Some(id) = id {
            assert!(data.is_none(), "{}: an event with an id: {data:?}", self.name);
            self.last_id = Some(id);
            return;
        }
        let data = data.unwrap_or_default();
        if event == "close" {
            return self.note_all(&data);
        }
        let Some(name) = json["room"].as_str().map(str::to_owned) else { return };
        if event == "gone" {
            panic!("{}: {data}", self.name);
        }
        let Some(room) = self.rooms.get_mut(&name) else { return };
        match event.as_str() {
            "reload" => {
                self.reloads += usize::from(room.cursor.is_some());
                room.reloads += usize::from(room.cursor.is_some());
                let events: Vec<&RawValue> = members(&data)
                    .get("events")
                    .and_then(|events| serde_json::from_str(events.get()).ok())
                    .unwrap_or_default();
                let last = json["last"].as_str().map(str::to_owned);
                let events: Vec<Event> =
                    events.into_iter().map(|event| Event::read(event.get())).collect();
                let before = events.first().and_then(|first| first.json["prev"].as_str());
                room.from = before.map(str::to_owned).or_else(|| last.clone());
                let before = room.events.drain(..).map(|(event, _)| event);
                room.forgotten.extend(before);
                room.events = events.into_iter().map(|event| (event, at)).collect();
                room.again.clear();
                room.cursor = last;
                self.note(&name, &format!("reload: {}", json["last"]));
            }
            "message" if json["type"] == "drop" => self.drops += 1,
            "message" if json["id"].is_string() => {
                let event = Event { text: data, json };
                if let Some((expected, _)) = room.again.pop_front() {
                    assert_eq!(event.text, expected.text, "{}: another order", self.name);
                }
                room.cursor = Some(event.id().to_owned());
                room.events.push((event, at));
            }
            _ => {}
        }
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

impl Received for StreamReader {
    fn name(&self) -> &str {
        &self.name
    }

    fn messages(&self, room: &str) -> Vec<Event> {
        let events = self.rooms.get(room).map(|room| room.events.as_slice()).unwrap_or_default();
        let events = events.iter().map(|(event, _)| event);
        events.filter(|event| event.json["type"] == "message").cloned().collect()
    }

    fn from(&self, room: &str) -> Option<&str> {
        self.rooms.get(room)?.from.as_deref()
    }

    fn story(&self, room: &str) -> String {
        let log = self.rooms.get(room).map(|room| room.log.as_slice()).unwrap_or_default();
        log[log.len().saturating_sub(30)..].join("\n")
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

    fn step(&mut self) -> Result<(), String> {
        if self.stream.as_ref().is_none_or(|stream| stream.inbox().ended.is_some()) {
            self.drain();
            self.connect()?;
        }
        self.drain();
        Ok(())
    }

    fn has(&self, goal: &HashMap<String, String>) -> Result<(), String> {
        for (name, room) in &self.rooms {
            let cursor = room.cursor.as_deref().ok_or_else(|| format!("{name} has not begun"))?;
            if let Some(wanted) = goal.get(name).filter(|wanted| *wanted != cursor) {
                return Err(format!("{name} at {cursor}, not {wanted}: {}", self.story(name)));
            }
        }
        Ok(())
    }
}
