//! The event of a message: when it is sent, in CHAT.SYNC, and in CHAT.HISTORY, which shows its
//! present state.

use chat_protocol::id::INTEGER_BYTES_MAX;
use chat_protocol::id::Id;
use chat_protocol::limits::REACTORS_SHOWN;

use crate::bytes::json;
use crate::bytes::json_writer;
use crate::codec::event_fields::{
    HEADER_MAX, Numbers, Origin, durable, key, number, option, plain, plain_header, raw, reference,
    string,
};
use crate::state::log::annotations::Reaction;
use crate::state::log::message_body::{Bare, Body, Deleted};
use crate::state::log::message_run::Message;
use crate::state::room::Room;
use crate::state::users::user_table::Users;

/// Writes the event of the room's stored message number `m` in its present state, with these
/// reactions.
pub(crate) fn message(
    out: &mut Vec<u8>,
    numbers: &mut Numbers,
    name: &str,
    room: &Room,
    m: u64,
    message: Message<'_>,
    reactions: &[Reaction],
) {
    let user = room.users.name(message.author);
    let at = (message.id, room.time_of(message.id));
    if reactions.is_empty()
        && let Some(bare) = Body::read_bare(message.body)
        && bare_message(out, numbers, name, user, m, at, bare)
    {
        return;
    }
    if let Ok(body) = Body::read(message.body) {
        let reactions = Reactions { list: reactions, users: &room.users };
        stored_message(out, name, user, m, at, &body, reactions);
    }
}

/// The reactions to a message, and the table of users that their numbers refer to.
#[derive(Clone, Copy)]
pub(super) struct Reactions<'r> {
    pub(super) list: &'r [Reaction],
    pub(super) users: &'r Users,
}

/// Writes the event of a message with a text alone, if nothing is to be escaped. The bytes are the
/// same as [`stored_message`] writes; this is several times faster.
pub(super) fn bare_message(
    out: &mut Vec<u8>,
    numbers: &mut Numbers,
    room: &str,
    user: &str,
    m: u64,
    at: (Id, u64),
    Bare { since_previous, nonce, text }: Bare<'_>,
) -> bool {
    let nonce_or_empty = nonce.unwrap_or_default();
    if ![room.as_bytes(), user.as_bytes(), nonce_or_empty, text].into_iter().all(json::is_plain) {
        return false;
    }
    let length = room.len() + user.len() + text.len() + nonce_or_empty.len();
    json_writer::append(out, HEADER_MAX + 96 + INTEGER_BYTES_MAX + length, |writer| {
        plain_header(writer, numbers, room, origin(at, since_previous), "message");
        writer.fixed(b",\"user\":\"");
        writer.text(user.as_bytes());
        writer.fixed(b"\",\"kind\":\"text\",\"text\":\"");
        writer.text(text);
        if let Some(nonce) = nonce {
            writer.fixed(b"\",\"nonce\":\"");
            writer.text(nonce);
        }
        writer.fixed(b"\",\"m\":");
        writer.number(numbers.m.at(m));
        writer.fixed(b"}");
    });
    true
}

/// The place of the message with this id and time, given the milliseconds between its id and the
/// one before.
fn origin((id, ts): (Id, u64), since_previous: u64) -> Origin {
    let n = id.n.saturating_sub(1);
    // No event precedes the first one; its stored distance is the time since the epoch.
    let ms = if n == 0 { 0 } else { id.ms.saturating_sub(since_previous) };
    Origin { id, prev: Id { ms, n }, ts }
}

pub(super) fn stored_message(
    out: &mut Vec<u8>,
    room: &str,
    user: &str,
    m: u64,
    at: (Id, u64),
    body: &Body<'_>,
    reactions: Reactions<'_>,
) {
    let (id, ts) = at;
    let at = (id, body.imported.unwrap_or(ts));
    durable(out, room, origin(at, body.since_previous), "message");
    string(out, key!("user"), user);
    match body.deleted {
        None => content(out, body, reactions),
        Some(Deleted { ms, by, reason }) => {
            option(out, key!("by"), by);
            option(out, key!("reason"), reason);
            number(out, key!("deleted"), ms);
        }
    }
    if body.imported.is_some() {
        raw(out, key!("imported"), Some("true"));
    }
    number(out, key!("m"), m);
    out.push(b'}');
}

pub(super) fn content(out: &mut Vec<u8>, body: &Body<'_>, reactions: Reactions<'_>) {
    plain(out, key!("kind"), body.kind);
    string(out, key!("text"), body.text);
    raw(out, key!("meta"), body.meta);
    if let Some(reply) = body.reply {
        reference(out, key!("reply"), reply);
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
    if let Some(edited) = body.edited {
        number(out, key!("edited"), edited);
    }
    if !reactions.list.is_empty() {
        write_reactions(out, reactions);
    }
    option(out, key!("nonce"), body.nonce);
}

fn write_reactions(out: &mut Vec<u8>, Reactions { list, users }: Reactions<'_>) {
    out.extend_from_slice(key!("reactions"));
    for (at, reaction) in list.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"[{\"emoji\":" } else { b",{\"emoji\":" });
        json::write_string(out, &reaction.emoji);
        number(out, key!("count"), reaction.users.len() as u64);
        out.extend_from_slice(key!("users"));
        for (at, user) in reaction.users.iter().take(REACTORS_SHOWN).enumerate() {
            out.push(if at == 0 { b'[' } else { b',' });
            json::write_string(out, users.name(user));
        }
        out.extend_from_slice(b"]}");
    }
    out.push(b']');
}
