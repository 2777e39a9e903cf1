//! Records: what was decided, in bytes.
//!
//! A record is complete: ids, absolute times and counts are in it, so applying it asks no clock, no
//! setting and no chance. Records of presence are kept apart from the others because they go to
//! replicas but not into the append-only file. The tag of a record never changes its meaning.

use std::borrow::Cow;

use crate::body::Body;
use crate::encoding::END;
use crate::id::Id;
use crate::json;
use crate::limits::*;
use crate::members::{Deed, MemberChange, Role};
use crate::names::{self, RoomName};
use crate::room::Room;
use crate::settings::Setting;
use crate::varint::{self, Malformed, Reader};

/// One change of a room.
#[derive(Clone, Debug, PartialEq)]
pub enum Record<'a> {
    /// The room is made.
    Create {
        /// Milliseconds since the epoch.
        ms: u64,
    },
    /// A message is stored.
    Message(NewMessage<'a>),
    /// Settings change.
    Settings(NewSettings<'a>),
    /// A user becomes a member.
    Join {
        /// Who.
        user: &'a str,
        /// As what.
        role: Role,
        /// Who added them, if somebody else did.
        by: Option<&'a str>,
        /// Milliseconds since the epoch.
        ms: u64,
        /// The id of the event, in a room that logs joins.
        logged: Option<Id>,
    },
    /// A member leaves.
    Leave {
        /// The id of the event.
        id: Id,
        /// Who.
        user: &'a str,
        /// Who removed them, if somebody else did.
        by: Option<&'a str>,
    },
    /// A member's role changes.
    Role {
        /// The id of the event.
        id: Id,
        /// Who.
        user: &'a str,
        /// The new role.
        role: Role,
        /// Who changed it, if somebody else did.
        by: Option<&'a str>,
    },
    /// Moderation changes what a user is or may do.
    Moderate {
        /// The id of the event.
        id: Id,
        /// What changes.
        change: MemberChange<'a>,
    },
    /// A message has another text.
    Edit {
        /// The id of the event.
        id: Id,
        /// Who did it.
        user: &'a str,
        /// The message's id.
        message: Id,
        /// The new text.
        text: &'a str,
        /// The new meta; `None`: as it was.
        meta: Option<&'a str>,
    },
    /// A message is deleted.
    Delete {
        /// The id of the event.
        id: Id,
        /// Who did it.
        user: &'a str,
        /// The message's id.
        message: Id,
        /// Why.
        reason: Option<&'a str>,
    },
    /// A reaction comes or is taken back.
    React {
        /// The id of the event.
        id: Id,
        /// Whose.
        user: &'a str,
        /// The message's id.
        message: Id,
        /// Which.
        emoji: &'a str,
        /// Whether it is taken back.
        removed: bool,
    },
    /// A member has read up to an event.
    Read {
        /// Who.
        user: &'a str,
        /// The event's id.
        read: Id,
    },
    /// A personal room's user follows a room.
    Follow {
        /// The room followed.
        room: &'a str,
        /// Milliseconds since the epoch.
        since: u64,
    },
    /// A personal room's user follows a room no more.
    Unfollow {
        /// The room.
        room: &'a str,
    },
    /// What is too old or too much is removed: everything before these numbers.
    Trim {
        /// Message number.
        messages_from: u64,
        /// Event number.
        journal_from: u64,
        /// Event number.
        nonces_from: u64,
    },
    /// The whole room but its presence, in the stored form.
    Snapshot {
        /// See `encoding.rs`.
        stored: Cow<'a, [u8]>,
    },
    /// A connection is here: new, or kept, or with another status. Presence.
    Present {
        /// Its name.
        connection: &'a str,
        /// Whose.
        user: &'a str,
        /// Milliseconds until it ends unless beaten. Each copy of the room has a clock of its own.
        ttl: u64,
        /// When this was decided, milliseconds since the epoch.
        now: u64,
        /// The connection's new status; `None`: as it was.
        status: Option<&'a str>,
    },
    /// Connections are kept. Presence.
    Beat {
        /// Milliseconds until they end unless beaten again.
        ttl: u64,
        /// Their names.
        connections: Vec<&'a str>,
    },
    /// A personal room's user came first or went last.
    Seen {
        /// Milliseconds since the epoch.
        ms: u64,
    },
    /// Connections are gone. Presence.
    Absent {
        /// Their names.
        connections: Vec<Cow<'a, str>>,
    },
}

/// A message to store.
#[derive(Clone, Debug, PartialEq)]
pub struct NewMessage<'a> {
    pub(crate) id: Id,
    pub(crate) author: &'a str,
    /// See [`Body`].
    pub(crate) body: Cow<'a, [u8]>,
    /// Of the text, if the message has a nonce to be remembered.
    pub(crate) digest: Option<u64>,
}

