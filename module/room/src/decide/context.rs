//! What every rule reads, and the checks that several rules share: access, permission to write,
//! rate limits, creating the room, adding a member.

use chat_protocol::id::Id;
use chat_protocol::names::{Actor, RoomKind, RoomName};

use crate::codec::event_ephemeral::Ephemeral;
use crate::codec::record::Record;
use crate::command_error::CommandError;
use crate::decide::decision::{Decision, Step};
use crate::state::limits::{Create, Limits, MAX_TEXT};
use crate::state::room::{Now, Room};
use crate::state::settings::kind::Access;
use crate::state::users::members::Role;

/// Whether a command creates the room it names, if there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Creation {
    /// The command creates it.
    #[default]
    Allowed,
    /// NOCREATE: the command fails with `NOROOM`.
    Refused,
}

/// Whether a service has judged what a command says, where the room's setting `hook` asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Judging {
    /// It has, or the caller need not ask.
    #[default]
    Done,
    /// NOHOOK: a room with the setting refuses the command with `DENIED hook`.
    Missing,
}

/// Everything that a rule reads besides its command.
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

impl<'r, 'a> Context<'r, 'a> {
    /// The room, which must exist. Errors: `NOROOM`.
    pub(super) fn existing(&self) -> Result<&'r Room, CommandError> {
        if self.room.is_blank() { Err(CommandError::NoRoom) } else { Ok(self.room) }
    }

    /// The room, if `reader` may read it; `None`: the backend reads. Errors: `NOROOM`, `BANNED`,
    /// `NOTMEMBER`, `DENIED`.
    pub(super) fn readable(&self, reader: Option<&str>) -> Result<&'r Room, CommandError> {
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

    /// Checks that the name of the room admits `user`: a personal room admits only its user, a
    /// direct room its two users. Errors: `DENIED`, `NOTMEMBER`.
    pub(super) fn check_name_access(&self, user: &str) -> Result<(), CommandError> {
        match self.name.kind {
            RoomKind::Personal(owner) if owner != user => Err(CommandError::Denied("self")),
            RoomKind::Direct(a, b) if a != user && b != user => Err(CommandError::NotMember),
            _ => Ok(()),
        }
    }

    /// Checks that `user` is not banned and that the name of the room admits the user. Errors:
    /// `BANNED`, `DENIED`, `NOTMEMBER`.
    pub(super) fn check_admission(&self, user: &str) -> Result<(), CommandError> {
        match self.room.sanctions.ban(user, self.now.ms) {
            Some(until) => Err(CommandError::Banned(until)),
            None => self.check_name_access(user),
        }
    }

    /// Checks that `user`, who is admitted and has this role, may write messages, reactions and
    /// signals. Errors: `MUTED`, `FROZEN`.
    pub(super) fn check_may_write(
        &self,
        user: &str,
        role: Option<Role>,
    ) -> Result<(), CommandError> {
        if let Some(until) = self.room.sanctions.mute(user, self.now.ms) {
            return Err(CommandError::Muted(until));
        }
        let keeps_order = role >= Some(Role::Moderator);
        if self.room.settings().frozen && !keeps_order && self.is_ordinary() {
            return Err(CommandError::Frozen);
        }
        Ok(())
    }

    /// Checks that `actor` may change content of the room: a member who may write, a user of a
    /// direct room, the user of a personal room, or the backend. Errors: `NOROOM`, `BANNED`,
    /// `NOTMEMBER`, `DENIED`, `MUTED`, `FROZEN`.
    pub(super) fn check_may_change(&self, actor: Actor<'_>) -> Result<(), CommandError> {
        let Actor::User(user) = actor else { return self.existing().map(drop) };
        self.readable(Some(user))?;
        let role = self.room.role(user);
        if self.is_ordinary() && role.is_none() {
            return Err(CommandError::NotMember);
        }
        self.check_may_write(user, role)
    }

    /// Refuses what no service has judged, if the room wants it judged. Errors: `DENIED hook`.
    pub(super) fn check_judged(&self, judging: Judging) -> Result<(), CommandError> {
        match judging == Judging::Missing && self.room.settings().hook {
            true => Err(CommandError::Denied("hook")),
            false => Ok(()),
        }
    }

    /// Counts one action of `actor` against the rate limit. Errors: `RATELIMIT`.
    pub(super) fn consume_rate(
        &self,
        actor: Actor<'a>,
        decision: &mut Decision<'a>,
    ) -> Result<(), CommandError> {
        self.consume_rate_after(0, actor, decision)
    }

    /// [`Context::consume_rate`] for an actor who must wait at least `wait` milliseconds for
    /// another reason.
    pub(super) fn consume_rate_after(
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

    /// The most bytes of a text of `actor`: at most half of what the room may take.
    pub(super) fn max_text_for(&self, actor: Actor<'_>) -> u64 {
        let settings = self.room.settings();
        let most = match actor {
            Actor::Backend => MAX_TEXT.max,
            Actor::User(_) => settings.max_text(self.limits),
        };
        most.min(settings.room_bytes(self.limits) / 2)
    }

    /// The id and the number of a visible message that is not deleted. Errors: `INVALID id`,
    /// `NOMSG`.
    pub(super) fn message(&self, id: &[u8]) -> Result<(Id, u64), CommandError> {
        let id = Id::parse(id).ok_or(CommandError::invalid("id", "<ms>-<n>"))?;
        self.living(id).map(|m| (id, m))
    }

    /// The number of the visible message with this id, which is not deleted. Errors: `NOMSG`.
    pub(super) fn living(&self, id: Id) -> Result<u64, CommandError> {
        let m = self.room.messages.find(id).filter(|m| *m >= self.first_visible());
        let m = m.ok_or(CommandError::NoMessage)?;
        let deleted = self.room.messages.get(m).is_none_or(|message| message.is_deleted());
        if deleted { Err(CommandError::NoMessage) } else { Ok(m) }
    }

    /// The number of the first message that readers see. Older ones are hidden even while they are
    /// still stored.
    pub(crate) fn first_visible(&self) -> u64 {
        self.room.first_visible(self.now.ms, self.room.settings(), self.limits)
    }

    pub(super) fn is_ordinary(&self) -> bool {
        self.name.kind == RoomKind::Ordinary
    }

    /// Adds the steps that create the room for `actor`, if it is blank. They come first in the
    /// decision. The creator of an ordinary room becomes its owner; both users of a direct room
    /// become members. Errors: `NOROOM`, `DENIED backend`.
    pub(super) fn create_room(
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

    /// Adds the steps that make `user` a member with `role` and publish the join. Errors: `INVALID
    /// members`.
    pub(super) fn add_member(
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
