//! The replies of `CHAT.*` commands as typed values (`docs/commands.md` describes them).
//!
//! A reply of another shape comes from a broken module or another product: the operation is
//! answered with `ERR`, and nothing panics. Event bytes are passed on unchanged.

use std::fmt::Write;

use chat_protocol::error_code::ErrorCode;
use chat_protocol::event_header::{EventHeader, Place};
use chat_protocol::id::Id;
use redis::Value;
use serde::ser::{Serialize, Serializer};

use crate::client::error::Error;
use crate::client::frame::{self, Frame};
use crate::client::reply::PAGE_BYTES;

/// The reply has a shape that the documents do not describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnexpectedReply;

impl From<UnexpectedReply> for Error {
    fn from(_: UnexpectedReply) -> Error {
        Error::new(ErrorCode::Err, "Redis gave an unknown reply")
    }
}

/// The elements of an array reply, taken one by one.
pub(crate) struct Elements(std::vec::IntoIter<Value>);

impl Elements {
    /// The elements of this array.
    pub(crate) fn of(value: Value) -> Result<Elements, UnexpectedReply> {
        match value {
            Value::Array(elements) => Ok(Elements(elements.into_iter())),
            _ => Err(UnexpectedReply),
        }
    }

    /// The next element, whatever it is.
    pub(crate) fn any(&mut self) -> Result<Value, UnexpectedReply> {
        self.0.next().ok_or(UnexpectedReply)
    }

    /// The next element, an id.
    pub(crate) fn id(&mut self) -> Result<Id, UnexpectedReply> {
        id(self.any()?)
    }

    /// The next element, an integer.
    pub(crate) fn integer(&mut self) -> Result<i64, UnexpectedReply> {
        integer(&self.any()?)
    }

    /// The next element, a string.
    pub(crate) fn text(&mut self) -> Result<String, UnexpectedReply> {
        text(self.any()?)
    }

    /// The next element, an array of byte strings.
    pub(crate) fn events(&mut self) -> Result<Vec<Vec<u8>>, UnexpectedReply> {
        self.list()?.map(bytes).collect()
    }

    /// The next element, an array.
    pub(crate) fn list(&mut self) -> Result<impl Iterator<Item = Value> + use<>, UnexpectedReply> {
        Ok(Elements::of(self.any()?)?.0)
    }
}

/// What `CHAT.SEND` has stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The id of the message.
    pub id: Id,
    /// The users who are to get a notice of it, with `NOTICES` only.
    pub recipients: Vec<String>,
}

impl Sent {
    /// Reads the reply.
    pub(crate) fn read(reply: Value) -> Result<Sent, UnexpectedReply> {
        if !matches!(reply, Value::Array(_)) {
            return Ok(Sent { id: id(reply)?, recipients: Vec::new() });
        }
        let mut elements = Elements::of(reply)?;
        let id = elements.id()?;
        let recipients = elements.list()?.map(text).collect::<Result<_, _>>()?;
        Ok(Sent { id, recipients })
    }
}

/// An integer reply.
pub(crate) fn integer(value: &Value) -> Result<i64, UnexpectedReply> {
    match value {
        Value::Int(number) => Ok(*number),
        _ => Err(UnexpectedReply),
    }
}

/// A string reply, borrowed. None: it is of another kind, or no UTF-8.
fn word(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// A string reply.
pub(crate) fn text(value: Value) -> Result<String, UnexpectedReply> {
    String::from_utf8(bytes(value)?).map_err(|_| UnexpectedReply)
}

/// An id reply.
pub(crate) fn id(value: Value) -> Result<Id, UnexpectedReply> {
    Id::parse(&bytes(value)?).ok_or(UnexpectedReply)
}

fn bytes(value: Value) -> Result<Vec<u8>, UnexpectedReply> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        Value::Okay => Ok(b"OK".to_vec()),
        _ => Err(UnexpectedReply),
    }
}

/// What `CHAT.ROOM_RO … AS user` shows of a room. What the reply lacks has its default.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoomView {
    /// The user's role. None: not a member.
    pub role: Option<String>,
    /// The newest id.
    pub newest: Id,
    /// Users online.
    pub online: i64,
    /// Whether a service judges what users write here.
    pub hook: bool,
    /// Whether only owners and moderators write.
    is_frozen: bool,
    /// Until when the user may not write.
    muted_until: Option<i64>,
}

impl RoomView {
    /// Reads the reply.
    pub(crate) fn read(reply: &Value) -> RoomView {
        RoomView {
            role: field(reply, "role").and_then(word).map(str::to_owned),
            newest: field(reply, "last")
                .and_then(word)
                .and_then(|last| Id::parse(last.as_bytes()))
                .unwrap_or_default(),
            online: field(reply, "online").and_then(|n| integer(n).ok()).unwrap_or(0),
            hook: is_on(reply, "hook"),
            is_frozen: is_on(reply, "frozen"),
            muted_until: field(reply, "muted_until").and_then(|n| integer(n).ok()),
        }
    }

