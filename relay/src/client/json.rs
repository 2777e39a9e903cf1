//! Reading and writing JSON strings, and the frames that the relay makes about a room.
//!
//! Event bytes pass through the relay unchanged; only texts are escaped here.

use std::borrow::Cow;
use std::fmt::Write;

/// Reads a JSON string. Borrows if it contains no escapes.
pub fn text(raw: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inside) if !inside.contains('\\') => Ok(Cow::Borrowed(inside)),
        _ => serde_json::from_str::<String>(raw).map(Cow::Owned),
    }
}

/// Appends a JSON string.
pub fn string(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[from..at]);
        from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            _ => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
    }
    out.push_str(&text[from..]);
    out.push('"');
}

/// A frame that the relay makes about a room: `{"type":…,"room":…`, then the members in `further`.
pub(crate) fn about_room(kind: &str, room: &str, further: &str) -> String {
    let mut out = format!(r#"{{"type":"{kind}","room":"#);
    string(&mut out, room);
    out.push_str(further);
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        for text in ["", "a\"b\\c\n\u{1}\u{7f}é日\u{2028}", "\\", "plain"] {
            let mut out = String::new();
            string(&mut out, text);
            assert_eq!(serde_json::from_str::<String>(&out).expect("JSON"), text);
        }
    }
}
