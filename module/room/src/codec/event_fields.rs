//! How the members of an event are written, and the header that every event begins with
//! (`chat_protocol::event_header`).

use chat_protocol::event_header::{
    BEFORE_ID, BEFORE_LAST, BEFORE_PREV, BEFORE_ROOM, BEFORE_TS, BEFORE_TYPE, HEADER_BYTES_MAX,
};
use chat_protocol::id::Id;

use crate::bytes::id_text::IdText;
use crate::bytes::json;
use crate::bytes::json_writer::{self, Counter, JsonWriter, SLACK};

/// A member's name with the punctuation around it.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":").as_bytes()
    };
}
pub(super) use key;

/// Bytes that the writer needs for a durable event's header without the names of room and type.
pub(super) const HEADER_MAX: usize = HEADER_BYTES_MAX + SLACK;

/// The digits of the event written before. On a page and in a busy room the next event has the same
/// numbers or the ones that follow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    pub(super) ms: Counter,
    pub(super) ts: Counter,
    pub(super) n: Counter,
    pub(super) m: Counter,
}

/// What places a durable event in its room: its id, the id before, and its time.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub(super) id: Id,
    pub(super) prev: Id,
    pub(super) ts: u64,
}

/// Writes a durable event's header, if nothing in the room's name is to be escaped.
#[inline(always)]
pub(super) fn plain_header(
    writer: &mut JsonWriter<'_>,
    numbers: &mut Numbers,
    room: &str,
    Origin { id, prev, ts }: Origin,
    kind: &str,
) {
    let (prev_ms, prev_n) = (numbers.ms.at(prev.ms), numbers.n.at(prev.n));
    let (ms, n) = (numbers.ms.at(id.ms), numbers.n.at(id.n));
    writer.fixed(BEFORE_ID);
    writer.number(ms);
    writer.fixed(b"-");
    writer.number(n);
    writer.fixed(BEFORE_PREV);
    writer.number(prev_ms);
    writer.fixed(b"-");
    writer.number(prev_n);
    writer.fixed(BEFORE_ROOM);
    writer.text(room.as_bytes());
    writer.fixed(BEFORE_TYPE);
    writer.text(kind.as_bytes());
    writer.fixed(BEFORE_TS);
    writer.number(if ts == id.ms { ms } else { numbers.ts.at(ts) });
}

/// Writes a durable event's header.
pub(super) fn durable(out: &mut Vec<u8>, room: &str, origin: Origin, kind: &str) {
    if json::is_plain(room.as_bytes()) {
        let most = HEADER_MAX + room.len() + kind.len();
        let mut numbers = Numbers::default();
        return json_writer::append(out, most, |writer| {
            plain_header(writer, &mut numbers, room, origin, kind)
        });
    }
    out.extend_from_slice(BEFORE_ID);
    out.extend_from_slice(IdText::of(origin.id).as_bytes());
    out.extend_from_slice(BEFORE_PREV);
    out.extend_from_slice(IdText::of(origin.prev).as_bytes());
    room_type_time(out, room, kind, origin.ts);
}

/// Writes an ephemeral event's header.
pub(super) fn ephemeral(out: &mut Vec<u8>, room: &str, last: Id, kind: &str, ts: u64) {
    out.extend_from_slice(BEFORE_LAST);
    out.extend_from_slice(IdText::of(last).as_bytes());
    room_type_time(out, room, kind, ts);
}

/// Writes what follows the ids in a header. An event's type has nothing to escape.
fn room_type_time(out: &mut Vec<u8>, room: &str, kind: &str, ts: u64) {
    out.extend_from_slice(BEFORE_ROOM);
    json::write_content(out, room);
    out.extend_from_slice(BEFORE_TYPE);
    out.extend_from_slice(kind.as_bytes());
    number(out, BEFORE_TS, ts);
}

/// Writes a word of the module, which has nothing to escape.
#[inline]
pub(super) fn plain(out: &mut Vec<u8>, key: &[u8], word: &str) {
    out.extend_from_slice(key);
    out.push(b'"');
    out.extend_from_slice(word.as_bytes());
    out.push(b'"');
}

#[inline]
pub(super) fn string(out: &mut Vec<u8>, key: &[u8], text: &str) {
    out.extend_from_slice(key);
    json::write_string(out, text);
}

#[inline]
pub(super) fn option(out: &mut Vec<u8>, key: &[u8], text: Option<&str>) {
    if let Some(text) = text {
        string(out, key, text);
    }
}

#[inline]
pub(super) fn reference(out: &mut Vec<u8>, key: &[u8], id: Id) {
    out.extend_from_slice(key);
    out.push(b'"');
    out.extend_from_slice(IdText::of(id).as_bytes());
    out.push(b'"');
}

#[inline]
pub(super) fn raw(out: &mut Vec<u8>, key: &[u8], json: Option<&str>) {
    if let Some(json) = json {
        out.extend_from_slice(key);
        out.extend_from_slice(json.as_bytes());
    }
}

#[inline]
pub(super) fn number(out: &mut Vec<u8>, key: &[u8], value: u64) {
    out.extend_from_slice(key);
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}