    /// Whether the user is an owner or a moderator.
    pub(crate) fn keeps_order(&self) -> bool {
        matches!(self.role.as_deref(), Some("owner" | "moderator"))
    }

    /// Whether the user may not write.
    pub(crate) fn is_muted(&self) -> bool {
        self.muted_until.is_some()
    }

    /// The error by which the room refuses what this user writes, as far as this shows.
    pub(crate) fn refusal(&self) -> Option<Error> {
        if let Some(until) = self.muted_until {
            return Some(Error::from_reply("MUTED", &until.to_string()));
        }
        (self.is_frozen && !self.keeps_order()).then(|| of_code(ErrorCode::Frozen))
    }
}

/// The error of this code, which has no argument.
fn of_code(code: ErrorCode) -> Error {
    Error::new(code, code.text().unwrap_or_default())
}

/// Whether this setting of a room is `yes`.
fn is_on(reply: &Value, name: &str) -> bool {
    field(reply, name).and_then(word) == Some("yes")
}

/// The room's newest id in the reply of `CHAT.PRESENCE`.
pub(crate) fn presence_position(reply: Value) -> Result<Id, UnexpectedReply> {
    let mut elements = Elements::of(reply)?;
    let _users = elements.integer()?;
    elements.id()
}

/// The reply of `CHAT.BEAT`.
#[derive(Debug)]
pub(crate) struct BeatReply {
    /// The newest id.
    pub newest: Id,
    /// The connections that are not present in the room.
    pub unknown: Vec<String>,
}

impl BeatReply {
    /// Reads the reply.
    pub(crate) fn read(reply: Value) -> Result<BeatReply, UnexpectedReply> {
        let mut elements = Elements::of(reply)?;
        let newest = elements.id()?;
        let unknown = elements.list()?.map(text).collect::<Result<_, _>>()?;
        Ok(BeatReply { newest, unknown })
    }
}

/// The reply of `CHAT.SYNC`.
#[derive(Debug)]
pub(crate) struct Synced {
    /// Whether the cursor is known.
    pub recovered: bool,
    /// The newest id.
    pub newest: Id,
    /// Events after the cursor.
    pub events: Vec<Vec<u8>>,
    /// Whether there are more.
    pub more: bool,
}

impl Synced {
    /// Reads the reply.
    pub(crate) fn read(value: Value) -> Result<Synced, UnexpectedReply> {
        let mut elements = Elements::of(value)?;
        Ok(Synced {
            recovered: elements.integer()? != 0,
            newest: elements.id()?,
            events: elements.events()?,
            more: elements.integer()? != 0,
        })
    }
}

/// The reply of `CHAT.CHANGES`.
#[derive(Debug)]
pub(crate) struct Changes {
    /// The cursor for the next page.
    pub next: String,
    /// Whether the list begins anew with all rooms.
    pub anew: bool,
    /// Rooms with their newest ids; `None`: the room is gone from this node.
    pub rooms: Vec<(String, Option<Id>)>,
    /// Whether there are more.
    pub more: bool,
}

impl Changes {
    /// Reads the reply.
    pub(crate) fn read(value: Value) -> Result<Changes, UnexpectedReply> {
        let mut elements = Elements::of(value)?;
        let (next, anew) = (elements.text()?, elements.integer()? != 0);
        let room = |row: Value| {
            let mut row = Elements::of(row)?;
            let name = row.text()?;
            let newest = match row.any()? {
                Value::Nil => None,
                newest => Some(id(newest)?),
            };
            Ok((name, newest))
        };
        let rooms = elements.list()?.map(room).collect::<Result<_, UnexpectedReply>>()?;
        Ok(Changes { next, anew, rooms, more: elements.integer()? != 0 })
    }
}

/// A page of events for a JSON reply.
#[derive(Debug)]
pub(crate) struct Page {
    /// The newest id of the room when the page was read.
    pub newest: Id,
    /// Event bytes, oldest first.
    pub events: Vec<Vec<u8>>,
    /// Whether there are more in the requested direction.
    pub more: bool,
}

/// Which end of a page stays if the page is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The oldest events.
    Oldest,
    /// The newest events.
    Newest,
}

impl Page {
    /// Reads the reply of `CHAT.HISTORY`.
    pub(crate) fn read(value: Value) -> Result<Page, UnexpectedReply> {
        let mut elements = Elements::of(value)?;
        Ok(Page {
            newest: elements.id()?,
            events: elements.events()?,
            more: elements.integer()? != 0,
        })
    }

    /// The page of a room that does not exist.
    pub(crate) fn empty() -> Page {
        Page { newest: Id::ZERO, events: Vec::new(), more: false }
    }

    /// Cuts the page to [`PAGE_BYTES`], leaving at least one event.
    pub(crate) fn bound(&mut self, keep: Keep) {
        let fitting = |events: &mut dyn Iterator<Item = &Vec<u8>>| {
            let mut bytes = 0;
            let fits = events.take_while(|event| {
                bytes += event.len() + 1;
                bytes <= PAGE_BYTES
            });
            fits.count().max(1)
        };
        let count = match keep {
            Keep::Oldest => fitting(&mut self.events.iter()),
            Keep::Newest => fitting(&mut self.events.iter().rev()),
        };
        if count >= self.events.len() {
            return;
        }
        self.more = true;
        match keep {
            Keep::Oldest => self.events.truncate(count),
            Keep::Newest => {
                self.events.drain(..self.events.len() - count);
            }
        }
    }