/// Settings to change.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSettings<'a> {
    pub(crate) id: Id,
    pub(crate) by: &'a str,
    pub(crate) changes: Vec<Setting<'a>>,
}

const CREATE: u8 = 1;
const MESSAGE: u8 = 2;
const SETTINGS: u8 = 3;
const JOIN: u8 = 4;
const LEAVE: u8 = 5;
const ROLE: u8 = 6;
const FOLLOW: u8 = 7;
const UNFOLLOW: u8 = 8;
const TRIM: u8 = 9;
const SNAPSHOT: u8 = 10;
const SEEN: u8 = 11;
const MODERATE: u8 = 12;
const EDIT: u8 = 13;
const DELETE: u8 = 14;
const REACT: u8 = 15;
const READ: u8 = 16;
const PRESENT: u8 = 32;
const BEAT: u8 = 33;
const ABSENT: u8 = 34;

impl<'a> Record<'a> {
    /// Whether this is about who is here, which ends by itself.
    pub fn is_presence(&self) -> bool {
        matches!(self, Record::Present { .. } | Record::Beat { .. } | Record::Absent { .. })
    }

    /// The id of the durable event this is, if it is one.
    pub(crate) fn event_id(&self) -> Option<Id> {
        match self {
            Record::Message(message) => Some(message.id),
            Record::Settings(settings) => Some(settings.id),
            Record::Join { logged, .. } => *logged,
            Record::Leave { id, .. }
            | Record::Role { id, .. }
            | Record::Moderate { id, .. }
            | Record::Edit { id, .. }
            | Record::Delete { id, .. }
            | Record::React { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// Whether this can begin a room.
    pub fn makes_a_room(&self) -> bool {
        matches!(self, Record::Create { .. } | Record::Snapshot { .. })
    }

    /// Appends the record's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Record::Create { ms } => numbers(out, CREATE, &[*ms]),
            Record::Message(NewMessage { id, author, body, digest }) => {
                numbers(out, MESSAGE, &[id.ms, id.n]);
                varint::put_bytes(out, author.as_bytes());
                out.push(u8::from(digest.is_some()));
                if let Some(digest) = digest {
                    out.extend_from_slice(&digest.to_le_bytes());
                }
                varint::put_bytes(out, body);
            }
            Record::Settings(NewSettings { id, by, changes }) => {
                numbers(out, SETTINGS, &[id.ms, id.n]);
                varint::put_bytes(out, by.as_bytes());
                varint::put(out, changes.len() as u64);
                changes.iter().for_each(|change| change.write(out));
            }
            Record::Join { user, role, by, ms, logged } => {
                let id = logged.unwrap_or_default();
                numbers(out, JOIN, &[*ms, id.ms, id.n, *role as u64]);
                varint::put_bytes(out, user.as_bytes());
                varint::put_option(out, *by);
            }
            Record::Leave { id, user, by } => {
                numbers(out, LEAVE, &[id.ms, id.n]);
                varint::put_bytes(out, user.as_bytes());
                varint::put_option(out, *by);
            }
            Record::Role { id, user, role, by } => {
                numbers(out, ROLE, &[id.ms, id.n, *role as u64]);
                varint::put_bytes(out, user.as_bytes());
                varint::put_option(out, *by);
            }
            Record::Moderate { id, change } => {
                numbers(out, MODERATE, &[id.ms, id.n]);
                write_member(out, *change);
            }
            Record::Edit { id, user, message, text, meta } => {
                numbers(out, EDIT, &[id.ms, id.n, message.ms, message.n]);
                varint::put_bytes(out, user.as_bytes());
                varint::put_bytes(out, text.as_bytes());
                varint::put_option(out, *meta);
            }
            Record::Delete { id, user, message, reason } => {
                numbers(out, DELETE, &[id.ms, id.n, message.ms, message.n]);
                varint::put_bytes(out, user.as_bytes());
                varint::put_option(out, *reason);
            }
            Record::React { id, user, message, emoji, removed } => {
                numbers(out, REACT, &[id.ms, id.n, message.ms, message.n]);
                varint::put_bytes(out, user.as_bytes());
                varint::put_bytes(out, emoji.as_bytes());
                out.push(u8::from(*removed));
            }
            Record::Read { user, read } => {
                numbers(out, READ, &[read.ms, read.n]);
                varint::put_bytes(out, user.as_bytes());
            }
            Record::Follow { room, since } => {
                numbers(out, FOLLOW, &[*since]);
                varint::put_bytes(out, room.as_bytes());
            }
            Record::Unfollow { room } => {
                out.push(UNFOLLOW);
                varint::put_bytes(out, room.as_bytes());
            }
            Record::Trim { messages_from, journal_from, nonces_from } => {
                numbers(out, TRIM, &[*messages_from, *journal_from, *nonces_from]);
            }
            Record::Snapshot { stored } => {
                out.push(SNAPSHOT);
                varint::put_bytes(out, stored);
            }
            Record::Seen { ms } => numbers(out, SEEN, &[*ms]),
            Record::Present { connection, user, ttl, now, status } => {
                numbers(out, PRESENT, &[*ttl, *now]);
                varint::put_bytes(out, connection.as_bytes());
                varint::put_bytes(out, user.as_bytes());
                varint::put_option(out, *status);
            }
            Record::Beat { ttl, connections } => {
                numbers(out, BEAT, &[*ttl, connections.len() as u64]);
                connections.iter().for_each(|name| varint::put_bytes(out, name.as_bytes()));
            }
            Record::Absent { connections } => {
                numbers(out, ABSENT, &[connections.len() as u64]);
                connections.iter().for_each(|name| varint::put_bytes(out, name.as_bytes()));
            }
        }
    }

    /// Reads the records that [`Record::write`] has written one after another. Errors: malformed
    /// bytes, before anything is applied.
    pub fn read_all(bytes: &'a [u8]) -> Result<Vec<Record<'a>>, Malformed> {
        let mut reader = Reader::new(bytes);
        let mut records = Vec::new();
        while !reader.is_empty() {
            records.push(Record::read(&mut reader)?);
        }
        Ok(records)
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(match reader.byte()? {
            CREATE => Record::Create { ms: read_ms(reader)?.max(1) },
            MESSAGE => {
                let id = read_id(reader)?;
                let author = read_actor(reader)?;
                let digest = if reader.flag()? { Some(reader.fixed()?) } else { None };
                let body = reader.bytes()?;
                Body::read(body)?.check()?;
                Record::Message(NewMessage { id, author, body: body.into(), digest })
            }
            SETTINGS => {
                let id = read_id(reader)?;
                let by = read_actor(reader)?;
                let count = reader.count()?;
                let changes =
                    (0..count).map(|_| Setting::read(reader)).collect::<Result<_, _>>()?;
                Record::Settings(NewSettings { id, by, changes })
            }
            JOIN => {
                let ms = read_ms(reader)?;
                let id = read_id(reader)?;
                let role = read_role(reader)?;
                let (user, by) = read_who(reader)?;
                Record::Join { user, role, by, ms, logged: (id != Id::ZERO).then_some(id) }
            }
            LEAVE => {
                let id = read_id(reader)?;
                let (user, by) = read_who(reader)?;
                Record::Leave { id, user, by }
            }
            ROLE => {
                let id = read_id(reader)?;
                let role = read_role(reader)?;
                let (user, by) = read_who(reader)?;
                Record::Role { id, user, role, by }
            }
            MODERATE => Record::Moderate { id: read_id(reader)?, change: read_member(reader)? },
            EDIT => {
                let (id, message) = (read_id(reader)?, read_id(reader)?);
                let user = read_actor(reader)?;
                let text = reader.text(MAX_TEXT_MAX as usize)?;
                let meta = reader.option(OBJECT_MAX)?;
                if !meta.is_none_or(json::is_object) {
                    return Err(Malformed("meta is no JSON object"));
                }
                Record::Edit { id, user, message, text, meta }
            }
            DELETE => {
                let (id, message) = (read_id(reader)?, read_id(reader)?);
                let user = read_actor(reader)?;
                Record::Delete { id, user, message, reason: read_line(reader, REASON_MAX)? }
            }
            REACT => {
                let (id, message) = (read_id(reader)?, read_id(reader)?);
                let user = read_actor(reader)?;
                let emoji = reader.name(EMOJI_MAX)?;
                names::emoji(emoji.as_bytes()).map_err(|_| Malformed("no emoji"))?;
                Record::React { id, user, message, emoji, removed: reader.flag()? }
            }
            READ => {
                let read = read_id(reader)?;
                Record::Read { user: read_user(reader)?, read }
            }
            FOLLOW => {
                let since = read_ms(reader)?;
                Record::Follow { room: read_room(reader)?, since }
            }
            UNFOLLOW => Record::Unfollow { room: read_room(reader)? },
            TRIM => Record::Trim {
                messages_from: reader.number()?,
                journal_from: reader.number()?,
                nonces_from: reader.number()?,
            },
            SNAPSHOT => {
                let stored = reader.bytes()?;
                Room::decode(stored)?;
                Record::Snapshot { stored: stored.into() }
            }
            SEEN => Record::Seen { ms: read_ms(reader)? },
            PRESENT => {
                let (ttl, now) = (reader.number()?.min(TTL_MAX), read_ms(reader)?);
                let connection = read_connection(reader)?;
                let user = read_user(reader)?;
                let status = read_line(reader, STATUS_MAX)?;
                Record::Present { connection, user, ttl, now, status }
            }
            BEAT => {
                let ttl = reader.number()?.min(TTL_MAX);
                let names = (0..reader.count()?).map(|_| read_connection(reader));
                Record::Beat { ttl, connections: names.collect::<Result<_, _>>()? }
            }
            ABSENT => {
                let names = (0..reader.count()?)
                    .map(|_| reader.name(CONNECTION_NAME_MAX).map(Cow::Borrowed));
                Record::Absent { connections: names.collect::<Result<_, _>>()? }
            }
            _ => return Err(Malformed("unknown record")),
        })
    }
}

pub(crate) fn read_id(reader: &mut Reader<'_>) -> Result<Id, Malformed> {
    let id = Id { ms: reader.number()?, n: reader.number()? };
    if id.ms < END && id.n < END { Ok(id) } else { Err(Malformed("id out of bounds")) }
}

pub(crate) fn read_ms(reader: &mut Reader<'_>) -> Result<u64, Malformed> {
    let ms = reader.number()?;
    if ms < END { Ok(ms) } else { Err(Malformed("time beyond all clocks")) }
}

fn read_user<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Malformed> {
    let name = reader.name(USER_NAME_MAX)?;
    names::user(name.as_bytes()).map_err(|_| Malformed("no user"))
}

/// A user, or the backend.
pub(crate) fn read_actor<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Malformed> {
    check_actor(reader.name(USER_NAME_MAX)?)
}

fn check_actor(name: &str) -> Result<&str, Malformed> {
    names::Actor::parse(name.as_bytes()).map_err(|_| Malformed("no actor"))?;
    Ok(name)
}

fn read_connection<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Malformed> {
    let name = reader.name(CONNECTION_NAME_MAX)?;
    names::connection(name.as_bytes()).map_err(|_| Malformed("no connection"))
}

fn read_room<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Malformed> {
    let name = reader.name(ROOM_NAME_MAX)?;
    RoomName::parse(name.as_bytes()).map_err(|_| Malformed("no room can be named so"))?;
    Ok(name)
}

/// A short text for people, or none.
pub(crate) fn read_line<'a>(
    reader: &mut Reader<'a>,
    max: usize,
) -> Result<Option<&'a str>, Malformed> {
    let text = reader.option(max)?;
    let line = |text: &str| names::line(text.as_bytes(), max, "text").is_ok();
    if text.is_none_or(line) { Ok(text) } else { Err(Malformed("a text with control characters")) }
}

