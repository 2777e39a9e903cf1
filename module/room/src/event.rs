//! The one encoding of events. What is written here goes to the channel, to CHAT.SYNC, to
//! CHAT.HISTORY and to the WebSocket unchanged.
//!
//! Members stand in a fixed order and absent ones are left out:
//! `id, prev | last, room, type, ts, user, by, kind, ref, text, meta, reply, mentions, emoji,
//! removed, name, data, status, users, role, reason, until, edited, reactions, deleted, nonce, m`.

use std::borrow::Cow;

use crate::id::Id;
use crate::journal::{Change, Fact};
use crate::json;
use crate::members::Role;
use crate::messages::{Body, Message};
use crate::record::Record;
use crate::room::Room;
use crate::settings::to_json;

/// Something that is published and not stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Ephemeral<'a> {
    /// A user became a member, in a room that does not log joins.
    Joined {
        /// Who.
        user: &'a str,
        /// Who added them, if somebody else did.
        by: Option<&'a str>,
        /// As what.
        role: Role,
    },
    /// A user's first connection came.
    Came {
        /// Who.
        user: Cow<'a, str>,
    },
    /// A user's last connection went.
    Went {
        /// Who.
        user: Cow<'a, str>,
        /// `left`, `timeout` or what the caller said.
        reason: &'a str,
    },
    /// How many users are here, in a room with too many to name.
    Occupancy,
    /// A user's shown status changed.
    Status {
        /// Who.
        user: Cow<'a, str>,
    },
    /// A signal of a client, or the backend's `notice`.
    Signal {
        /// Who.
        user: &'a str,
        /// What kind of signal.
        name: &'a str,
        /// A JSON object.
        data: Option<&'a str>,
    },
    /// A message nobody stores.
    Message {
        /// Who.
        user: &'a str,
        /// See `messages.rs`.
        body: Vec<u8>,
    },
}

/// The name of the signal that becomes an event type of its own.
pub(crate) const NOTICE: &str = "notice";

/// Writes the event of a stored message.
pub(crate) fn message(out: &mut Vec<u8>, room: &str, user: &str, m: u64, stored: &Message) {
    if let Ok(body) = Body::read(&stored.body) {
        stored_message(out, room, user, m, stored.id, &body);
    }
}

/// Writes the event of a fact.
pub(crate) fn fact(out: &mut Vec<u8>, room: &str, fact: &Fact) {
    let Fact { id, prev, change } = fact;
    match change {
        Change::Settings { by, data } => settings(out, room, *id, *prev, by, data),
        Change::Join { user, by, role } => {
            member(out, room, (*id, *prev), user, by.as_deref(), "join", Some(*role));
        }
        Change::Leave { user, by } => {
            member(out, room, (*id, *prev), user, by.as_deref(), "leave", None);
        }
        Change::Role { user, by, role } => {
            member(out, room, (*id, *prev), user, by.as_deref(), "role", Some(*role));
        }
    }
}

/// Writes the event of a record about to be applied to `before`. False: the record makes none.
pub(crate) fn of_record(out: &mut Vec<u8>, room: &str, before: &Room, record: &Record<'_>) -> bool {
    let prev = before.last;
    match record {
        Record::Message(new) => {
            let Ok(body) = Body::read(&new.body) else { return false };
            let m = before.messages.last() + 1;
            stored_message(out, room, new.author, m, new.id, &body);
        }
        Record::Settings(new) => {
            settings(out, room, new.id, prev, new.by, &to_json(&new.changes));
        }
        Record::Join { user, role, by, logged: Some(id), .. } => {
            member(out, room, (*id, prev), user, *by, "join", Some(*role));
        }
        Record::Leave { id, user, by } => {
            member(out, room, (*id, prev), user, *by, "leave", None);
        }
        Record::Role { id, user, role, by } => {
            member(out, room, (*id, prev), user, *by, "role", Some(*role));
        }
        _ => return false,
    }
    true
}

