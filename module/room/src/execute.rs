//! Carrying out a decision: records are applied one by one, and what the world must know of it is
//! gathered as bytes: what to replicate and what to publish.

use crate::codec::event;
use crate::codec::event_buffer::EventBuffer;
use crate::codec::event_ephemeral::{Ephemeral, ephemeral};
use crate::codec::record::Record;
use crate::decide::decision::Step;
use crate::state::presence::presence_table::Published;
use crate::state::room::{Now, Room};

/// Whether somebody follows a room by its records: a replica, an append-only file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replication {
    /// There may be one.
    #[default]
    On,
    /// There is none.
    Off,
}

/// What a carried out decision leaves to do. Meant to be used again and again.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Records for replicas and the append-only file.
    pub durable: Vec<u8>,
    /// Records of presence, for replicas only. They follow the durable ones.
    pub presence: Vec<u8>,
    /// EventBuffer to publish, in order.
    pub events: EventBuffer,
    /// Whether anybody keeps a copy of the room that is to follow.
    replication: Replication,
    changed: bool,
    /// Whether a reader could see the difference: a beat alone shows nowhere.
    pub visible: bool,
}

impl Outcome {
    /// Forgets everything, keeping the memory. Records are written down if there are replication.
    pub fn begin(&mut self, replication: Replication) {
        self.replication = replication;
        self.changed = false;
        self.durable.clear();
        self.presence.clear();
        self.events.clear();
        self.visible = false;
    }

    /// Whether the records are written down.
    pub fn replication(&self) -> Replication {
        self.replication
    }

    /// Whether anything changed.
    pub fn changes(&self) -> bool {
        self.changed
    }
}

impl Room {
    /// Carries out the steps of a decision on the room called `name` at `now`, adding to `effects`.
    pub fn execute(&mut self, name: &str, now: Now, steps: &[Step<'_>], outcome: &mut Outcome) {
        for step in steps {
            match step {
                Step::Record(record) => self.execute_record(name, now, record, outcome),
                Step::Event(event) => {
                    outcome.events.push(|out| ephemeral(out, name, self, now.ms, event));
                    self.note(event, now);
                }
                Step::ConsumeRate(user, rate) => {
                    self.rate_limits.count(user, *rate, now.monotonic_ms)
                }
                Step::NoteSent(user) => self.rate_limits.sent(user, now.monotonic_ms),
            }
        }
    }

    /// Remembers what the channel has been told of how many are here.
    fn note(&mut self, event: &Ephemeral<'_>, now: Now) {
        let users = self.online();
        match event {
            Ephemeral::Occupancy => {
                self.presence.published = Published { users, occupancy_at: now.monotonic_ms };
            }
            Ephemeral::Online { .. } | Ephemeral::Offline { .. } => {
                self.presence.published.users = users
            }
            _ => {}
        }
    }

    fn execute_record(&mut self, name: &str, now: Now, record: &Record<'_>, outcome: &mut Outcome) {
        outcome.events.push_if(|out, numbers| event::of_record(out, numbers, name, self, record));
        outcome.changed = true;
        if outcome.replication == Replication::On {
            let presence = record.is_presence();
            record.write(if presence { &mut outcome.presence } else { &mut outcome.durable });
        }
        outcome.visible |= !matches!(record, Record::Beat { .. });
        self.apply(record, now.monotonic_ms);
    }
}
