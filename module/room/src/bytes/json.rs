//! JSON as far as events need it: strings to write, and objects that are checked and then pass
//! unchanged.

use chat_protocol::every_byte::every_byte;
use chat_protocol::limits::{OBJECT_DEPTH_MAX, OBJECT_MAX};

use crate::command_error::CommandError;

/// Appends `text` as a JSON string (RFC 8259, section 7), escaping only what must be escaped.
#[inline]
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_content(out, text);
    out.push(b'"');
}

/// Appends what stands between the quotation marks of `text` as a JSON string.
#[inline]
pub(crate) fn write_content(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
    } else {
        write_escaped(out, bytes);
    }
}

/// Whether there is nothing to escape. This holds for most texts.
#[inline]
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    every_byte(bytes, |byte| !is_escaped(byte))
}

#[inline]
fn is_escaped(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

#[cold]
fn write_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut clean_from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if !is_escaped(byte) {
            continue;
        }
        out.extend_from_slice(bytes.get(clean_from..at).unwrap_or_default());
        clean_from = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(bytes.get(clean_from..).unwrap_or_default());
}

/// Checks a JSON object on one line, of at most 16 KiB and depth 32, and returns it unchanged.
///
/// Errors: `TOOBIG`, `INVALID <what>`. Values that a strict reader cannot represent (a lone
/// surrogate, a number beyond a double) are refused too, so every receiver can read every event.
pub(crate) fn object<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a str, CommandError> {
    if bytes.len() > OBJECT_MAX {
        return Err(CommandError::TooBig(OBJECT_MAX as u64));
    }
    let invalid = CommandError::invalid(what, "a JSON object on one line, depth at most 32");
    let text = std::str::from_utf8(bytes).map_err(|_| invalid)?;
    if is_object(text) { Ok(text) } else { Err(invalid) }
}

/// Whether this is a JSON object on one line, not nested too deeply, that a strict reader can read.
pub(crate) fn is_object(text: &str) -> bool {
    let enclosed = text.starts_with('{') && text.ends_with('}');
    enclosed
        && !text.contains(['\n', '\r'])
        && depth(text.as_bytes()) <= OBJECT_DEPTH_MAX
        && serde_json::from_str::<serde_json::Value>(text).is_ok()
}

/// The deepest nesting of arrays and objects, strings skipped.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        if in_string {
            (in_string, escaped) = (escaped || *byte != b'"', !escaped && *byte == b'\\');
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_what_a_strict_parser_reads_back() {
        let all: String = (0..0x250_u32).filter_map(char::from_u32).collect();
        let texts = ["", "hi", "\"\\\n\r\t\0\u{1f}", "äß☕🦀\u{2028}", &all].map(String::from);
        // Every character at every place of a short text and of a text of several vectors.
        let alone = all.chars().flat_map(|c| {
            let (short, long) = ("12345678", "0123456789abcdef0123456789abcdef01");
            let around = |text: &'static str| {
                (0..=text.len()).map(move |at| format!("{}{c}{}", &text[..at], &text[at..]))
            };
            around(short).chain(around(long))
        });
        for text in texts.into_iter().chain(alone) {
            let mut out = Vec::new();
            write_string(&mut out, &text);
            assert_eq!(serde_json::from_slice::<String>(&out).ok(), Some(text));
            assert!(!out.contains(&b'\n') && !out.contains(&b'\r'));
        }
    }

    #[test]
    fn only_small_flat_objects_pass() {
        let deep = |levels: usize| {
            let nested = format!("{}{}", "[".repeat(levels - 1), "]".repeat(levels - 1));
            format!("{{\"a\":{nested}}}")
        };
        let (deep_32, deep_33) = (deep(32), deep(33));
        let big = format!("{{\"a\":\"{}\"}}", "x".repeat(OBJECT_MAX));
        let table: &[(&str, bool, &str)] = &[
            ("{}", true, "empty"),
            ("{\"a\":1, \"b\":[{}]}", true, "blanks inside"),
            ("{\"a\":\"[[[{{{\\\"[\"}", true, "brackets in a string are not depth"),
            (&deep_32, true, "depth 32"),
            (&deep_33, false, "depth 33"),
            (&big, false, "too big"),
            ("[]", false, "an array"),
            ("", false, "nothing"),
            ("{", false, "cut short"),
            ("{}{}", false, "two"),
            ("{\"a\":1,}", false, "trailing comma"),
            ("{\n}", false, "a raw line break"),
            (" {}", false, "a blank before"),
            ("{\"a\":\"\\ud800\"}", false, "a lone surrogate"),
            ("{\"a\":1e999}", false, "a number beyond a double"),
            ("{\"a\":NaN}", false, "not JSON"),
        ];
        for (text, expected, why) in table {
            assert_eq!(object(text.as_bytes(), "meta").is_ok(), *expected, "{why}");
        }
    }
}
