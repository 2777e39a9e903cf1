//! Reading records. As strict as RESTORE is with stored rooms: what is accepted leaves a room that can
//! go on, be stored and be loaded again.

use std::borrow::Cow;

use chat_protocol::id::Id;
use chat_protocol::limits::*;
use chat_protocol::names;

use crate::bytes::json;
use crate::bytes::varint::{Malformed, Reader};
use crate::codec::fields::*;
use crate::codec::record::*;
use crate::state::limits::*;
use crate::state::log::message_body::Body;
use crate::state::room::Room;
use crate::state::settings::table::Setting;

impl<'a> Record<'a> {
    /// Reads the records that [`Record::write`] has written one after another. Errors: malformed
    /// bytes, before anything is applied.
    pub fn read_all(bytes: &'a [u8]) -> Result<Vec<Record<'a>>, Malformed> {
        let mut reader = Reader::new(bytes);
        let mut records = Vec::new();
        while !reader.is_empty() {
            records.push(Record::read(&mut reader)?);
        }
        let is_piece = |record: &Record<'_>| matches!(record, Record::SnapshotPiece { .. });
        if records.len() > 1 && records.iter().any(is_piece) {
            return Err(Malformed("a piece of a snapshot does not stand alone"));
        }
        Ok(records)
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(match reader.byte()? {
            CREATE => Record::Create { ms: read_ms(reader)?.max(1) },
            MESSAGE => {
                let id = read_event_id(reader)?;
                let author = read_actor(reader)?;
                let digest = if reader.flag()? { Some(reader.fixed()?) } else { None };
                let body = Body::read(reader.bytes()?)?;
                body.check()?;
                if body.deleted.is_some() {
                    return Err(Malformed("a new message that is deleted"));
                }
                Record::Message(NewMessage { id, author, body, digest })
            }
            SETTINGS => {
                let id = read_event_id(reader)?;
                let by = read_actor(reader)?;
                let count = reader.count()?;
                let mut changes: Vec<Setting<'_>> = Vec::new();
                for _ in 0..count {
                    let change = Setting::read(reader)?;
                    if changes.iter().any(|other| other.field() == change.field()) {
                        return Err(Malformed("a setting set twice"));
                    }
                    changes.push(change);
                }
                Record::Settings(NewSettings { id, by, changes })
            }
            JOIN => {
                let ms = read_ms(reader)?;
                let id = read_event_id(reader)?;
                let role = read_role(reader)?;
                let (user, by) = read_who(reader)?;
                Record::Join { user, role, by, ms, logged: (id != Id::ZERO).then_some(id) }
            }
            LEAVE => {
                let id = read_event_id(reader)?;
                let (user, by) = read_who(reader)?;
                Record::Leave { id, user, by }
            }
            ROLE => {
                let id = read_event_id(reader)?;
                let role = read_role(reader)?;
                let (user, by) = read_who(reader)?;
                Record::Role { id, user, role, by }
            }
            MODERATE => {
                Record::Moderate { id: read_event_id(reader)?, change: read_member(reader)? }
            }
            EDIT => {
                let (id, message) = (read_event_id(reader)?, read_id(reader)?);
                let user = read_actor(reader)?;
                let text = reader.text(MAX_TEXT.max as usize)?;
                let meta = reader.option(OBJECT_MAX)?;
                if !meta.is_none_or(json::is_object) {
                    return Err(Malformed("meta is no JSON object"));
                }
                Record::Edit { id, user, message, text, meta }
            }
            DELETE => {
                let (id, message) = (read_event_id(reader)?, read_id(reader)?);
                let user = read_actor(reader)?;
                Record::Delete { id, user, message, reason: read_line(reader, REASON_MAX)? }
            }
            REACT => {
                let (id, message) = (read_event_id(reader)?, read_id(reader)?);
                let user = read_actor(reader)?;
                let emoji = reader.name(EMOJI_MAX)?;
                names::stored_emoji(emoji.as_bytes()).map_err(|_| Malformed("no emoji"))?;
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
                if !Room::decode(stored)?.is_plausible() {
                    return Err(Malformed("numbers beyond what a room may reach"));
                }
                Record::Snapshot { stored: stored.into() }
            }
            SNAPSHOT_PIECE => {
                Record::SnapshotPiece { place: reader.number()?, stored: reader.bytes()?.into() }
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
