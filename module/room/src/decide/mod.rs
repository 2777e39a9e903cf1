//! The rules: what a command does to a room, one file per command.
//!
//! A rule reads the room, the time and the limits, and answers with a refusal or the reply. What is
//! to be done it adds to the [`Decision`] it is handed; after a refusal nothing of that counts. It
//! changes nothing itself. What several rules ask is asked here.

pub mod edit;
mod events;
pub mod expire;
pub mod follow;
pub mod history;
pub mod join;
pub mod members;
pub mod moderate;
pub mod presence;
pub mod react;
pub mod read;
pub mod room;
pub mod sanctions;
pub mod send;
pub mod signal;
pub mod sync;
mod trim;
pub mod who;

use chat_protocol::id::Id;
use chat_protocol::limits::{COUNT_MAX, REPLY_BYTES_MAX};
use chat_protocol::names::{Actor, RoomKind, RoomName};
pub use events::{Events, PageSize};
use smallvec::SmallVec;
use trim::{Added, expired_nonces, trim};

use crate::codec::event_ephemeral::Ephemeral;
use crate::codec::record::Record;
use crate::command_error::CommandError;
use crate::limits::{Create, Limits, MAX_TEXT_MAX, Rate};
use crate::state::room::{Now, Room};
use crate::state::settings::Access;
use crate::state::users::members::Role;

/// Whether a command makes the room it names, if there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Creation {
    /// It does.
    #[default]
    Allowed,
    /// NOCREATE: it is refused with `NOROOM`.
    Refused,
}

/// Everything a rule looks at besides its command.
#[derive(Clone, Copy, Debug)]
pub struct Context<'r, 'a> {
    /// The room; blank if there is none.
    pub room: &'r Room,
    /// Its name.
    pub name: RoomName<'a>,
    /// The time.
    pub now: Now,
    /// The server's settings.
    pub limits: &'r Limits,
}

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
    last: Id,
}

impl<'a> Decision<'a> {
    /// Nothing so far, to be done to `room`.
    pub fn on(room: &Room) -> Self {
        Decision { steps: Steps::new(), unfinished: false, creator: None, last: room.last }
    }

    /// The id of the durable event decided next.
    fn next_id(&mut self, now: Now) -> Id {
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

    fn record(&mut self, record: Record<'a>) {
        self.steps.push(Step::Record(record));
    }

    fn event(&mut self, event: Ephemeral<'a>) {
        self.steps.push(Step::Event(event));
    }
}

/// A page of a list, and where the next one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// `None`: this is the last page.
    pub cursor: Option<String>,
    /// The items.
    pub items: Vec<T>,
}

