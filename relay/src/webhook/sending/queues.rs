//! The queues of all rooms: what may be sent next, and what an answer changes.
//!
//! The one idea: of each room at most one batch is on its way, and a room that waits stands aside. So a
//! room's order holds whatever the receiver answers, and one room's failure delays no other. Only
//! what the receiver says for all requests (429, 503), or its absence, makes all rooms wait.
//!
//! Time is passed in. Sending is left to others.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;

use super::batch::{Batch, Event};
use super::outcome::{Outcome, Wait};
use super::room_queue::{Next, RoomQueue, doubled};

/// The queues of all rooms that have events.
#[derive(Debug)]
pub(in crate::webhook) struct Queues {
    give_up: Duration,
    rooms: HashMap<Arc<str>, RoomQueue>,
    /// Rooms of which a batch may be sent, in the order of their turn.
    ready: VecDeque<Arc<str>>,
    /// Rooms that wait, and until when.
    waiting: BTreeSet<(Instant, Arc<str>)>,
    /// Until when nothing is sent at all.
    paused_until: Option<Instant>,
    /// Pauses in a row because nobody answered.
    absences: u32,
}

/// What an answer has settled.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::webhook) struct Answered {
    /// Of each room the last of its events that the receiver now has.
    pub(in crate::webhook) through: Vec<Event>,
    /// Rooms whose first event was refused alone and waits.
    pub(in crate::webhook) waiting: Vec<Arc<str>>,
    /// An event to give up. Its room waits until [`Queues::given_up`].
    pub(in crate::webhook) give_up: Option<Event>,
}

impl Queues {
    /// Queues that give an event up after it was refused alone for this time.
    pub(in crate::webhook) fn new(give_up: Duration) -> Queues {
        Queues {
            give_up,
            rooms: HashMap::new(),
            ready: VecDeque::new(),
            waiting: BTreeSet::new(),
            paused_until: None,
            absences: 0,
        }
    }

    /// Appends events to a room's queue.
    pub(in crate::webhook) fn push(&mut self, room: Arc<str>, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let ready = &mut self.ready;
        let queue = self.rooms.entry(room.clone()).or_insert_with(|| {
            ready.push_back(room);
            RoomQueue::new()
        });
        queue.push(events);
    }

    /// Whether the room has events that are not settled.
    pub(in crate::webhook) fn holds(&self, room: &str) -> bool {
        self.rooms.contains_key(room)
    }

    /// The number of rooms and of events.
    pub(in crate::webhook) fn size(&self) -> (usize, usize) {
        (self.rooms.len(), self.rooms.values().map(RoomQueue::len).sum())
    }

    /// Drops all events of a room but the first, which waits: they are read again when it is settled.
    /// So a room that fails holds one event, and thousands of them leave space for others. Returns
    /// the first one.
    pub(in crate::webhook) fn keep_first(&mut self, room: &str) -> Option<&Event> {
        self.rooms.get_mut(room)?.keep_first()
    }

    /// Whether every event has been settled.
    #[cfg(test)]
    pub(in crate::webhook) fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// The next batch. Its rooms are on their way until it is [`Queues::answered`].
    pub(in crate::webhook) fn next(&mut self, now: Instant) -> Option<Batch> {
        if self.paused_until.is_some_and(|until| now < until) {
            return None;
        }
        while self.waiting.first().is_some_and(|(until, _)| *until <= now) {
            self.ready.extend(self.waiting.pop_first().map(|(_, room)| room));
        }
        let mut batch = Batch::default();
        while let Some(room) = self.ready.front() {
            let Some(queue) = self.rooms.get(room) else {
                self.ready.pop_front();
                continue;
            };
            let is_first = batch.events().is_empty();
            if (!is_first && !queue.is_shared()) || queue.fill(&mut batch) == 0 {
                break;
            }
            let is_shared = queue.is_shared();
            self.ready.pop_front();
            if !is_shared {
                break;
            }
        }
        (!batch.events().is_empty()).then_some(batch)
    }

    /// When there may be a next batch without any answer or push: nothing if never.
    pub(in crate::webhook) fn due(&self) -> Option<Instant> {
        let first = self.waiting.first().map(|(until, _)| *until);
        let due = if self.ready.is_empty() { first } else { self.paused_until };
        due.map(|due| self.paused_until.map_or(due, |paused| due.max(paused)))
    }

    /// The receiver has answered, or not.
    pub(in crate::webhook) fn answered(
        &mut self,
        batch: &Batch,
        outcome: Outcome,
        now: Instant,
    ) -> Answered {
        let mut answered = Answered::default();
        match outcome {
            Outcome::Accepted => {
                self.absences = 0;
                for (room, count) in batch.rooms() {
                    answered.through.extend(self.through(room, count));
                }
            }
            Outcome::Refused { wait, .. } => {
                self.absences = 0;
                if let Some(Wait::All(wait)) = wait {
                    self.pause(now + wait);
                }
                let least = if let Some(Wait::Batch(wait)) = wait { wait } else { Duration::ZERO };
                self.refused(batch, least, now, &mut answered);
            }
            Outcome::Unreachable => {
                // Requests that left together count once.
                if self.paused_until.is_none_or(|until| until <= now) {
                    self.pause(now + jittered(doubled(self.absences)));
                    self.absences = self.absences.saturating_add(1);
                }
                self.back(batch);
            }
            Outcome::Gone => self.back(batch),
        }
        answered
    }

    /// The event that was to be given up is kept elsewhere now: its room goes on. Returns the event.
    pub(in crate::webhook) fn given_up(&mut self, room: &Arc<str>) -> Option<Event> {
        self.through(room, 1)
    }

    /// The event that was to be given up could not be kept elsewhere: it is sent again.
    pub(in crate::webhook) fn not_given_up(&mut self, room: &Arc<str>, now: Instant) {
        self.waiting.insert((now + jittered(doubled(u32::MAX)), room.clone()));
    }

    fn through(&mut self, room: &Arc<str>, count: usize) -> Option<Event> {
        let queue = self.rooms.get_mut(room)?;
        let last = queue.through(count)?;
        if queue.is_empty() {
            self.rooms.remove(room);
        } else {
            self.ready.push_back(room.clone());
        }
        Some(last)
    }

    fn refused(&mut self, batch: &Batch, least: Duration, now: Instant, answered: &mut Answered) {
        let with_others = batch.rooms().nth(1).is_some();
        for (room, count) in batch.rooms() {
            let Some(queue) = self.rooms.get_mut(room) else { continue };
            let wait = match queue.refused(count, with_others, self.give_up, now) {
                Next::Narrower => least,
                Next::Wait(wait) => {
                    answered.waiting.push(room.clone());
                    least.max(jittered(wait))
                }
                Next::GiveUp(event) => {
                    answered.give_up = Some(event);
                    continue;
                }
            };
            if wait.is_zero() {
                self.ready.push_back(room.clone());
            } else {
                self.waiting.insert((now + wait, room.clone()));
            }
        }
    }

    /// Puts rooms back whose batch has not arrived, at the front, in their order.
    fn back(&mut self, batch: &Batch) {
        let rooms: Vec<_> = batch.rooms().map(|(room, _)| room.clone()).collect();
        for room in rooms.into_iter().rev() {
            self.ready.push_front(room);
        }
    }

    fn pause(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
    }
}

/// Between half of it and all of it, so that what failed together does not come back together.
fn jittered(wait: Duration) -> Duration {
    rand::rng().random_range(wait / 2..=wait)
}

#[cfg(test)]
mod tests;
