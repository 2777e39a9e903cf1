//! CHAT.ERASE: removes what a user left in the room, a bounded part with each call.
//!
//! A walk goes over the messages, then over the nonces, then over the journal. Its cursor says how
//! far it is, the alias that replaces the user's name, and whether anything was found. A walk that
//! finds nothing changes nothing.

use chat_protocol::id::Id;
use chat_protocol::names::RoomKind;

use crate::codec::record::Record;
use crate::codec::record_content::{End, Erasure};
use crate::command_error::CommandError;
use crate::decide::context::Context;
use crate::decide::decision::Decision;
use crate::decide::trim::{Added, trim};
use crate::state::log::message_body::Body;
use crate::state::log::message_run::Message;
use crate::state::numbers::UserNumber;
use crate::state::presence::connection::Connection;

/// `CHAT.ERASE` with its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Erase<'a> {
    /// The user whose traces are erased.
    pub user: &'a str,
    /// CURSOR; absent: the walk begins.
    pub cursor: Option<&'a [u8]>,
    /// COUNT: how many messages, nonces and events of the journal one call examines.
    pub count: usize,
    /// KEEP BAN: the ban of the user stays, and with it the name.
    pub keep: Keep,
    /// Random digits of the name that replaces the user's, if the walk begins.
    pub alias: u64,
}

/// What of the user stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    #[default]
    Nothing,
    /// The ban.
    Ban,
}

/// The reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Where the next call continues; `None`: the walk is complete.
    pub cursor: Option<String>,
    /// How many messages, nonces and facts about the user this call changed.
    pub changed: u64,
}

/// The part of the room that a walk is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Messages,
    Nonces,
    Journal,
}

/// How far a walk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Walk {
    part: Part,
    /// The number of the next message, or of the event of the next nonce or journal entry.
    next: u64,
    alias: u64,
    /// Whether anything was found so far.
    found: bool,
}

impl Walk {
    fn parse(cursor: &[u8]) -> Option<Walk> {
        let text = std::str::from_utf8(cursor).ok()?;
        let mut parts = text.splitn(3, '-');
        let (place, alias, found) = (parts.next()?, parts.next()?, parts.next()?);
        let part = match place.get(..1)? {
            "m" => Part::Messages,
            "n" => Part::Nonces,
            "j" => Part::Journal,
            _ => return None,
        };
        let next = chat_protocol::id::parse_integer(place.get(1..)?.as_bytes())?;
        let is_hex = alias.len() == 16 && alias.bytes().all(|byte| byte.is_ascii_hexdigit());
        let alias = is_hex.then(|| u64::from_str_radix(alias, 16).ok()).flatten()?;
        let found = match found {
            "0" => false,
            "1" => true,
            _ => return None,
        };
        Some(Walk { part, next, alias, found })
    }

    fn write(self) -> String {
        let part = match self.part {
            Part::Messages => 'm',
            Part::Nonces => 'n',
            Part::Journal => 'j',
        };
        format!("{part}{}-{:016x}-{}", self.next, self.alias, u8::from(self.found))
    }
}

/// Decides CHAT.ERASE. Errors: `INVALID cursor`; `INVALID room` for a room that has the user's name
/// in its own.
pub fn decide<'a>(
    context: Context<'_, 'a>,
    erase: Erase<'a>,
    decision: &mut Decision<'a>,
) -> Result<Erased, CommandError> {
    let Erase { user, cursor, count, keep, alias } = erase;
    let named = match context.name.kind {
        RoomKind::Personal(owner) => owner == user,
        RoomKind::Direct(a, b) => a == user || b == user,
        RoomKind::Ordinary => false,
    };
    if named {
        return Err(CommandError::invalid("room", "its name has the user's: delete the key"));
    }
    let begin = Walk { part: Part::Messages, next: 0, alias, found: false };
    let walk = match cursor {
        None => begin,
        Some(cursor) => Walk::parse(cursor)
            .ok_or(CommandError::invalid("cursor", "the cursor of the call before"))?,
    };
    let room = context.room;
    if room.is_blank() {
        return Ok(Erased { cursor: None, changed: 0 });
    }
    let mut step = Step::new(context, user, walk, count);
    step.messages();
    step.nonces();
    let (journal_from, complete) = step.journal(keep);
    let Step { walk, changed, up_to, messages, nonces, .. } = step;
    let next = (!complete).then(|| walk.write());
    // A walk that has found something ends with an event also if this part of it has nothing.
    if changed == 0 && !(walk.found && (complete || journal_from > 0)) {
        return Ok(Erased { cursor: next, changed });
    }
    if let Some(number) = room.users.find(user)
        && let Some(online) = room.presence_of(user)
    {
        let connections: Vec<&Connection> = room.presence.of(online).collect();
        let users = context.remove(number, &connections, "kicked", room.online(), decision);
        context.publish_occupancy(users, decision);
    }
    let end = match (complete, keep) {
        (false, _) => End::None,
        (true, Keep::Nothing) => End::All,
        (true, Keep::Ban) => End::ButBan,
    };
    let id = decision.next_id(context.now);
    let alias = walk.alias;
    let part = Erasure { id, user, alias, up_to, messages, nonces, journal_from, end };
    decision.record(Record::Erase(part));
    trim(context, room.settings(), Added::default(), decision);
    Ok(Erased { cursor: next, changed })
}

