//! Checks that nothing is lost and nothing arrives twice: senders and readers run during a fault,
//! then everything is compared.
//!
//! Senders repeat a message with its nonce until it is acknowledged; now and then one gives up
//! after its connection broke. Readers reconnect to any relay, resume from their cursors, and
//! record every event. At the end the rooms themselves are the reference. For each room:
//! - every acknowledged message is stored once, under the acknowledged id;
//! - no message is stored twice, acknowledged or not;
//! - every reader has, from its first position on, exactly the room's events, each once, in the
//!   room's order, byte for byte: so all readers have the same order;
//! - a reader may have received an event that the room no longer holds only before a `reload`.
//!
//! A violation is reported as the events around it, as the room holds them and as the reader
//! received them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;

use crate::checking::reader::{Reader, Received, place};
use crate::checking::relays::Relays;
use crate::checking::stream_reader::StreamReader;
use crate::checking::view::{Event, history};
use crate::clients::client::Client;
use crate::cmd;
use crate::seed::patience;
use crate::servers::redis::Redis;
use crate::wait::eventually;

/// Which losses are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing acknowledged may be missing.
    Nothing,
    /// Acknowledged messages may be lost (asynchronous disk or replica, a deleted room, an older
    /// copy) if every reader of the room is told to reload.
    Reported,
}

/// A run.
pub struct Checker {
    /// Names of the rooms.
    pub rooms: Vec<String>,
    /// How many senders.
    pub senders: usize,
    /// How many readers by sockets, each of all rooms.
    pub readers: usize,
    /// How many readers by streams of events over HTTP.
    pub streams: usize,
    /// Messages of each sender.
    pub messages: usize,
    /// What may be lost.
    pub loss: Loss,
    /// Deadline for all waits.
    pub deadline: Duration,
}

/// Progress of a run, for choosing the moment of a fault.
pub struct Progress {
    acknowledged: AtomicUsize,
    finished: AtomicBool,
    total: usize,
    deadline: Duration,
}

impl Progress {
    /// Waits until this share of all messages (0.0 to 1.0) has been acknowledged.
    #[track_caller]
    pub fn wait(&self, share: f64) {
        let goal = (self.total as f64 * share) as usize;
        eventually(&format!("{goal} acknowledged messages"), self.deadline, || {
            let now = self.acknowledged.load(Ordering::Relaxed);
            let is_over = self.finished.load(Ordering::Relaxed);
            if now >= goal || is_over { Ok(()) } else { Err(format!("{now}")) }
        });
    }

    /// Whether all senders are done.
    pub fn is_over(&self) -> bool {
        self.finished.load(Ordering::Relaxed)
    }
}

/// Effects of the faults on readers: evidence that there were any.
#[derive(Clone, Copy, Debug)]
pub struct Effects {
    /// New connections after a lost one.
    pub reconnects: usize,
    /// Rooms that readers had to reload.
    pub reloads: usize,
    /// Acknowledged messages that the rooms no longer hold.
    pub lost: usize,
}

/// A reader of either kind.
type AnyReader = Box<dyn Received + Send>;

/// A message that was acknowledged.
#[derive(Clone, Debug)]
struct Acknowledged {
    room: String,
    text: String,
    id: String,
}

impl Default for Checker {
    fn default() -> Self {
        Checker {
            rooms: (0..3).map(|n| format!("room{n}")).collect(),
            senders: 4,
            readers: 4,
            streams: 0,
            messages: 150,
            loss: Loss::Nothing,
            deadline: patience(Duration::from_secs(90)),
        }
    }
}

