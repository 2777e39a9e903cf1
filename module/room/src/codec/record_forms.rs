//! The forms of the fields of records: how each is written, and how it is read and checked.
//!
//! Reading is as strict as RESTORE is with stored rooms: a record that is accepted leaves a room
//! that can go on, be stored and be loaded again. The table in `record.rs` names the form of each
//! field.

use std::borrow::Cow;

use chat_protocol::id::Id;
use chat_protocol::limits::*;
use chat_protocol::names;

use crate::bytes::json;
use crate::bytes::varint::{self, Malformed, Reader};
use crate::codec::fields;
use crate::codec::record_content::{End, Erasure, NewMessage, NewSettings};
use crate::state::limits::MAX_TEXT;
use crate::state::log::message_body::Body;
use crate::state::room::Room;
use crate::state::settings::table::Setting;
use crate::state::users::members::{MemberChange, Role};

/// Makes a module with `write` and `read` of each form: `name: type, writer, reader`.
macro_rules! forms {
    ($($(#[$doc:meta])* $name:ident: $type:ty, $write:expr, $read:expr;)*) => {
        $(
            $(#[$doc])*
            pub(super) mod $name {
                #[allow(unused_imports, reason = "numbers need none")]
                use super::*;

                #[allow(clippy::extra_unused_lifetimes, clippy::ptr_arg, reason = "one signature for all")]
                pub(in crate::codec) fn write<'a>(out: &mut Vec<u8>, value: &$type) {
                    let write: fn(&mut Vec<u8>, &$type) = $write;
                    write(out, value);
                }

                pub(in crate::codec) fn read<'a>(
                    reader: &mut Reader<'a>,
                ) -> Result<$type, Malformed> {
                    let read: fn(&mut Reader<'a>) -> Result<$type, Malformed> = $read;
                    read(reader)
                }
            }
        )*
    };
}

forms! {
    /// An integer.
    number: u64, |out, value| varint::put(out, *value), Reader::number;
    /// A time, milliseconds since the epoch.
    time: u64, |out, value| varint::put(out, *value), fields::read_ms;
    /// A time that is not 0.
    creation_time: u64, |out, value| varint::put(out, *value),
        |reader| Ok(fields::read_ms(reader)?.max(1));
    /// A time to live in milliseconds, cut to the longest.
    ttl: u64, |out, value| varint::put(out, *value), |reader| Ok(reader.number()?.min(TTL_MAX));
    /// Yes or no.
    flag: bool, |out, value| out.push(u8::from(*value)), Reader::flag;
    /// The id of an event that the room has or had.
    id: Id, write_id, fields::read_id;
    /// The id of a new event, with a number such as RESTORE accepts.
    event_id: Id, write_id, fields::read_event_id;
    /// The id of a new event; 0-0: the record makes no event.
    optional_event_id: Option<Id>, |out, value| write_id(out, &value.unwrap_or_default()), |reader| {
        let id = fields::read_event_id(reader)?;
        Ok((id != Id::ZERO).then_some(id))
    };
    /// A role.
    role: Role, |out, value| varint::put(out, *value as u64), fields::read_role;
    /// A user's name.
    user: &'a str, write_text, fields::read_user;
    /// A user's name, or `*` for the backend.
    actor: &'a str, write_text, fields::read_actor;
    /// A user's name, or `*`, or none.
    optional_actor: Option<&'a str>, write_option, fields::read_optional_actor;
    /// A room's name.
    room: &'a str, write_text, fields::read_room;
    /// A change of a membership.
    member_change: MemberChange<'a>, |out, value| fields::write_member(out, *value),
        fields::read_member;
    /// The text of a message.
    text: &'a str, write_text, |reader| reader.text(MAX_TEXT.max as usize);
    /// A JSON object, or none.
    meta: Option<&'a str>, write_option, |reader| {
        let meta = reader.option(OBJECT_MAX)?;
        let fits = meta.is_none_or(json::is_object);
        if fits { Ok(meta) } else { Err(Malformed("meta is no JSON object")) }
    };
    /// A reason, or none.
    reason: Option<&'a str>, write_option, |reader| fields::read_line(reader, REASON_MAX);
    /// A reason.
    required_reason: &'a str, write_text, |reader| fields::read_text_line(reader, REASON_MAX);
    /// A status, or none.
    status: Option<&'a str>, write_option, |reader| fields::read_line(reader, STATUS_MAX);
    /// An emoji.
    emoji: &'a str, write_text, |reader| {
        let emoji = reader.name(EMOJI_MAX)?;
        names::stored_emoji(emoji.as_bytes()).map_err(|_| Malformed("no emoji"))?;
        Ok(emoji)
    };
    /// A connection's name.
    connection: &'a str, write_text, fields::read_connection;
    /// The names of connections.
    connections: Vec<&'a str>, |out, value| write_texts(out, value), |reader| {
        (0..reader.count()?).map(|_| fields::read_connection(reader)).collect()
    };
    /// The names of connections to close. Names that no connection can have close nothing.
    closed_connections: Vec<Cow<'a, str>>, |out, value| write_texts(out, value), |reader| {
        (0..reader.count()?).map(|_| Ok(reader.name(CONNECTION_NAME_MAX)?.into())).collect()
    };
    /// A part of a stored room. The loader checks it.
    bytes: Cow<'a, [u8]>, |out, value| varint::put_bytes(out, value),
        |reader| Ok(reader.bytes()?.into());
    /// A stored room.
    whole_room: Cow<'a, [u8]>, |out, value| varint::put_bytes(out, value), |reader| {
        let stored = reader.bytes()?;
        if !Room::decode(stored)?.is_plausible() {
            return Err(Malformed("numbers beyond what a room may reach"));
        }
        Ok(stored.into())
    };
    /// A message to store: id, author, digest, body.
    new_message: NewMessage<'a>, write_message, read_message;
    /// Settings to change: id, actor, settings.
    new_settings: NewSettings<'a>, write_settings, read_settings;
    /// A part of an erasure: id, user, digits of the alias, and the bounds of what is erased.
    erasure: Erasure<'a>, write_erasure, read_erasure;
}

