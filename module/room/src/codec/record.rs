//! Records: what was decided, in bytes.
//!
//! A record is complete: ids, absolute times and counts are in it, so applying it asks no clock, no
//! setting and no chance. Records of presence are kept apart from the others because they go to
//! replicas but not into the append-only file. The tag of a record never changes its meaning.

use std::borrow::Cow;

use chat_protocol::id::Id;

use crate::bytes::varint;
use crate::codec::fields::write_member;
use crate::state::log::message_body::Body;
use crate::state::settings::table::Setting;
use crate::state::users::members::{MemberChange, Role};

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
        /// See `snapshot_write.rs`.
        stored: Cow<'a, [u8]>,
    },
    /// A piece of the whole room but its presence: see [`crate::Loader`]. It stands alone, and nothing
    /// of the room is there before the last one.
    SnapshotPiece {
        /// How many pieces come before.
        place: u64,
        /// See `snapshot_write.rs`.
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
    pub(crate) body: Body<'a>,
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

pub(super) const CREATE: u8 = 1;
pub(super) const MESSAGE: u8 = 2;
pub(super) const SETTINGS: u8 = 3;
pub(super) const JOIN: u8 = 4;
pub(super) const LEAVE: u8 = 5;
pub(super) const ROLE: u8 = 6;
pub(super) const FOLLOW: u8 = 7;
pub(super) const UNFOLLOW: u8 = 8;
pub(super) const TRIM: u8 = 9;
pub(super) const SNAPSHOT: u8 = 10;
pub(super) const SEEN: u8 = 11;
pub(super) const MODERATE: u8 = 12;
pub(super) const EDIT: u8 = 13;
pub(super) const DELETE: u8 = 14;
pub(super) const REACT: u8 = 15;
pub(super) const READ: u8 = 16;
pub(super) const SNAPSHOT_PIECE: u8 = 24;
pub(super) const PRESENT: u8 = 32;
pub(super) const BEAT: u8 = 33;
pub(super) const ABSENT: u8 = 34;

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

    /// Whether applying this gives out a number that is never used again.
    pub(crate) fn consumes_number(&self) -> bool {
        let place = matches!(self, Record::Join { .. } | Record::Present { .. });
        place || self.event_id().is_some()
    }

    /// Whether this can begin a room.
    pub fn creates_room(&self) -> bool {
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
                varint::put_written(out, |out| body.write_to(out));
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
            Record::SnapshotPiece { place, stored } => {
                numbers(out, SNAPSHOT_PIECE, &[*place]);
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
}

fn numbers(out: &mut Vec<u8>, tag: u8, values: &[u64]) {
    out.push(tag);
    values.iter().for_each(|value| varint::put(out, *value));
}