impl Checker {
    /// Runs senders and readers against `relays` while `fault` runs, then compares with what
    /// `redis` holds.
    ///
    /// # Panics
    /// On the first violation, with the events around it.
    #[track_caller]
    pub fn run(
        &self,
        mut random: SmallRng,
        relays: &Relays,
        redis: &mut Redis,
        fault: impl FnOnce(&Progress, &mut Redis),
    ) -> Effects {
        let progress = Progress {
            acknowledged: AtomicUsize::new(0),
            finished: AtomicBool::new(false),
            total: self.senders * self.messages,
            deadline: self.deadline,
        };
        let seeds: Vec<u64> =
            (0..self.senders + self.readers + self.streams).map(|_| random.random()).collect();
        let (for_senders, for_readers) = seeds.split_at(self.senders);
        let (acknowledged, readers, truth) = std::thread::scope(|scope| {
            let readers: Vec<_> = for_readers
                .iter()
                .enumerate()
                .map(|(n, seed)| {
                    let random = SmallRng::seed_from_u64(*seed);
                    let mut reader = self.reader(n, relays, random);
                    reader.catch_up_with(&HashMap::new(), self.deadline);
                    reader
                })
                .collect();
            let senders: Vec<_> = for_senders
                .iter()
                .enumerate()
                .map(|(n, seed)| {
                    let random = SmallRng::seed_from_u64(*seed);
                    let progress = &progress;
                    scope.spawn(move || self.send(n, relays, random, progress))
                })
                .collect();
            let stop = Arc::new(Mutex::new(None::<HashMap<String, String>>));
            let readers: Vec<_> = readers
                .into_iter()
                .map(|mut reader| {
                    let stop = Arc::clone(&stop);
                    scope.spawn(move || {
                        reader.follow_until(&stop, self.deadline);
                        reader
                    })
                })
                .collect();
            fault(&progress, redis);
            let acknowledged: Vec<Acknowledged> =
                senders.into_iter().flat_map(|sender| sender.join().expect("a sender")).collect();
            progress.finished.store(true, Ordering::Relaxed);
            let truth = self.truth(redis);
            let newest =
                truth.iter().map(|(room, events)| (room.clone(), newest(events))).collect();
            *stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(newest);
            let readers: Vec<AnyReader> =
                readers.into_iter().map(|reader| reader.join().expect("a reader")).collect();
            (acknowledged, readers, truth)
        });
        let lost = self.judge(&acknowledged, &readers, &truth);
        let effects = Effects {
            reconnects: readers.iter().map(|reader| reader.connects() - 1).sum(),
            reloads: readers.iter().map(|reader| reader.reloads()).sum(),
            lost,
        };
        println!("{effects:?}");
        effects
    }

    /// The reader of this number: those by sockets come first.
    fn reader(&self, number: usize, relays: &Relays, random: SmallRng) -> AnyReader {
        let name = format!("reader{number}");
        match number < self.readers {
            true => Box::new(Reader::new(&name, &self.rooms, relays, random)),
            false => Box::new(StreamReader::new(&name, &self.rooms, relays, random)),
        }
    }

    /// One sender: all its messages, and which were acknowledged.
    fn send(
        &self,
        number: usize,
        relays: &Relays,
        mut random: SmallRng,
        progress: &Progress,
    ) -> Vec<Acknowledged> {
        let user = format!("sender{number}");
        let mut client: Option<Client> = None;
        let mut acknowledged = Vec::new();
        for n in 0..self.messages {
            let room = self.rooms.choose(&mut random).expect("a room").clone();
            let text = format!("{user}:{n}");
            let op = json!({"op": "send", "room": room, "text": text, "nonce": text});
            let may_give_up = random.random_ratio(1, 10);
            let mut asked: Option<u64> = None;
            let answer = eventually(&format!("the end of {text}"), self.deadline, || {
                let Some(open) = client.as_ref().filter(|client| client.closed().is_none()) else {
                    let broke = client.take().is_some() && asked.take().is_some();
                    if broke && may_give_up {
                        return Ok(None);
                    }
                    let relay = relays.any(&mut random).ok_or("no relay")?;
                    let new = Client::try_connect(relay, &user)
                        .map_err(|status| format!("HTTP {status}"))?;
                    client = Some(new);
                    return Err("connecting".into());
                };
                let Some(reference) = asked else {
                    asked = Some(open.ask(op.clone()));
                    return Err("asked".into());
                };
                match open.reply(reference) {
                    None => Err(format!("no answer; {}", open.arrived())),
                    Some(Ok(ok)) => Ok(Some(ok["id"].as_str().unwrap_or_default().to_owned())),
                    Some(Err(error)) => {
                        let code = error["code"].as_str().unwrap_or_default();
                        assert!(["UNAVAILABLE", "RATELIMIT"].contains(&code), "{text}: {error}");
                        asked = None;
                        Err(error.to_string())
                    }
                }
            });
            if let Some(id) = answer {
                progress.acknowledged.fetch_add(1, Ordering::Relaxed);
                acknowledged.push(Acknowledged { room, text, id });
            }
        }
        acknowledged
    }

