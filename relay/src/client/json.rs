//! Reading and writing the JSON of the socket, by serde.
//!
//! Two kinds of bytes pass through unchanged and are never parsed or written here: events, on their
//! way from Redis to the clients, and a client's `meta` and `data`, on their way to Redis.

use std::borrow::Cow;
use std::io;

use chat_protocol::id::Id;
use serde::{Serialize, Serializer};
use serde_json::ser::{CharEscape, Formatter};
use serde_json::value::RawValue;

/// Reads a JSON string. Borrows if it contains no escapes.
pub fn text(raw: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inside) if !inside.contains('\\') => Ok(Cow::Borrowed(inside)),
        _ => serde_json::from_str::<String>(raw).map(Cow::Owned),
    }
}

/// Writes a value.
pub fn write<T: Serialize + ?Sized>(value: &T) -> String {
    let mut out = Vec::with_capacity(128);
    // OK because writing to memory cannot fail, and no type here has keys that are not strings.
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Escapes));
    debug_assert!(written.is_ok(), "{written:?}");
    String::from_utf8(out).unwrap_or_default()
}

/// Appends a value.
pub(crate) fn append<T: Serialize + ?Sized>(out: &mut String, value: &T) {
    out.push_str(&write(value));
}

/// Writes a value that other JSON will hold.
pub(crate) fn raw<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    RawValue::from_string(write(value)).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Serializes an id, as a string.
pub(crate) fn id<S: Serializer>(id: &Id, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(id.text().as_str())
}

/// As [`id()`], or null.
pub(crate) fn some_id<S: Serializer>(id: &Option<Id>, serializer: S) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => serializer.serialize_str(id.text().as_str()),
        None => serializer.serialize_none(),
    }
}

/// Writes a control character as `\u000a`, where serde_json alone has `\n` for some of them: the bytes
/// of frames stay the same from release to release.
struct Escapes;

impl Formatter for Escapes {
    fn write_char_escape<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        let byte = match escape {
            CharEscape::Quote => return writer.write_all(b"\\\""),
            CharEscape::ReverseSolidus => return writer.write_all(b"\\\\"),
            CharEscape::Solidus => return writer.write_all(b"/"),
            CharEscape::Backspace => 0x08,
            CharEscape::FormFeed => 0x0c,
            CharEscape::LineFeed => b'\n',
            CharEscape::CarriageReturn => b'\r',
            CharEscape::Tab => b'\t',
            CharEscape::AsciiControl(byte) => byte,
        };
        write!(writer, "\\u{byte:04x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        let rows = [
            ("", r#""""#),
            ("plain é日\u{2028}\u{7f}", "\"plain é日\u{2028}\u{7f}\""),
            ("a\"b\\c/", r#""a\"b\\c/""#),
            ("\n\r\t\u{8}\u{c}\u{1}\u{1f}", r#""\u000a\u000d\u0009\u0008\u000c\u0001\u001f""#),
        ];
        for (text, expected) in rows {
            let written = write(text);
            assert_eq!(written, expected);
            assert_eq!(serde_json::from_str::<String>(&written).expect("JSON"), text);
        }
    }
}
