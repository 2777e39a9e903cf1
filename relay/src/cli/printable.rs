//! Text of others, made harmless for a terminal.
//!
//! A terminal acts on control characters, C1 ones too, and shows what follows a bidi control in another
//! order. JSON escapes only the lower ones, and may contain the others as they are.

use std::borrow::Cow;
use std::fmt::Write;

use chat_protocol::visibility::is_bidi_control;

/// The text with `\u001b` in the place of each character that a terminal acts on. In a JSON document
/// such characters are in strings only, so it stays the same document.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match acts(character) {
            // All of them have at most four digits, so JSON reads the same character.
            true => drop(write!(shown, "\\u{:04x}", u32::from(character))),
            false => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

/// At most `most` characters of the text, printable; an ellipsis stands for the rest.
pub(super) fn excerpt(text: &str, most: usize) -> String {
    let text = text.trim();
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", printable(text.get(..end).unwrap_or_default())),
        None => printable(text).into_owned(),
    }
}

/// Whether a terminal acts on the character, or ends the line at it.
fn acts(character: char) -> bool {
    character.is_control()
        || is_bidi_control(character)
        || matches!(character, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_escaped_as_in_json() {
        let rows = [
            ("plain é日☕ 👩‍🚀", "plain é日☕ 👩‍🚀"),
            ("\u{1b}[2J\r\n\0\u{7f}", r"\u001b[2J\u000d\u000a\u0000\u007f"),
            ("\u{9b}31m", r"\u009b31m"),
            ("a\u{202e}b\u{2066}c\u{2028}", r"a\u202eb\u2066c\u2028"),
        ];
        for (text, expected) in rows {
            assert_eq!(printable(text), expected);
        }
        let all: String = (0..=0x1_ffff).filter_map(char::from_u32).collect();
        let json = serde_json::to_string(&all).expect("JSON");
        let shown = printable(&json);
        assert!(!shown.chars().any(acts));
        assert_eq!(serde_json::from_str::<String>(&shown).expect("JSON"), all);
    }

    #[test]
    fn an_excerpt_ends_between_characters() {
        let rows = [("äöü", 3, "äöü"), ("äöü", 2, "äö…"), (" a\n", 1, "a"), ("", 0, "")];
        for (text, most, expected) in rows {
            assert_eq!(excerpt(text, most), expected, "{text:?}");
        }
    }
}
