//! Carrying out a decision: records are applied one by one, and what the world must know of it is
//! gathered as bytes: what to replicate and what to publish.

use crate::codec::event::{self, Ephemeral};
use crate::codec::record::Record;
use crate::decide::{Events, Step};
use crate::state::presence::presence_table::Told;
use crate::state::room::{Now, Room};

/// Whether somebody follows a room by its records: a replica, an append-only file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Copies {
    /// There may be one.
    #[default]
    Exist,
    /// There is none.
    None,
}

/// What a carried out decision leaves to do. Meant to be used again and again.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// Records for replicas and the append-only file.
    pub durable: Vec<u8>,
    /// Records of presence, for replicas only. They follow the durable ones.
    pub presence: Vec<u8>,
    /// Events to publish, in order.
    pub events: Events,
    /// Whether anybody keeps a copy of the room that is to follow.
    copies: Copies,
    changed: bool,
    /// Whether a reader could see the difference: a beat alone shows nowhere.
    pub visible: bool,
}

impl Effects {
    /// Forgets everything, keeping the memory. Records are written down if there are copies.
    pub fn begin(&mut self, copies: Copies) {
        self.copies = copies;
        self.changed = false;
        self.durable.clear();
        self.presence.clear();
        self.events.clear();
        self.visible = false;
    }

    /// Whether the records are written down.
    pub fn copies(&self) -> Copies {
        self.copies
    }

    /// Whether anything changed.
    pub fn changes(&self) -> bool {
        self.changed
    }
}

impl Room {
    /// Carries out the steps of a decision on the room called `name` at `now`, adding to `effects`.
    pub fn carry_out(&mut self, name: &str, now: Now, steps: &[Step<'_>], effects: &mut Effects) {
        for step in steps {
            match step {
                Step::Record(record) => self.carry_out_record(name, now, record, effects),
                Step::Event(event) => {
                    effects.events.push(|out| event::ephemeral(out, name, self, now.ms, event));
                    self.note(event, now);
                }
                Step::Pace(user, rate) => self.paces.count(user, *rate, now.steady_ms),
                Step::Sent(user) => self.paces.sent(user, now.steady_ms),
            }
        }
    }

    /// Remembers what the channel has been told of how many are here.
    fn note(&mut self, event: &Ephemeral<'_>, now: Now) {
        let users = self.online();
        match event {
            Ephemeral::Occupancy => {
                self.presence.told = Told { users, occupancy_at: now.steady_ms };
            }
            Ephemeral::Came { .. } | Ephemeral::Went { .. } => self.presence.told.users = users,
            _ => {}
        }
    }

    fn carry_out_record(
        &mut self,
        name: &str,
        now: Now,
        record: &Record<'_>,
        effects: &mut Effects,
    ) {
        effects.events.push_if(|out, numbers| event::of_record(out, numbers, name, self, record));
        effects.changed = true;
        if effects.copies == Copies::Exist {
            let presence = record.is_presence();
            record.write(if presence { &mut effects.presence } else { &mut effects.durable });
        }
        effects.visible |= !matches!(record, Record::Beat { .. });
        self.apply(record, now.steady_ms);
    }
}