    /// The ids of its events.
    pub(crate) fn ids(&self) -> Vec<Id> {
        self.events.iter().filter_map(|event| event_id(event)).collect()
    }

    /// `"last":…,"events":[…],"more":…`.
    pub(crate) fn json(&self) -> String {
        page_json(self.newest, &self.events, self.more)
    }
}

/// `"last":…,"events":[…],"more":…` with the bytes of the events as they are.
pub(crate) fn page_json(last: Id, events: &[Vec<u8>], more: bool) -> String {
    let bytes: usize = events.iter().map(|event| event.len() + 1).sum();
    let mut out = String::with_capacity(bytes + 80);
    let _ = write!(out, "\"last\":\"{last}\",\"events\":[");
    let mut first = true;
    for event in events {
        // The module's events are UTF-8. An event that is not is left out rather than altered.
        let Ok(event) = std::str::from_utf8(event) else { continue };
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        out.push_str(event);
    }
    let _ = write!(out, "],\"more\":{more}");
    out
}

/// The id of a durable event.
pub(crate) fn event_id(event: &[u8]) -> Option<Id> {
    match EventHeader::parse(event)?.place {
        Place::Durable { id, .. } => Some(id),
        Place::Ephemeral { .. } => None,
    }
}

/// Durable events with their ids, as frames for connections.
pub(crate) fn frames(events: &[Vec<u8>]) -> Vec<(Id, Frame)> {
    let framed = |event: &Vec<u8>| Some((event_id(event)?, frame::text(event)));
    events.iter().filter_map(framed).collect()
}

/// A scalar or a map of a reply as JSON; what JSON does not know is null.
pub(crate) struct Json<'a>(pub(crate) &'a Value);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Double(number) => serializer.serialize_f64(*number),
            Value::Boolean(yes) => serializer.serialize_bool(*yes),
            Value::BulkString(bytes) => serializer.serialize_str(&String::from_utf8_lossy(bytes)),
            Value::SimpleString(text) => serializer.serialize_str(text),
            Value::Okay => serializer.serialize_str("OK"),
            Value::Array(values) | Value::Set(values) => {
                serializer.collect_seq(values.iter().map(Json))
            }
            Value::Map(pairs) => {
                serializer.collect_map(pairs.iter().map(|(name, value)| (Json(name), Json(value))))
            }
            _ => serializer.serialize_unit(),
        }
    }
}

/// The value of a field of a map reply.
pub(crate) fn field<'a>(map: &'a Value, name: &str) -> Option<&'a Value> {
    let Value::Map(pairs) = map else { return None };
    let is_named = |key: &Value| match key {
        Value::BulkString(bytes) => bytes == name.as_bytes(),
        Value::SimpleString(text) => text == name,
        _ => false,
    };
    pairs.iter().find(|(key, _)| is_named(key)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(lengths: &[usize]) -> Page {
        let events = lengths.iter().map(|&length| vec![b'x'; length]).collect();
        Page { newest: Id::ZERO, events, more: false }
    }

    #[test]
    fn pages_are_cut_at_the_end_that_is_not_kept() {
        let big = PAGE_BYTES - 10;
        type Row<'a> = (&'a [usize], Keep, &'a [usize], bool, &'a str);
        let rows: &[Row<'_>] = &[
            (&[1, 2, 3], Keep::Oldest, &[1, 2, 3], false, "small pages stay"),
            (&[big, 5, 6], Keep::Oldest, &[big, 5], true, "the oldest stay"),
            (&[6, 5, big], Keep::Newest, &[5, big], true, "the newest stay"),
            (&[PAGE_BYTES * 2, 1], Keep::Oldest, &[PAGE_BYTES * 2], true, "one always stays"),
            (&[], Keep::Oldest, &[], false, "nothing to cut"),
        ];
        for (lengths, keep, expected, more, why) in rows {
            let mut page = page(lengths);
            page.bound(*keep);
            let left: Vec<usize> = page.events.iter().map(Vec::len).collect();
            assert_eq!((left.as_slice(), page.more), (*expected, *more), "{why}");
        }
    }

    #[test]
    fn events_stand_in_a_page_byte_for_byte() {
        let events = vec![br#"{"id":"1-1" }"#.to_vec(), b"{}".to_vec()];
        let json = page_json(Id { ms: 1, n: 1 }, &events, true);
        assert_eq!(json, r#""last":"1-1","events":[{"id":"1-1" },{}],"more":true"#);
    }

    #[test]
    fn replies_of_another_shape_are_refused() {
        for value in
            [Value::Nil, Value::Int(1), Value::Array(vec![]), Value::Array(vec![Value::Nil])]
        {
            assert!(Synced::read(value.clone()).is_err(), "{value:?}");
            assert!(Page::read(value).is_err());
        }
    }
}
