//! Checks that nothing is lost and nothing arrives twice: senders and readers run during a fault,
//! then everything is compared.
//!
//! Senders repeat a message with its nonce until it is acknowledged. Readers reconnect to any relay,
//! resume from their cursors, and record every event. Askers ask for everything else. At the end
//! the rooms themselves are the reference. For each room:
//! - every acknowledged message is stored once, under the acknowledged id;
//! - no message is stored twice, acknowledged or not;
//! - every reader has, from its first position on, exactly the room's events, each once, in the
//!   room's order, byte for byte: so all readers have the same order;
//! - a reader may have received an event that the room no longer holds only before a `reload`;
//! - those who joined it are online, and nobody else, if the run is told who else is there.
//!
//! A violation is reported as the events around it, as the room holds them and as the reader
//! received them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::checking::asker::Asker;
use crate::checking::judge::{AnyReader, judge};
use crate::checking::people::who;
use crate::checking::reader::Reader;
use crate::checking::relays::Relays;
use crate::checking::sender::{Sender, Sent};
use crate::checking::stream_reader::StreamReader;
use crate::checking::view::{Event, history};
use crate::cmd;
use crate::seed::patience;
use crate::servers::store::Store;
use crate::wait::eventually;

pub use crate::checking::effects::{Effects, Loss};

/// A run.
pub struct Checker {
    /// Names of the rooms.
    pub rooms: Vec<String>,
    /// What the names of all users begin with.
    pub prefix: String,
    /// How many senders.
    pub senders: usize,
    /// How many readers by sockets, each of all rooms.
    pub readers: usize,
    /// How many readers by streams of events over HTTP.
    pub streams: usize,
    /// How many users who ask for everything else, in all rooms.
    pub askers: usize,
    /// Messages of each sender.
    pub messages: usize,
    /// Whether senders go on, beyond their messages, until the fault has ended.
    pub while_fault: bool,
    /// Who else is online in every room at the end; `None`: presence is not compared.
    pub others_online: Option<Vec<String>>,
    /// What may be lost.
    pub loss: Loss,
    /// Whether senders send some messages once more, which must not be stored again. It holds within the
    /// window of nonces, by the clock of the server.
    pub repeats: bool,
    /// Deadline for all waits.
    pub deadline: Duration,
}

/// Progress of a run, for choosing the moment of a fault.
pub struct Progress {
    acknowledged: AtomicUsize,
    /// The fault has ended.
    fault_is_over: AtomicBool,
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

    /// Waits until so many more messages have been acknowledged.
    #[track_caller]
    pub fn wait_for_more(&self, messages: usize) {
        let goal = self.acknowledged.load(Ordering::Relaxed) + messages;
        eventually(&format!("{messages} more messages"), self.deadline, || {
            let now = self.acknowledged.load(Ordering::Relaxed);
            if now >= goal { Ok(()) } else { Err(format!("{now} of {goal}")) }
        });
    }

    /// Whether all senders are done.
    pub fn is_over(&self) -> bool {
        self.finished.load(Ordering::Relaxed)
    }
}

impl Default for Checker {
    fn default() -> Self {
        Checker {
            rooms: (0..3).map(|n| format!("room{n}")).collect(),
            prefix: String::new(),
            senders: 4,
            readers: 4,
            streams: 0,
            askers: 0,
            messages: 150,
            while_fault: false,
            others_online: None,
            loss: Loss::Nothing,
            repeats: true,
            deadline: patience(Duration::from_secs(90)),
        }
    }
}