    /// All messages of all rooms, from the server itself.
    fn truth(&self, redis: &Redis) -> BTreeMap<String, Vec<Event>> {
        let mut wire = redis.wire();
        let mut room_events = |room: &String| {
            let mut events: Vec<Event> = Vec::new();
            let mut after = "0-0".to_owned();
            if cmd!(wire, "EXISTS", room).int() == 0 {
                return events;
            }
            loop {
                let page = history(&mut wire, room, &["AFTER", &after, "COUNT", "1000"]);
                events.extend(page.events);
                if !page.more {
                    return events;
                }
                after = newest(&events);
            }
        };
        self.rooms.iter().map(|room| (room.clone(), room_events(room))).collect()
    }

    /// Compares; returns how many acknowledged messages are lost, where that is accepted.
    #[track_caller]
    fn judge(
        &self,
        acknowledged: &[Acknowledged],
        readers: &[AnyReader],
        truth: &BTreeMap<String, Vec<Event>>,
    ) -> usize {
        let mut lost = 0;
        for (room, events) in truth {
            let mut seen = HashSet::new();
            for event in events {
                let text = event.json["text"].as_str().unwrap_or_default();
                assert!(seen.insert(text), "{room} holds {text} twice: {}", event.text);
            }
        }
        for Acknowledged { room, text, id } in acknowledged {
            let stored = truth[room].iter().find(|event| event.json["text"] == **text);
            match stored {
                Some(event) => {
                    assert_eq!(event.id(), id, "{text} was acknowledged under another id")
                }
                None => {
                    assert_eq!(
                        self.loss,
                        Loss::Reported,
                        "{text} ({id}) was acknowledged and is lost"
                    );
                    lost += 1;
                }
            }
        }
        for reader in readers {
            for room in &self.rooms {
                judge_reader(&**reader, room, &truth[room]);
            }
        }
        let stored: usize = truth.values().map(Vec::len).sum();
        println!(
            "judged: {stored} stored, {} acknowledged, {} readers",
            acknowledged.len(),
            readers.len()
        );
        let most = self.senders * self.messages;
        assert!(stored <= most && acknowledged.len() * 2 > most, "{stored} of {most}");
        lost
    }
}

/// Compares what a reader received of a room since its last reload with the room.
#[track_caller]
fn judge_reader(reader: &dyn Received, room: &str, truth: &[Event]) {
    let given = reader.messages(room);
    let from = reader.from(room).map(place);
    let from = from.unwrap_or_else(|| panic!("{} never got a position in {room}", reader.name()));
    let start = truth.partition_point(|event| place(event.id()) <= from);
    let expected = &truth[start..];
    let same = given.iter().zip(expected).take_while(|(a, b)| a.text == b.text).count();
    assert!(
        same == given.len() && same == expected.len(),
        "{} in {room}: the first {same} of {} are right, then\n{}",
        reader.name(),
        expected.len(),
        story(&given, expected, same, &reader.story(room))
    );
}

/// The events around the position `at` where two lists differ.
fn story(given: &[Event], expected: &[Event], at: usize, log: &str) -> String {
    let mut story = String::new();
    for (title, events) in [("the room has", expected), ("the reader got", given)] {
        story.push_str(title);
        story.push('\n');
        for event in events.iter().skip(at.saturating_sub(2)).take(5) {
            story.push_str(&format!("    {}\n", event.text));
        }
    }
    story + "what happened to the reader:\n" + log
}

fn newest(events: &[Event]) -> String {
    events.last().map_or("0-0", Event::id).to_owned()
}

#[cfg(test)]
#[path = "checker_tests.rs"]
mod tests;