pub(crate) fn read_role(reader: &mut Reader<'_>) -> Result<Role, Malformed> {
    let number = usize::try_from(reader.number()?).unwrap_or(usize::MAX);
    Role::ALL.get(number).copied().ok_or(Malformed("unknown role"))
}

pub(crate) fn read_who<'a>(
    reader: &mut Reader<'a>,
) -> Result<(&'a str, Option<&'a str>), Malformed> {
    let (user, by) = (read_actor(reader)?, reader.option(USER_NAME_MAX)?);
    Ok((user, by.map(check_actor).transpose()?))
}

pub(crate) fn write_member(out: &mut Vec<u8>, change: MemberChange<'_>) {
    let MemberChange { user, by, deed, role, reason, until } = change;
    varint::put(out, deed as u64);
    varint::put_bytes(out, user.as_bytes());
    varint::put_option(out, by);
    varint::put(out, role.map_or(0, |role| role as u64 + 1));
    varint::put_option(out, reason);
    varint::put(out, until.map_or(0, |until| until.saturating_add(1)));
}

pub(crate) fn read_member<'a>(reader: &mut Reader<'a>) -> Result<MemberChange<'a>, Malformed> {
    let deed = usize::try_from(reader.number()?).unwrap_or(usize::MAX);
    let deed = Deed::ALL.get(deed).copied().ok_or(Malformed("unknown deed"))?;
    let (user, by) = read_who(reader)?;
    let role = match usize::try_from(reader.number()?).unwrap_or(usize::MAX).checked_sub(1) {
        None => None,
        Some(role) => Some(Role::ALL.get(role).copied().ok_or(Malformed("unknown role"))?),
    };
    let reason = read_line(reader, REASON_MAX)?;
    let until = read_until(reader)?;
    Ok(MemberChange { user, by, deed, role, reason, until })
}

/// A moment or none, written as 0 for none, else the moment and one more.
pub(crate) fn read_until(reader: &mut Reader<'_>) -> Result<Option<u64>, Malformed> {
    Ok(read_ms(reader)?.checked_sub(1))
}

fn numbers(out: &mut Vec<u8>, tag: u8, values: &[u64]) {
    out.push(tag);
    values.iter().for_each(|value| varint::put(out, *value));
}