fn write_id(out: &mut Vec<u8>, id: &Id) {
    varint::put(out, id.ms);
    varint::put(out, id.n);
}

fn write_text(out: &mut Vec<u8>, text: &&str) {
    varint::put_bytes(out, text.as_bytes());
}

fn write_option(out: &mut Vec<u8>, text: &Option<&str>) {
    varint::put_option(out, *text);
}

fn write_texts<T: AsRef<str>>(out: &mut Vec<u8>, texts: &[T]) {
    varint::put(out, texts.len() as u64);
    texts.iter().for_each(|text| varint::put_bytes(out, text.as_ref().as_bytes()));
}

fn write_message(out: &mut Vec<u8>, message: &NewMessage<'_>) {
    let NewMessage { id, author, body, digest } = message;
    write_id(out, id);
    write_text(out, author);
    out.push(u8::from(digest.is_some()));
    if let Some(digest) = digest {
        out.extend_from_slice(&digest.to_le_bytes());
    }
    varint::put_written(out, |out| body.write_to(out));
}

fn read_message<'a>(reader: &mut Reader<'a>) -> Result<NewMessage<'a>, Malformed> {
    let id = fields::read_event_id(reader)?;
    let author = fields::read_actor(reader)?;
    let digest = if reader.flag()? { Some(reader.fixed()?) } else { None };
    let body = Body::read(reader.bytes()?)?;
    body.check()?;
    if body.deleted.is_some() {
        return Err(Malformed("a new message that is deleted"));
    }
    Ok(NewMessage { id, author, body, digest })
}

fn write_settings(out: &mut Vec<u8>, settings: &NewSettings<'_>) {
    let NewSettings { id, by, changes } = settings;
    write_id(out, id);
    write_text(out, by);
    varint::put(out, changes.len() as u64);
    changes.iter().for_each(|change| change.write(out));
}

fn read_settings<'a>(reader: &mut Reader<'a>) -> Result<NewSettings<'a>, Malformed> {
    let id = fields::read_event_id(reader)?;
    let by = fields::read_actor(reader)?;
    let count = reader.count()?;
    let mut changes: Vec<Setting<'_>> = Vec::new();
    for _ in 0..count {
        let change = Setting::read(reader)?;
        if changes.iter().any(|other| other.field() == change.field()) {
            return Err(Malformed("a setting set twice"));
        }
        changes.push(change);
    }
    Ok(NewSettings { id, by, changes })
}

fn write_erasure(out: &mut Vec<u8>, erasure: &Erasure<'_>) {
    let Erasure { id, user, alias, up_to, messages, nonces, journal_from, end } = erasure;
    write_id(out, id);
    write_text(out, user);
    out.extend_from_slice(&alias.to_le_bytes());
    write_id(out, up_to);
    [messages.0, messages.1, nonces.0, nonces.1, *journal_from, *end as u64]
        .into_iter()
        .for_each(|number| varint::put(out, number));
}

fn read_erasure<'a>(reader: &mut Reader<'a>) -> Result<Erasure<'a>, Malformed> {
    Ok(Erasure {
        id: fields::read_event_id(reader)?,
        user: fields::read_user(reader)?,
        alias: reader.fixed()?,
        up_to: fields::read_id(reader)?,
        messages: (reader.number()?, reader.number()?),
        nonces: (reader.number()?, reader.number()?),
        journal_from: reader.number()?,
        end: match reader.number()? {
            0 => End::None,
            1 => End::All,
            2 => End::ButBan,
            _ => return Err(Malformed("unknown end of an erasure")),
        },
    })
}