/// Writes an event that is not stored, as of the room's present state.
pub(crate) fn ephemeral(
    out: &mut Vec<u8>,
    name: &str,
    room: &Room,
    ts: u64,
    event: &Ephemeral<'_>,
) {
    let kind = match event {
        Ephemeral::Joined { .. } => "member",
        Ephemeral::Came { .. } | Ephemeral::Went { .. } | Ephemeral::Status { .. } => "presence",
        Ephemeral::Occupancy => "occupancy",
        Ephemeral::Signal { name, .. } if *name == NOTICE => NOTICE,
        Ephemeral::Signal { .. } => "signal",
        Ephemeral::Message { .. } => "message",
    };
    passing(out, name, room.last, kind, ts);
    match event {
        Ephemeral::Joined { user, by, role } => {
            string(out, "user", user);
            option(out, "by", *by);
            string(out, "kind", "join");
            string(out, "role", role.as_str());
        }
        Ephemeral::Came { user } => presence(out, room, user, "join", None),
        Ephemeral::Occupancy => number(out, "users", room.online() as u64),
        Ephemeral::Status { user } => presence(out, room, user, "status", None),
        Ephemeral::Went { user, reason } => presence(out, room, user, "leave", Some(reason)),
        Ephemeral::Signal { user, name, data } => {
            string(out, "user", user);
            if *name != NOTICE {
                string(out, "name", name);
            }
            raw(out, "data", *data);
        }
        Ephemeral::Message { user, body } => {
            string(out, "user", user);
            if let Ok(body) = Body::read(body) {
                content(out, &body);
            }
        }
    }
    out.push(b'}');
}

fn presence(out: &mut Vec<u8>, room: &Room, user: &str, kind: &str, reason: Option<&str>) {
    string(out, "user", user);
    string(out, "kind", kind);
    let online = room.users.by_name(user).and_then(|entry| entry.online.as_ref());
    option(out, "status", online.map(|online| online.statuses.shown()));
    number(out, "users", room.online() as u64);
    option(out, "reason", reason);
}

fn stored_message(out: &mut Vec<u8>, room: &str, user: &str, m: u64, id: Id, body: &Body<'_>) {
    let n = id.n.saturating_sub(1);
    // Nothing comes before the first event, whose stored distance is the time since the epoch.
    let prev_ms = if n == 0 { 0 } else { id.ms.saturating_sub(body.since_previous) };
    durable(out, room, id, Id { ms: prev_ms, n }, "message");
    string(out, "user", user);
    content(out, body);
    number(out, "m", m);
    out.push(b'}');
}

fn content(out: &mut Vec<u8>, body: &Body<'_>) {
    string(out, "kind", body.kind);
    string(out, "text", body.text);
    raw(out, "meta", body.meta);
    if let Some(reply) = body.reply {
        out.extend_from_slice(b",\"reply\":\"");
        reply.write(out);
        out.push(b'"');
    }
    if !body.mentions.is_empty() {
        out.extend_from_slice(b",\"mentions\":[");
        for (at, name) in body.mentions.names().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            json::write_string(out, name);
        }
        out.push(b']');
    }
    option(out, "nonce", body.nonce);
}

fn settings(out: &mut Vec<u8>, room: &str, id: Id, prev: Id, by: &str, data: &str) {
    durable(out, room, id, prev, "room");
    string(out, "by", by);
    raw(out, "data", Some(data));
    out.push(b'}');
}

fn member(
    out: &mut Vec<u8>,
    room: &str,
    (id, prev): (Id, Id),
    user: &str,
    by: Option<&str>,
    kind: &str,
    role: Option<Role>,
) {
    durable(out, room, id, prev, "member");
    string(out, "user", user);
    option(out, "by", by);
    string(out, "kind", kind);
    option(out, "role", role.map(Role::as_str));
    out.push(b'}');
}

/// The event that tells of a room whose key is gone: its name, its last id, when and why.
pub fn dropped(name: &str, last: Id, ts: u64, reason: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    passing(&mut out, name, last, "drop", ts);
    string(&mut out, "reason", reason);
    out.push(b'}');
    out
}

/// The beginning of every ephemeral event.
fn passing(out: &mut Vec<u8>, room: &str, last: Id, kind: &str, ts: u64) {
    out.extend_from_slice(b"{\"last\":\"");
    last.write(out);
    out.push(b'"');
    string(out, "room", room);
    string(out, "type", kind);
    number(out, "ts", ts);
}

/// The beginning of every durable event.
fn durable(out: &mut Vec<u8>, room: &str, id: Id, prev: Id, kind: &str) {
    out.extend_from_slice(b"{\"id\":\"");
    id.write(out);
    out.extend_from_slice(b"\",\"prev\":\"");
    prev.write(out);
    out.push(b'"');
    string(out, "room", room);
    string(out, "type", kind);
    number(out, "ts", id.ms);
}

fn name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn string(out: &mut Vec<u8>, member: &str, text: &str) {
    name(out, member);
    json::write_string(out, text);
}

fn option(out: &mut Vec<u8>, member: &str, text: Option<&str>) {
    if let Some(text) = text {
        string(out, member, text);
    }
}

fn raw(out: &mut Vec<u8>, member: &str, json: Option<&str>) {
    if let Some(json) = json {
        name(out, member);
        out.extend_from_slice(json.as_bytes());
    }
}

fn number(out: &mut Vec<u8>, member: &str, value: u64) {
    name(out, member);
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}
