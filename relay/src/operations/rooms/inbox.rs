//! `read`, `unread`, `inbox`: how far the user has read, and what is unread.
//!
//! `inbox` combines many rooms: the user's list, pipelines of `CHAT.UNREAD`, and the newest message
//! of the rooms shown. Its cost grows with the list. It also repairs the list: it removes rooms
//! that the user is no member of.

use std::cmp::Ordering;
use std::iter::repeat;
use std::sync::Arc;

use chat_protocol::error_code::ErrorCode;
use chat_protocol::id::Id;
use chat_protocol::limits::WORDS_MAX;
use chat_protocol::names::room_kind;
use redis::Value;
use serde::Serialize;

use crate::client::bounded_object::BoundedObject;
use crate::client::error::Error;
use crate::client::json;
use crate::client::reply::PAGE_BYTES;
use crate::client::request::Request;
use crate::operations::answer::{Answer, Outcome, Refused};
use crate::operations::context::Context;
use crate::operations::messages::notices;
use crate::operations::rooms::follows;
use crate::operations::scopes;
use crate::upstream::commands::{self, Bounds, Part, Reader, Rows};
use crate::upstream::replies::{Elements, Page, text};
use crate::upstream::{CommandError, Reply, all_unavailable};

/// The least cost of `inbox`. The rest is counted once the length of the list is known.
pub(in crate::operations) const INBOX_COST: usize = 5;
/// Rooms in one pipeline.
const ROOMS_PER_CALL: usize = WORDS_MAX;
/// The default and the greatest number of rooms in one inbox.
const INBOX_ROOMS: u64 = 100;
const INBOX_MOST: u64 = 1000;
/// Rooms of the user's list that count as one operation.
const ROOMS_PER_OPERATION: usize = 20;
/// Messages requested in the first pipeline, while their lengths are unknown.
const MESSAGES_FIRST: usize = 16;

/// What is unread for the user in a room.
#[derive(Clone, Copy, Debug, Serialize)]
struct Unread {
    unread: i64,
    mentions: i64,
    #[serde(serialize_with = "json::id")]
    cursor: Id,
    #[serde(serialize_with = "json::id")]
    last: Id,
}

/// The reply of `read`.
#[derive(Serialize)]
struct ReadReply {
    /// The cursor.
    #[serde(serialize_with = "json::id")]
    id: Id,
    unread: i64,
}

/// A row of `inbox`, without the newest message.
#[derive(Serialize)]
#[serde(untagged)]
enum Row<'a> {
    Known {
        room: &'a str,
        #[serde(flatten)]
        unread: &'a Unread,
    },
    /// The room cannot be asked now.
    Away { room: &'a str, error: &'a Error },
}

/// What is unread in a room, or why that is not known.
type Known = Result<Unread, Error>;

impl Unread {
    /// Reads the reply of `CHAT.UNREAD` for one user. None: not a member, or the room does not
    /// exist.
    fn read(reply: Reply) -> Result<Option<Unread>, Error> {
        let value = match reply {
            Ok(value) => value,
            Err(CommandError::Refused(error)) if error.is(ErrorCode::NoRoom) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let one = Elements::of(value)?.any()?;
        if matches!(one, Value::Nil) {
            return Ok(None);
        }
        let mut one = Elements::of(one)?;
        Ok(Some(Unread {
            unread: one.integer()?,
            mentions: one.integer()?,
            cursor: one.id()?,
            last: one.id()?,
        }))
    }
}

pub(in crate::operations) async fn read(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let room = request.fields.room()?;
    let upto = request.fields.needed_id("id")?;
    let command = commands::read(&room, context.user(), upto);
    let mut reply = Elements::of(context.ask(command).await?)?;
    let (cursor, unread) = (reply.id()?, reply.integer()?);
    // The cursor only moves forward. Another value means that it was already further on, and the
    // other connections know it.
    if cursor == upto {
        notices::notify_of_reading(context, &room, cursor, unread);
    }
    Ok(Answer::of(&ReadReply { id: cursor, unread }))
}

pub(in crate::operations) async fn unread(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let rooms = request.fields.rooms()?;
    let mut out = BoundedObject::new("rooms");
    let (mut away, mut is_answered) = (None, rooms.is_empty());
    for part in rooms.chunks(ROOMS_PER_CALL) {
        if out.is_full() {
            break;
        }
        let replies = ask_all(context, part).await;
        match all_unavailable(&replies) {
            None => is_answered = true,
            why => away = why,
        }
        for (room, reply) in part.iter().zip(replies) {
            // As if the user were no member.
            let is_for = scopes::admits(context, room);
            match Unread::read(reply) {
                _ if !is_for => out.add(room, &()),
                Ok(Some(unread)) => out.add(room, &unread),
                Err(error) if error.is(ErrorCode::Unavailable) => {
                    out.add(room, &Refused { error: &error });
                }
                Ok(None) | Err(_) => out.add(room, &()),
            }
        }
    }
    match away {
        Some(away) if !is_answered => Err(away.into()),
        _ => Ok(Answer::Ok(out.finish())),
    }
}

/// A place in the inbox, which is sorted by last activity and then by name: after this room.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cursor {
    last: Id,
    room: String,
}

