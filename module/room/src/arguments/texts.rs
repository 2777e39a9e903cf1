//! Short texts for people, parsed once: topics, reasons, statuses, display names.
//!
//! A text may hold any character but controls, as long as it shows something where it must. Names
//! are stricter: see `chat_protocol::names`.

use chat_protocol::limits::PROFILE_NAME_MAX;
use chat_protocol::visibility::{is_bidi_control, shows};

use crate::command_error::CommandError;

/// Parses at most `max` bytes of UTF-8 without control characters. Errors: `TOOBIG`,
/// `INVALID <what>`.
pub fn line<'a>(bytes: &'a [u8], max: usize, what: &'static str) -> Result<&'a str, CommandError> {
    if bytes.len() > max {
        return Err(CommandError::TooBig(max as u64));
    }
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control));
    text.ok_or(CommandError::invalid(what, "UTF-8 without control characters"))
}

/// Parses a [`line()`] that is empty or shows something. Errors: `TOOBIG`, `INVALID <what>`.
pub fn visible_line<'a>(
    bytes: &'a [u8],
    max: usize,
    what: &'static str,
) -> Result<&'a str, CommandError> {
    let text = line(bytes, max, what)?;
    let fits = text.is_empty() || shows(text);
    if fits { Ok(text) } else { Err(CommandError::invalid(what, "empty, or something to see")) }
}

/// Parses a user's display name: empty, or a line that shows something and does not change the
/// direction of the text around it. Errors: `TOOBIG`, `INVALID name`.
pub fn display_name(bytes: &[u8]) -> Result<&str, CommandError> {
    let text = visible_line(bytes, PROFILE_NAME_MAX, "name")?;
    let fits = text.is_ascii() || !text.chars().any(is_bidi_control);
    if fits { Ok(text) } else { Err(CommandError::invalid("name", "no bidi controls")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_hold_no_controls_and_are_bounded() {
        assert!(line("what we talk about ☕".as_bytes(), 256, "topic").is_ok());
        assert!(line(b"a\nb", 256, "topic").is_err());
        assert_eq!(line(b"abc", 2, "topic"), Err(CommandError::TooBig(2)));
    }

    #[test]
    fn visible_lines_are_empty_or_show_something() {
        for (text, expected) in [("", true), ("a", true), ("\u{301}", true), ("\u{fe0f}", false)] {
            assert_eq!(visible_line(text.as_bytes(), 256, "topic").is_ok(), expected, "{text:?}");
        }
        for text in [" \u{a0}\u{3000}", "\u{3164}\u{2800}", "\u{200b}\u{ad}", "\u{202e}"] {
            assert!(visible_line(text.as_bytes(), 256, "topic").is_err(), "{text:?}");
        }
    }

    #[test]
    fn display_names_change_no_direction() {
        for fine in [
            "",
            "Anna \u{2764}\u{fe0f}",
            "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}",
            "\u{1f469}\u{200d}\u{1f680}",
        ] {
            assert_eq!(display_name(fine.as_bytes()), Ok(fine));
        }
        for turning in
            ['\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}']
        {
            let name = format!("a{turning}b");
            assert!(display_name(name.as_bytes()).is_err(), "{name:?}");
            assert!(visible_line(name.as_bytes(), 256, "topic").is_ok(), "{name:?}");
        }
        assert_eq!(display_name(&[b'x'; 129]), Err(CommandError::TooBig(128)));
        assert!(display_name("\u{2800}".as_bytes()).is_err() && display_name(b"a\nb").is_err());
    }
}