/// One call's part of a walk.
struct Step<'r, 'a> {
    context: Context<'r, 'a>,
    user: &'a str,
    /// The user's number; `None`: only mentions and the journal may name the user.
    number: Option<UserNumber>,
    walk: Walk,
    /// How many items may still be examined.
    left: usize,
    changed: u64,
    up_to: Id,
    messages: (u64, u64),
    nonces: (u64, u64),
}

impl<'r, 'a> Step<'r, 'a> {
    fn new(context: Context<'r, 'a>, user: &'a str, walk: Walk, count: usize) -> Self {
        let room = context.room;
        let number = room.users.find(user);
        let member = number.and_then(|number| room.users.get(number)?.membership()).is_some();
        let changed = u64::from(member) + u64::from(room.presence_of(user).is_some());
        let walk = Walk { found: walk.found || changed > 0, ..walk };
        let (messages, nonces) = ((0, 0), (0, 0));
        let up_to = room.last;
        Step { context, user, number, walk, left: count, changed, up_to, messages, nonces }
    }

    fn found(&mut self, changed: u64) {
        self.changed += changed;
        self.walk.found |= changed > 0;
    }

    fn messages(&mut self) {
        if self.walk.part != Part::Messages {
            return;
        }
        let messages = &self.context.room.messages;
        let end = messages.last() + 1;
        let from = self.walk.next.clamp(messages.first(), end);
        let to = from.saturating_add(self.left as u64).min(end);
        let changed = (from..to)
            .zip(messages.range(from, to))
            .filter(|(m, message)| self.concerns(*m, *message))
            .count();
        self.messages = (from, to);
        self.left -= (to - from) as usize;
        self.found(changed as u64);
        if to == end {
            (self.walk.part, self.walk.next) = (Part::Nonces, 0);
        } else {
            self.walk.next = to;
            let newest = to.checked_sub(1).and_then(|m| messages.get(m));
            self.up_to = newest.map_or(Id::ZERO, |message| message.id);
        }
    }

    /// Whether message `m` has anything of the user.
    fn concerns(&self, m: u64, message: Message<'_>) -> bool {
        if self.number == Some(message.author) {
            return true;
        }
        if message.is_deleted() {
            let body = Body::read(message.body).ok();
            let by = body.and_then(|body| body.deleted).and_then(|deleted| deleted.by);
            return by == Some(self.user);
        }
        let reactions = self.context.room.annotations.reactions(m);
        let reacted = |number| reactions.iter().any(|reaction| reaction.users.contains(number));
        self.number.is_some_and(reacted)
            || Body::mentioned(message.body).names().any(|name| name == self.user)
    }

    fn nonces(&mut self) {
        let all = &self.context.room.nonces;
        if self.walk.part != Part::Nonces || self.left == 0 {
            return;
        }
        let from = all.before(self.walk.next);
        let to = all.len().min(from + self.left);
        let number = |at: usize| all.get(at).map(|nonce| nonce.id.n);
        let owned = |at: &usize| {
            self.number.is_some() && all.get(*at).map(|nonce| nonce.user) == self.number
        };
        let changed = (from..to).filter(owned).count();
        let last = to.checked_sub(1).and_then(number).map_or(0, |n| n + 1);
        self.nonces = (self.walk.next, last.max(self.walk.next));
        self.left -= to - from;
        self.found(changed as u64);
        if to == all.len() {
            (self.walk.part, self.walk.next) = (Part::Journal, 0);
        } else {
            self.walk.next = last;
        }
    }

    /// Examines the journal and the sanctions. Returns before which event the journal is to be
    /// removed, and whether the walk is complete.
    fn journal(&mut self, keep: Keep) -> (u64, bool) {
        let room = self.context.room;
        if self.walk.part != Part::Journal || self.left == 0 {
            return (0, false);
        }
        if !self.walk.found {
            let mut entries = room.journal.entries_from(self.walk.next);
            let mut examined = entries.by_ref().take(self.left);
            let mut next = self.walk.next;
            let named = examined.by_ref().any(|entry| {
                next = entry.id.n + 1;
                entry.names(self.user)
            });
            drop(examined);
            let more = entries.next().is_some();
            self.walk.next = next;
            if !named && more {
                return (0, false);
            }
            self.found(u64::from(named));
        }
        let ban = room.sanctions.ban(self.user, 0).is_some();
        let kept = keep == Keep::Ban && ban;
        let sanctioned = room.sanctions.contains(self.user);
        let muted = room.sanctions.mute(self.user, 0).is_some();
        let lifted = if kept { muted } else { sanctioned };
        if !self.walk.found && !lifted {
            return (0, true);
        }
        if room.journal.entry_count() <= self.left {
            self.found(u64::from(lifted));
            return (0, true);
        }
        self.walk.found = true;
        // One more than is added by the event of this call.
        let from = room.journal.entry_number(self.left + 1);
        (from.unwrap_or(room.last.n + 1), false)
    }
}
