//! What a rule decides: the steps that carry a command out.

use chat_protocol::id::Id;
use smallvec::SmallVec;

use crate::codec::event_ephemeral::Ephemeral;
use crate::codec::record::Record;
use crate::command_error::CommandError;
use crate::state::limits::Rate;
use crate::state::room::{Now, Room};

/// One step of a decision: a record to apply, an event to publish as things are by then, or a pace.
#[derive(Clone, Debug, PartialEq)]
pub enum Step<'a> {
    /// Applied and replicated; a durable event is published with it.
    Record(Record<'a>),
    /// Published only.
    Event(Ephemeral<'a>),
    /// Remembered by the primary only: this user did one more of what `chat.rate-limit` counts.
    ConsumeRate(&'a str, Rate),
    /// Remembered by the primary only: this user sent a message, for slow mode.
    NoteSent(&'a str),
}

/// The steps of a decision; most have one.
pub type Steps<'a> = SmallVec<[Step<'a>; 1]>;

/// What a command does.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<'a> {
    /// In order.
    pub steps: Steps<'a>,
    /// Whether more is beyond the bounds of the room than the decision removes: the timer goes on.
    pub unfinished: bool,
    /// The user who brings the room into being: what `chat.create-limit` counts. `None`: the room is
    /// there, the backend makes it, or it is the user's own personal room.
    pub creator: Option<&'a str>,
    /// The id of the newest durable event once all steps are done.
    pub(super) last: Id,
}

impl<'a> Decision<'a> {
    /// Nothing so far, to be done to `room`.
    pub fn on(room: &Room) -> Self {
        Decision { steps: Steps::new(), unfinished: false, creator: None, last: room.last }
    }

    /// The id of the durable event decided next.
    pub(super) fn next_id(&mut self, now: Now) -> Id {
        let ms = if self.last.n == 0 { now.unused_ms } else { now.id_ms.max(self.last.ms) };
        self.last = Id { ms, n: self.last.n + 1 };
        self.last
    }

    /// Whether `room` has the numbers that the steps take. Errors: `INVALID room`.
    #[inline]
    pub fn check_numbers(&self, room: &Room) -> Result<(), CommandError> {
        if room.is_full() { self.check_full() } else { Ok(()) }
    }

    /// The same, for a room that gives out no more. Only a damaged or made-up file makes one.
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
