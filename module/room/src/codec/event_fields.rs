//! How the fields of an event are written, and how every event begins.

use chat_protocol::id::INTEGER_BYTES_MAX;
use chat_protocol::id::Id;

use crate::bytes::id_text::IdText;
use crate::bytes::json;
use crate::bytes::json_writer::{self, Counter, JsonWriter, SLACK};

/// A member's name with what surrounds it.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":").as_bytes()
    };
}
pub(super) use key;

/// The beginning of every ephemeral event.
pub(super) fn passing(out: &mut Vec<u8>, room: &str, last: Id, kind: &str, ts: u64) {
    out.extend_from_slice(b"{\"last\":\"");
    out.extend_from_slice(IdText::of(last).as_bytes());
    out.push(b'"');
    string(out, key!("room"), room);
    string(out, key!("type"), kind);
    number(out, key!("ts"), ts);
}

/// Bytes of the beginning of a durable event besides the names of room and kind.
pub(super) const HEAD_MAX: usize = 96 + 5 * INTEGER_BYTES_MAX + SLACK;

/// The numbers of the event written before. In a page, and in a busy room, the next one's are the
/// same or one more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    pub(super) ms: Counter,
    pub(super) n: Counter,
    pub(super) m: Counter,
}

/// The beginning of a durable event of a room in whose name nothing is to be escaped.
#[inline(always)]
pub(super) fn head(
    writer: &mut JsonWriter<'_>,
    numbers: &mut Numbers,
    room: &str,
    (id, prev): (Id, Id),
    kind: &str,
) {
    let (prev_ms, prev_n) = (numbers.ms.at(prev.ms), numbers.n.at(prev.n));
    let (ms, n) = (numbers.ms.at(id.ms), numbers.n.at(id.n));
    writer.fixed(b"{\"id\":\"");
    writer.number(ms);
    writer.fixed(b"-");
    writer.number(n);
    writer.fixed(b"\",\"prev\":\"");
    writer.number(prev_ms);
    writer.fixed(b"-");
    writer.number(prev_n);
    writer.fixed(b"\",\"room\":\"");
    writer.text(room.as_bytes());
    writer.fixed(b"\",\"type\":\"");
    writer.text(kind.as_bytes());
    writer.fixed(b"\",\"ts\":");
    writer.number(ms);
}

/// The beginning of every durable event.
pub(super) fn durable(out: &mut Vec<u8>, room: &str, (id, prev): (Id, Id), kind: &str) {
    if json::is_plain(room.as_bytes()) {
        let most = HEAD_MAX + room.len() + kind.len();
        let mut numbers = Numbers::default();
        return json_writer::append(out, most, |writer| {
            head(writer, &mut numbers, room, (id, prev), kind)
        });
    }
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(IdText::of(id).as_bytes());
    out.extend_from_slice(b"\",\"prev\":\"");
    out.extend_from_slice(IdText::of(prev).as_bytes());
    out.push(b'"');
    string(out, key!("room"), room);
    plain(out, key!("type"), kind);
    number(out, key!("ts"), id.ms);
}

/// A word of ours, which has nothing to escape.
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
