//! The one encoding of durable events. The bytes go unchanged to the channel, to CHAT.SYNC, to
//! CHAT.HISTORY and to the WebSocket.
//!
//! Members have the order of `chat_protocol::event_header::MEMBERS`; absent ones are left out. The
//! files in tests/fixtures/events/ show every type and shape.

use chat_protocol::event_header::MOVED;
use chat_protocol::id::Id;

use crate::codec::event_fields::{
    Numbers, Origin, durable, ephemeral, key, number, option, plain, raw, reference, string,
};
use crate::codec::event_message::{Reactions, bare_message, stored_message};
use crate::codec::record::Record;
use crate::codec::record_content::Erasure;
use crate::state::log::journal::{Change, Left, LogEntry, ReactionDetail};
use crate::state::log::message_body::Body;
use crate::state::repeated::Repeated;
use crate::state::room::Room;
use crate::state::settings::table::to_json;
use crate::state::users::alias::alias_name;
use crate::state::users::members::{MemberAction, MemberChange, Role};

/// Writes the event of a log entry, which happened at `ts`, with what it repeats of its message.
pub(crate) fn entry(
    out: &mut Vec<u8>,
    room: &str,
    entry: &LogEntry,
    ts: u64,
    repeated: Option<Repeated<'_>>,
) {
    let LogEntry { id, prev, change } = entry;
    let origin = Origin { id: *id, prev: *prev, ts };
    match change {
        Change::Settings { by, data } => settings(out, room, origin, by, data),
        Change::Member(member) => member_change(out, room, origin, member.change()),
        Change::Edit { target, user } => {
            let (text, meta) = match repeated {
                Some(Repeated::Content { text, meta }) => (Some(text), meta),
                _ => (None, None),
            };
            edit(out, room, origin, user, target.id, text, meta);
        }
        Change::Delete { target, user, reason } => {
            delete(out, room, origin, user, target.id, reason.as_deref());
        }
        Change::React { target, removed, .. } => {
            let reaction = match repeated {
                Some(Repeated::Reaction(ReactionDetail { user, emoji })) => {
                    Some((&**user, &**emoji))
                }
                _ => None,
            };
            react(out, room, origin, target.id, reaction, *removed);
        }
        Change::Presence { user, left } => {
            let left = left.as_ref().map(|Left { since, reason }| (*since, &**reason));
            presence(out, room, origin, user, left);
        }
        Change::Erase { user, alias, up_to } => erase(out, room, origin, user, *up_to, *alias),
    }
}

/// Writes the event of a record before it is applied to the room `before`. False: the record makes
/// no event.
pub(crate) fn of_record(
    out: &mut Vec<u8>,
    numbers: &mut Numbers,
    room: &str,
    before: &Room,
    record: &Record<'_>,
) -> bool {
    let origin = |id: Id| Origin { id, prev: before.last, ts: before.time_of(id) };
    match record {
        Record::Message(new) => {
            let m = before.messages.last() + 1;
            if let Some(bare) = new.body.bare()
                && bare_message(
                    out,
                    numbers,
                    room,
                    new.author,
                    m,
                    (new.id, before.time_of(new.id)),
                    bare,
                )
            {
                return true;
            }
            let none = Reactions { list: &[], users: &before.users };
            stored_message(
                out,
                room,
                new.author,
                m,
                (new.id, before.time_of(new.id)),
                &new.body,
                none,
            );
        }
        Record::Settings(new) => {
            settings(out, room, origin(new.id), new.by, &to_json(&new.changes));
        }
        Record::Join { user, role, by, logged: Some(id), .. } => {
            let change = MemberChange::plain(user, *by, MemberAction::Join, Some(*role));
            member_change(out, room, origin(*id), change);
        }
        Record::Leave { id, user, by } => {
            let change = MemberChange::plain(user, *by, MemberAction::Leave, None);
            member_change(out, room, origin(*id), change);
        }
        Record::Role { id, user, role, by } => {
            let change = MemberChange::plain(user, *by, MemberAction::Role, Some(*role));
            member_change(out, room, origin(*id), change);
        }
        Record::Moderate { id, change } => member_change(out, room, origin(*id), *change),
        Record::Edit { id, user, message, text, meta } => {
            // An edit repeats the unchanged meta, so that the newest edit alone is enough.
            let stored = before.messages.find(*message).and_then(|m| before.messages.get(m));
            let kept = stored.and_then(|stored| Body::read(stored.body).ok());
            let meta = meta.or(kept.and_then(|body| body.meta));
            edit(out, room, origin(*id), user, *message, Some(text), meta);
        }
        Record::Delete { id, user, message, reason } => {
            delete(out, room, origin(*id), user, *message, *reason);
        }
        Record::React { id, user, message, emoji, removed } => {
            react(out, room, origin(*id), *message, Some((user, emoji)), *removed);
        }
        Record::LogOnline { id, user } => presence(out, room, origin(*id), user, None),
        Record::LogOffline { id, since, user, reason } => {
            presence(out, room, origin(*id), user, Some((*since, *reason)));
        }
        Record::Erase(Erasure { id, user, up_to, alias, .. }) => {
            erase(out, room, origin(*id), user, *up_to, *alias);
        }
        _ => return false,
    }
    true
}