impl Cursor {
    /// Parses what [`Cursor::text`] has written.
    fn parse(text: &str) -> Option<Cursor> {
        let (last, room) = text.split_once(' ')?;
        room_kind(room)?;
        Some(Cursor { last: Id::parse(last.as_bytes())?, room: room.to_owned() })
    }

    fn text(&self) -> String {
        format!("{} {}", self.last, self.room)
    }

    fn order(&self, other: &Cursor) -> Ordering {
        other.last.cmp(&self.last).then_with(|| self.room.cmp(&other.room))
    }
}

pub(in crate::operations) async fn inbox(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let count = request.fields.number("count")?.unwrap_or(INBOX_ROOMS);
    if !(1..=INBOX_MOST).contains(&count) {
        return Err(Error::invalid("count", "1 to 1000"));
    }
    let after = request.fields.optional_text("cursor")?;
    let wrong = || Error::invalid("cursor", "what the page before has answered");
    let after = after.map(|after| Cursor::parse(&after).ok_or_else(wrong)).transpose()?;
    let mut rooms = followed_rooms(context).await?;
    rooms.retain(|room| scopes::admits(context, room));
    context.owe((rooms.len() / ROOMS_PER_OPERATION).saturating_sub(INBOX_COST));
    let replies = ask_all(context, &rooms).await;
    if let Some(away) = all_unavailable(&replies) {
        return Err(away.into());
    }
    let (mut waiting, mut lost) = (Vec::new(), Vec::new());
    for (room, reply) in rooms.into_iter().zip(replies) {
        match Unread::read(reply) {
            Ok(Some(unread)) => waiting.push((Cursor { last: unread.last, room }, Ok(unread))),
            // Only Redis itself says that the user is no member.
            Ok(None) => lost.push(room),
            // When it was last active is not known: after all others.
            Err(error) if error.is(ErrorCode::Unavailable) => {
                waiting.push((Cursor { last: Id::ZERO, room }, Err(error)));
            }
            // The key holds another type now. The list is not wrong, so the room stays in it.
            Err(_) => {}
        }
    }
    waiting.retain(|(at, _)| after.as_ref().is_none_or(|after| after.order(at).is_lt()));
    waiting.sort_unstable_by(|(one, _), (other, _)| one.order(other));
    let all = waiting.len();
    waiting.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    let (rows, bytes) = rows(&waiting);
    let cursor = waiting[..rows.len()].last().filter(|_| rows.len() < all);
    let messages = newest_messages(context, &waiting[..rows.len()], PAGE_BYTES - bytes).await;
    for lost in lost.chunks(ROOMS_PER_CALL) {
        let rows: Vec<_> = lost.iter().map(|room| (context.user(), &**room)).collect();
        // If it fails, the list has rooms too many, which the next one repairs.
        let _ = follows::unlist(context, &rows).await;
    }
    // By hand: a message is the bytes of an event.
    let mut out = String::from("{\"rooms\":[");
    let messages = messages.into_iter().chain(repeat(None));
    for (index, (row, message)) in rows.iter().zip(messages).enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(row);
        // A room that could not be counted may have answered by now. Its row stays without.
        if let Some(message) = message.filter(|_| waiting[index].1.is_ok()) {
            out.push_str(",\"message\":");
            out.push_str(&message);
        }
        out.push('}');
    }
    out.push_str("],\"cursor\":");
    json::append(&mut out, &cursor.map(|(cursor, _)| cursor.text()));
    out.push('}');
    Ok(Answer::Ok(out))
}