impl Checker {
    /// Runs senders and readers against `relays` while `fault` runs, then compares with what
    /// `store` holds.
    ///
    /// # Panics
    /// On the first violation, with the events around it.
    #[track_caller]
    pub fn run<S: Store>(
        &self,
        mut random: SmallRng,
        relays: &Relays,
        store: &mut S,
        fault: impl FnOnce(&Progress, &mut S),
    ) -> Effects {
        let progress = Progress {
            acknowledged: AtomicUsize::new(0),
            fault_is_over: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            total: self.senders * self.messages,
            deadline: self.deadline,
        };
        let mut seeded = |count: usize| -> Vec<SmallRng> {
            (0..count).map(|_| SmallRng::seed_from_u64(random.random())).collect()
        };
        let for_senders = seeded(self.senders);
        let for_readers = seeded(self.readers + self.streams);
        let for_askers = seeded(self.askers);
        let (sent, readers, truth, mut asked) = std::thread::scope(|scope| {
            let progress = &progress;
            let readers: Vec<_> = for_readers
                .into_iter()
                .enumerate()
                .map(|(n, random)| {
                    let mut reader = self.reader(n, relays, random);
                    reader.catch_up_with(&HashMap::new(), self.deadline);
                    reader
                })
                .collect();
            let askers: Vec<_> = for_askers
                .into_iter()
                .enumerate()
                .map(|(n, random)| {
                    Asker::join(&self.asker(n), &self.rooms, relays, random, self.deadline)
                })
                .collect();
            let senders: Vec<_> = for_senders
                .into_iter()
                .enumerate()
                .map(|(n, random)| {
                    let sender = self.sender(n, relays, random);
                    let is_over = || progress.fault_is_over.load(Ordering::Relaxed);
                    let goes_on =
                        move |n: usize| n < self.messages || (self.while_fault && !is_over());
                    let acknowledged = || {
                        progress.acknowledged.fetch_add(1, Ordering::Relaxed);
                    };
                    scope.spawn(move || sender.run(goes_on, acknowledged))
                })
                .collect();
            let askers: Vec<_> = askers
                .into_iter()
                .map(|mut asker| {
                    scope.spawn(move || {
                        asker.ask(|| !progress.finished.load(Ordering::Relaxed));
                        asker
                    })
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
            let fault = catch_unwind(AssertUnwindSafe(|| fault(progress, store)));
            progress.fault_is_over.store(true, Ordering::Relaxed);
            let sent: Vec<_> = senders.into_iter().map(ScopedJoinHandle::join).collect();
            progress.finished.store(true, Ordering::Relaxed);
            // Nobody waits any longer if the fault itself has failed.
            let truth = if fault.is_ok() { self.truth(store) } else { BTreeMap::new() };
            let newest =
                truth.iter().map(|(room, events)| (room.clone(), newest(events))).collect();
            *stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(newest);
            if let Err(failure) = fault {
                resume_unwind(failure);
            }
            let sent: Vec<Sent> = sent.into_iter().map(|sent| sent.expect("a sender")).collect();
            let readers: Vec<AnyReader> =
                readers.into_iter().map(|reader| reader.join().expect("a reader")).collect();
            let asked: Vec<_> =
                askers.into_iter().map(|asker| asker.join().expect("an asker")).collect();
            (sent, readers, truth, asked)
        });
        if let Some(others) = &self.others_online {
            self.judge_presence(others, &readers, &mut asked, store);
        }
        let mut effects = judge(self.loss, &sent, &readers, &truth);
        effects.refusals.0.extend(asked.iter().flat_map(|asked| asked.refusals.0.clone()));
        println!("{effects:?}, {} answers", asked.iter().map(|a| a.answers).sum::<usize>());
        effects
    }

    fn sender<'a>(&'a self, number: usize, relays: &'a Relays, random: SmallRng) -> Sender<'a> {
        Sender {
            user: format!("{}sender{number}", self.prefix),
            rooms: &self.rooms,
            relays,
            random,
            deadline: self.deadline,
            repeats: self.repeats && self.loss == Loss::Nothing,
        }
    }

    fn asker(&self, number: usize) -> String {
        format!("{}asker{number}", self.prefix)
    }

    /// The reader of this number: those by sockets come first.
    fn reader(&self, number: usize, relays: &Relays, random: SmallRng) -> AnyReader {
        let name = format!("{}reader{number}", self.prefix);
        match number < self.readers {
            true => Box::new(Reader::new(&name, &self.rooms, relays, random)),
            false => Box::new(StreamReader::new(&name, &self.rooms, relays, random)),
        }
    }

    /// All messages of all rooms, from the servers themselves.
    fn truth<S: Store>(&self, store: &S) -> BTreeMap<String, Vec<Event>> {
        let room_events = |room: &String| {
            let mut wire = store.wire_to(room);
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

    /// Waits until exactly the readers, the askers and these others are online in every room.
    #[track_caller]
    fn judge_presence<S: Store>(
        &self,
        others: &[String],
        readers: &[AnyReader],
        asked: &mut [Asker],
        store: &S,
    ) {
        let askers = (0..self.askers).map(|n| self.asker(n));
        let readers = readers.iter().map(|reader| reader.name().to_owned());
        let expected: BTreeSet<String> =
            readers.chain(askers).chain(others.iter().cloned()).collect();
        for room in &self.rooms {
            eventually(&format!("the right users in {room}"), self.deadline, || {
                asked.iter_mut().for_each(Asker::come_back);
                match who(&mut store.wire_to(room), room) {
                    here if here == expected => Ok(()),
                    here => Err(format!("{here:?}, not {expected:?}")),
                }
            });
        }
    }
}

fn newest(events: &[Event]) -> String {
    events.last().map_or("0-0", Event::id).to_owned()
}