fn settings(out: &mut Vec<u8>, room: &str, origin: Origin, by: &str, data: &str) {
    durable(out, room, origin, "room");
    string(out, key!("by"), by);
    raw(out, key!("data"), Some(data));
    out.push(b'}');
}

fn member_change(out: &mut Vec<u8>, room: &str, origin: Origin, change: MemberChange<'_>) {
    durable(out, room, origin, "member");
    string(out, key!("user"), change.user);
    option(out, key!("by"), change.by);
    string(out, key!("kind"), change.action.as_str());
    option(out, key!("role"), change.role.map(Role::as_str));
    option(out, key!("reason"), change.reason);
    if let Some(until) = change.until {
        number(out, key!("until"), until);
    }
    out.push(b'}');
}

fn edit(
    out: &mut Vec<u8>,
    room: &str,
    origin: Origin,
    user: &str,
    message: Id,
    text: Option<&str>,
    meta: Option<&str>,
) {
    durable(out, room, origin, "edit");
    string(out, key!("user"), user);
    reference(out, key!("ref"), message);
    option(out, key!("text"), text);
    raw(out, key!("meta"), meta);
    out.push(b'}');
}

fn delete(
    out: &mut Vec<u8>,
    room: &str,
    origin: Origin,
    user: &str,
    message: Id,
    reason: Option<&str>,
) {
    durable(out, room, origin, "delete");
    string(out, key!("user"), user);
    reference(out, key!("ref"), message);
    option(out, key!("reason"), reason);
    out.push(b'}');
}

fn react(
    out: &mut Vec<u8>,
    room: &str,
    origin: Origin,
    message: Id,
    reaction: Option<(&str, &str)>,
    removed: bool,
) {
    durable(out, room, origin, "react");
    option(out, key!("user"), reaction.map(|(user, _)| user));
    reference(out, key!("ref"), message);
    option(out, key!("emoji"), reaction.map(|(_, emoji)| emoji));
    if removed {
        raw(out, key!("removed"), Some("true"));
    }
    out.push(b'}');
}

/// `left`: since when the user who went offline was online, and why they went.
fn presence(out: &mut Vec<u8>, room: &str, origin: Origin, user: &str, left: Option<(u64, &str)>) {
    durable(out, room, origin, "presence");
    string(out, key!("user"), user);
    plain(out, key!("kind"), if left.is_some() { "leave" } else { "join" });
    if let Some((since, reason)) = left {
        string(out, key!("reason"), reason);
        number(out, key!("since"), since);
    }
    out.push(b'}');
}

fn erase(out: &mut Vec<u8>, room: &str, origin: Origin, user: &str, up_to: Id, alias: u64) {
    durable(out, room, origin, "erase");
    string(out, key!("user"), user);
    reference(out, key!("ref"), up_to);
    plain(out, key!("as"), &alias_name(alias));
    out.push(b'}');
}

/// The event that a room's key is gone: the room's name and last id, the time and the reason.
pub fn dropped(name: &str, last: Id, ts: u64, reason: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    ephemeral(&mut out, name, last, "drop", ts);
    string(&mut out, key!("reason"), reason);
    out.push(b'}');
    out
}

/// The event that a room's key moves to another node of the cluster: the room's name and last id,
/// and the time.
pub fn moved(name: &str, last: Id, ts: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    ephemeral(&mut out, name, last, MOVED, ts);
    out.push(b'}');
    out
}