/// The rows of a reply without their messages and their last brace, as many as fit, and their bytes.
fn rows(waiting: &[(Cursor, Known)]) -> (Vec<String>, usize) {
    /// Bytes of a row besides its own, at most.
    const FRAME: usize = 15;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    for (at, unread) in waiting {
        let mut row = json::write(&match unread {
            Ok(unread) => Row::Known { room: &at.room, unread },
            Err(error) => Row::Away { room: &at.room, error },
        });
        // Open at its end: the message may follow.
        row.pop();
        if bytes + row.len() + FRAME > PAGE_BYTES {
            break;
        }
        bytes += row.len() + FRAME;
        rows.push(row);
    }
    (rows, bytes)
}

/// The user's whole list.
async fn followed_rooms(context: &Context) -> Result<Vec<String>, Error> {
    let mut rooms = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = Rows { cursor: cursor.as_deref(), count: Some(ROOMS_PER_CALL as u64) };
        let command = commands::follows(context.user(), page);
        let value = match context.hub.upstream.call_one(command).await {
            Ok(value) => value,
            Err(CommandError::Refused(error)) if error.is(ErrorCode::NoRoom) => return Ok(rooms),
            Err(error) => return Err(error.into()),
        };
        let mut reply = Elements::of(value)?;
        let next = reply.any()?;
        for row in reply.list()? {
            rooms.push(Elements::of(row)?.text()?);
        }
        match next {
            Value::Nil => return Ok(rooms),
            next => cursor = Some(text(next)?),
        }
    }
}

/// `CHAT.UNREAD` of each of these rooms for the user.
async fn ask_all(context: &Context, rooms: &[String]) -> Vec<Reply> {
    let mut replies = Vec::with_capacity(rooms.len());
    for rooms in rooms.chunks(ROOMS_PER_CALL) {
        let commands = rooms.iter().map(|room| commands::unread(room, context.user()));
        replies.extend(context.hub.upstream.call(commands.collect()).await);
    }
    replies
}

/// The newest message of each room as the user sees it, with its bytes unchanged, of as many of the
/// first rooms as fit into `space` bytes. A message that is too long alone is left out.
async fn newest_messages(
    context: &Context,
    rooms: &[(Cursor, Known)],
    space: usize,
) -> Vec<Option<String>> {
    let (mut messages, mut bytes) = (Vec::new(), 0);
    let mut at_a_time = MESSAGES_FIRST;
    while messages.len() < rooms.len() {
        let part = &rooms[messages.len()..];
        let part = &part[..part.len().min(at_a_time)];
        let (user, one) = (Reader::User(context.user()), Bounds { count: Some(1), bytes: None });
        let commands = part.iter();
        let commands = commands.map(|(at, _)| commands::history(&at.room, Part::Newest, one, user));
        for reply in context.hub.upstream.call(commands.collect()).await {
            let newest = reply.ok().and_then(|page| Page::read(page).ok());
            let newest = newest.and_then(|page| page.events.into_iter().next_back());
            let length = newest.as_ref().map_or(0, Vec::len);
            // Longer than any reply: left out in any case.
            if length > PAGE_BYTES {
                messages.push(None);
                continue;
            }
            if bytes + length > space {
                return messages;
            }
            bytes += length;
            messages.push(newest.and_then(|newest| String::from_utf8(newest).ok()));
        }
        // As many as fit if the next messages have the average length of those so far.
        let average = (bytes / messages.len()).max(1);
        at_a_time = ((space - bytes) / average).clamp(1, 2 * at_a_time);
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Unavailable;

    #[test]
    fn a_cursor_of_the_list_is_read_back() {
        let cursor = Cursor { last: Id { ms: 7, n: 3 }, room: "lobby".to_owned() };
        assert_eq!(Cursor::parse(&cursor.text()), Some(cursor));
        for wrong in ["", "7-3", "7-3 ", "lobby 7-3", "7 lobby", "7-3 a b", "7-3 @"] {
            assert_eq!(Cursor::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn unread_replies_distinguish_members_from_others() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let of = |one| Unread::read(Ok(Value::Array(vec![one])));
        assert!(of(Value::Nil).expect("a reply").is_none());
        let row = vec![Value::Int(3), Value::Int(1), bulk("5-1"), bulk("9-4")];
        let unread = of(Value::Array(row)).expect("a reply").expect("a member");
        let expected = r#"{"unread":3,"mentions":1,"cursor":"5-1","last":"9-4"}"#;
        assert_eq!(json::write(&unread), expected);
        assert!(of(Value::Int(1)).is_err());
        let missing = Unread::read(Err(CommandError::Refused(Error::new(ErrorCode::NoRoom, ""))));
        assert!(missing.expect("an answer").is_none());
        assert!(Unread::read(Err(Unavailable::NotServing.into())).is_err());
    }
}
