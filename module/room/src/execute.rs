//! Executes a decision: applies its records one by one, and collects the bytes to replicate and the
//! events to publish.

use crate::codec::event;
use crate::codec::event_buffer::EventBuffer;
use crate::codec::event_ephemeral::{Ephemeral, ephemeral};
use crate::codec::record::Record;
use crate::decide::decision::Step;
use crate::state::presence::presence_table::Published;
use crate::state::room::{Now, Room};

/// Whether records are written for replicas and the append-only file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replication {
    /// There may be a replica or an append-only file.
    #[default]
    On,
    /// There is neither, so no records are written.
    Off,
}

/// What remains to be done after a decision was executed. One value is reused for all commands, to
/// keep its memory.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Records for replicas and the append-only file.
    pub durable: Vec<u8>,
    /// Records of presence, for replicas only. They are sent after the durable ones.
    pub presence: Vec<u8>,
    /// Events to publish, in order.
    pub events: EventBuffer,
    /// Whether records are written.
    replication: Replication,
    changed: bool,
    /// Whether a reader can see the change. A beat alone is not visible.
    pub visible: bool,
}

impl Outcome {
    /// Empties everything, keeping the memory.
    pub fn begin(&mut self, replication: Replication) {
        self.replication = replication;
        self.changed = false;
        self.durable.clear();
        self.presence.clear();
        self.events.clear();
        self.visible = false;
    }

    /// Whether records are written.
    pub fn replication(&self) -> Replication {
        self.replication
    }

    /// Whether anything changed.
    pub fn changes(&self) -> bool {
        self.changed
    }
}

impl Room {
    /// Executes the steps of a decision on the room `name` at `now`, adding to `outcome`.
    pub fn execute(&mut self, name: &str, now: Now, steps: &[Step<'_>], outcome: &mut Outcome) {
        for step in steps {
            match step {
                Step::Record(record) => self.execute_record(name, now, record, outcome),
                Step::Event(event) => {
                    outcome.events.push(|out| ephemeral(out, name, self, now.ms, event));
                    self.note_published(event, now);
                }
                Step::ConsumeRate(user, rate) => {
                    self.rate_limits.count(user, *rate, now.monotonic_ms)
                }
                Step::NoteSent(user) => self.rate_limits.sent(user, now.monotonic_ms),
            }
        }
    }

    /// Notes the number of users online that an event published.
    fn note_published(&mut self, event: &Ephemeral<'_>, now: Now) {
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
