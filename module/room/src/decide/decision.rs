//! A decision: the steps that carry a command out, collected by a rule and run by `execute.rs`.

use chat_protocol::id::Id;
use smallvec::SmallVec;

use crate::codec::event_ephemeral::Ephemeral;
use crate::codec::record::Record;
use crate::command_error::CommandError;
use crate::state::limits::Rate;
use crate::state::log::id_lead::IdLead;
use crate::state::room::{Now, Room};

/// One step of a decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Step<'a> {
    /// A change to apply and to replicate. Its durable event, if it has one, is published.
    Record(Record<'a>),
    /// An event to publish only, written from the room as it is after the earlier steps.
    Event(Ephemeral<'a>),
    /// Counts an action of this user against `chat.rate-limit`. Only the primary does.
    ConsumeRate(&'a str, Rate),
    /// Notes that this user sent a message, for slow mode. Only the primary does.
    NoteSent(&'a str),
}

/// The steps of a decision. Most decisions have one.
pub type Steps<'a> = SmallVec<[Step<'a>; 1]>;

/// What a rule has decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<'a> {
    /// The steps in order.
    pub steps: Steps<'a>,
    /// Whether the room is still beyond its bounds after this decision, so that the timer must
    /// continue.
    pub unfinished: bool,
    /// The user who creates the room, counted by `chat.create-limit`. `None`: the room exists, the
    /// backend creates it, or it is the user's own personal room.
    pub creator: Option<&'a str>,
    /// The id of the newest durable event after all steps.
    pub(super) last: Id,
    /// The lead of ids over the clock that is noted after all steps.
    lead: u64,
    /// How many of the steps store an event of presence.
    pub(super) presence_entries: usize,
}

impl<'a> Decision<'a> {
    /// An empty decision about `room`.
    pub fn on(room: &Room) -> Self {
        Decision {
            steps: Steps::new(),
            unfinished: false,
            creator: None,
            last: room.last,
            lead: room.id_lead.newest(),
            presence_entries: 0,
        }
    }

    /// Assigns the id of the next durable event, and has its lead over the clock noted.
    pub(super) fn next_id(&mut self, now: Now) -> Id {
        let ms = if self.last.n == 0 { now.unused_ms } else { now.id_ms.max(self.last.ms) };
        self.last = Id { ms, n: self.last.n + 1 };
        if let Some(lead) = IdLead::to_note(self.lead, ms.saturating_sub(now.ms)) {
            self.lead = lead;
            self.record(Record::Lead { first: self.last.n, ms: lead });
        }
        self.last
    }

    /// Checks that `room` has numbers left for the steps. Errors: `INVALID room`.
    #[inline]
    pub fn check_numbers(&self, room: &Room) -> Result<(), CommandError> {
        if room.is_full() { self.check_full() } else { Ok(()) }
    }

    /// [`Decision::check_numbers`] of a room without numbers left, which only a damaged or forged
    /// file can bring.
    #[cold]
    fn check_full(&self) -> Result<(), CommandError> {
        let takes = |step: &Step<'_>| match step {
            Step::Record(record) => record.consumes_number(),
            _ => false,
        };
        match self.steps.iter().any(takes) {
            true => Err(CommandError::invalid("room", "it has no numbers left for more")),
            false => Ok(()),
        }
    }

    pub(super) fn record(&mut self, record: Record<'a>) {
        self.steps.push(Step::Record(record));
    }

    pub(super) fn event(&mut self, event: Ephemeral<'a>) {
        self.steps.push(Step::Event(event));
    }
}