impl<'r, 'a> Context<'r, 'a> {
    /// The room, which must exist. Errors: `NOROOM`.
    fn existing(&self) -> Result<&'r Room, CommandError> {
        if self.room.is_blank() { Err(CommandError::NoRoom) } else { Ok(self.room) }
    }

    /// The room as `reader` may read it; `None`: the backend reads. Errors: `NOROOM`, `BANNED`,
    /// `NOTMEMBER`, `DENIED`.
    fn readable(&self, reader: Option<&str>) -> Result<&'r Room, CommandError> {
        if let Some(user) = reader {
            self.check_admission(user)?;
            let room = self.existing()?;
            let closed = room.settings().access == Access::Members;
            if closed && self.is_ordinary() && room.role(user).is_none() {
                return Err(CommandError::NotMember);
            }
        }
        self.existing()
    }

    /// Whether the name of the room alone lets `user` in. Errors: `DENIED`, `NOTMEMBER`.
    fn check_name_access(&self, user: &str) -> Result<(), CommandError> {
        match self.name.kind {
            RoomKind::Personal(owner) if owner != user => Err(CommandError::Denied("self")),
            RoomKind::Direct(a, b) if a != user && b != user => Err(CommandError::NotMember),
            _ => Ok(()),
        }
    }

    /// Whether `user` may come in: not banned, and meant by the name of the room. Errors: `BANNED`,
    /// `DENIED`, `NOTMEMBER`.
    fn check_admission(&self, user: &str) -> Result<(), CommandError> {
        match self.room.sanctions.ban(user, self.now.ms) {
            Some(until) => Err(CommandError::Banned(until)),
            None => self.check_name_access(user),
        }
    }

    /// Whether `user`, who may come in and has this role, may write: also reactions and signals.
    /// Errors: `MUTED`, `FROZEN`.
    fn check_may_write(&self, user: &str, role: Option<Role>) -> Result<(), CommandError> {
        if let Some(until) = self.room.sanctions.mute(user, self.now.ms) {
            return Err(CommandError::Muted(until));
        }
        let keeps_order = role >= Some(Role::Moderator);
        if self.room.settings().frozen && !keeps_order && self.is_ordinary() {
            return Err(CommandError::Frozen);
        }
        Ok(())
    }

    /// Whether `actor` may change what is in the room: a member who may speak, the two of a direct
    /// room, the owner of a personal one, the backend. Errors: `NOROOM`, `BANNED`, `NOTMEMBER`,
    /// `DENIED`, `MUTED`, `FROZEN`.
    fn check_may_change(&self, actor: Actor<'_>) -> Result<(), CommandError> {
        let Actor::User(user) = actor else { return self.existing().map(drop) };
        self.readable(Some(user))?;
        let role = self.room.role(user);
        if self.is_ordinary() && role.is_none() {
            return Err(CommandError::NotMember);
        }
        self.check_may_write(user, role)
    }

    /// Counts one more thing that `actor` does. Errors: `RATELIMIT`.
    fn consume_rate(
        &self,
        actor: Actor<'a>,
        decision: &mut Decision<'a>,
    ) -> Result<(), CommandError> {
        self.consume_rate_after(0, actor, decision)
    }

    /// The same, for somebody who must wait so many milliseconds in any case.
    fn consume_rate_after(
        &self,
        mut wait: u64,
        actor: Actor<'a>,
        decision: &mut Decision<'a>,
    ) -> Result<(), CommandError> {
        if let (Actor::User(user), Some(rate)) = (actor, self.limits.rate_limit) {
            wait = wait.max(self.room.rate_limits.wait(user, rate, self.now.monotonic_ms));
            decision.steps.push(Step::ConsumeRate(user, rate));
        }
        if wait > 0 { Err(CommandError::RateLimit(wait)) } else { Ok(()) }
    }

    /// Bytes that a text of `actor` may have: no more than half of what the room may take.
    fn max_text_for(&self, actor: Actor<'_>) -> u64 {
        let settings = self.room.settings();
        let most = match actor {
            Actor::Backend => MAX_TEXT_MAX,
            Actor::User(_) => settings.max_text(self.limits),
        };
        most.min(settings.room_bytes(self.limits) / 2)
    }

    /// The number of the message with this id that is there and can be seen. Errors: `INVALID id`,
    /// `NOMSG`.
    fn message(&self, id: &[u8]) -> Result<(Id, u64), CommandError> {
        let id = Id::parse(id).ok_or(CommandError::invalid("id", "<ms>-<n>"))?;
        let m = self.room.messages.find(id).filter(|m| *m >= self.first_visible());
        let m = m.ok_or(CommandError::NoMessage)?;
        let deleted = self.room.messages.get(m).is_none_or(|message| message.is_deleted());
        if deleted { Err(CommandError::NoMessage) } else { Ok((id, m)) }
    }

    /// The number of the first message within the room's bounds. What is before it is gone for every
    /// reader, also where it waits to be removed.
    pub(crate) fn first_visible(&self) -> u64 {
        self.room.first_visible(self.now.ms, self.room.settings(), self.limits)
    }

    fn is_ordinary(&self) -> bool {
        self.name.kind == RoomKind::Ordinary
    }

    /// What makes the room if it is blank, for `actor`: records first in the decision. Who makes
    /// an ordinary room owns it; the two of a direct room are its members from the beginning.
    /// Errors: `NOROOM`, `DENIED backend`.
    fn create_room(
        &self,
        actor: Actor<'a>,
        creation: Creation,
        decision: &mut Decision<'a>,
    ) -> Result<(), CommandError> {
        if !self.room.is_blank() {
            return Ok(());
        }
        if creation == Creation::Refused {
            return Err(CommandError::NoRoom);
        }
        if let (Actor::User(user), RoomKind::Ordinary | RoomKind::Direct(..)) =
            (actor, self.name.kind)
        {
            decision.creator = Some(user);
        }
        let ms = self.now.ms;
        decision.record(Record::Create { ms });
        let join = |user, role| Record::Join { user, role, by: None, ms, logged: None };
        match (self.name.kind, actor) {
            (RoomKind::Ordinary, Actor::User(_)) if self.limits.create == Create::Backend => {
                return Err(CommandError::Denied("backend"));
            }
            (RoomKind::Ordinary, Actor::User(user)) => {
                decision.record(join(user, Role::Owner));
                decision.event(Ephemeral::Joined { user, by: None, role: Role::Owner });
            }
            (RoomKind::Direct(a, b), _) => {
                decision.record(join(a, Role::Member));
                decision.record(join(b, Role::Member));
            }
            _ => {}
        }
        Ok(())
    }

    /// What makes `user` a member with `role`, told as the room tells it. Errors: `INVALID
    /// members`.
    fn add_member(
        &self,
        user: &'a str,
        role: Role,
        by: Option<&'a str>,
        decision: &mut Decision<'a>,
    ) -> Result<(), CommandError> {
        if self.room.member_count() as u64 >= self.limits.members_max {
            return Err(CommandError::invalid("members", "the room is full (chat.members-max)"));
        }
        let ms = self.now.ms;
        let logged = self.room.settings().log_joins.then(|| decision.next_id(self.now));
        decision.record(Record::Join { user, role, by, ms, logged });
        if logged.is_none() {
            decision.event(Ephemeral::Joined { user, by, role });
        }
        Ok(())
    }
}

/// A COUNT: 1 to 1000. Errors: `INVALID count`.
pub fn count(number: Option<u64>, default: usize) -> Result<usize, CommandError> {
    let asked = number.map_or(Some(default), |number| usize::try_from(number).ok());
    asked
        .filter(|count| (1..=COUNT_MAX).contains(count))
        .ok_or(CommandError::invalid("count", "1 to 1000"))
}

/// A BYTES: 1 to [`REPLY_BYTES_MAX`], which is also the default. Errors: `INVALID bytes`.
pub fn bytes(number: Option<u64>) -> Result<usize, CommandError> {
    let asked = number.map_or(Some(REPLY_BYTES_MAX), |number| usize::try_from(number).ok());
    asked
        .filter(|bytes| (1..=REPLY_BYTES_MAX).contains(bytes))
        .ok_or(CommandError::invalid("bytes", "1 to 4194304"))
}

/// A cursor of a list in the order of coming: a place. Errors: `INVALID cursor`.
fn place(cursor: Option<&[u8]>) -> Result<u64, CommandError> {
    match cursor {
        None => Ok(0),
        Some(bytes) => chat_protocol::id::parse_integer(bytes)
            .ok_or(CommandError::invalid("cursor", "what the page before has answered")),
    }
}
