//! What can be seen of a character: in names everything must be, in texts something.

use unicode_general_category::{GeneralCategory as Category, get_general_category};

/// What names are made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// Characters one can see.
    Visible,
    /// Also those that are ignored or blank, as names could have them before.
    Stored,
}

impl Alphabet {
    pub(super) fn has(self, character: char) -> bool {
        use Category as C;
        let refused = matches!(
            get_general_category(character),
            C::Control
                | C::Format
                | C::Unassigned
                | C::PrivateUse
                | C::Surrogate
                | C::SpaceSeparator
                | C::LineSeparator
                | C::ParagraphSeparator
        );
        !refused && (self == Alphabet::Stored || !is_blank(character))
    }
}

/// What is in neither of the categories C and Z and shows nothing by itself: the other code points of
/// Unicode's property Default_Ignorable_Code_Point (fillers, variation selectors, vowels inherent in a
/// letter), and the braille pattern without a dot.
pub(super) fn is_blank(character: char) -> bool {
    matches!(
        character,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180d}'
            | '\u{180f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

/// Whether a text with this character alone shows anything.
fn is_shown(character: char) -> bool {
    use Category as C;
    // Unassigned, and to be ignored whatever they will be.
    let reserved = matches!(
        character,
        '\u{2065}' | '\u{fff0}'..='\u{fff8}' | '\u{e0000}'..='\u{e0fff}'
    );
    let category = || get_general_category(character);
    !reserved
        && !is_blank(character)
        && !matches!(
            category(),
            C::Control
                | C::Format
                | C::Surrogate
                | C::SpaceSeparator
                | C::LineSeparator
                | C::ParagraphSeparator
        )
}

/// Unicode's property Bidi_Control: what turns the text around it.
pub(super) fn is_bidi_control(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Whether there is anything to see in `text`. A character that Unicode did not know when this was
/// written is taken for one: it may be a new emoji.
#[inline]
pub fn shows(text: &str) -> bool {
    let first = text.bytes().next();
    first.is_some_and(|byte| byte.is_ascii_graphic()) || text.chars().any(is_shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command_error::CommandError;
    use crate::names::{display_name, visible_line};

    #[test]
    fn texts_show_something_and_names_turn_nothing_around() {
        let heart = "\u{2764}\u{fe0f}";
        let rows = [
            ("hi", true, "letters"),
            (" hi", true, "a blank before"),
            (heart, true, "an emoji with its selector"),
            ("\u{fe0f}", false, "the selector alone"),
            ("", false, "nothing"),
            (" \t\n\u{a0}\u{3000}", false, "blanks of all kinds"),
            ("\u{3164}\u{115f}\u{ffa0}\u{2800}", false, "fillers"),
            ("\u{200b}\u{200d}\u{feff}\u{ad}\u{2060}", false, "what has no width"),
            ("\u{202e}\u{2066}\u{61c}", false, "bidi controls"),
            ("\u{e0041}\u{e0fff}\u{2065}\u{fff3}", false, "tags, and what is reserved for such"),
            ("\0\u{7f}\u{85}", false, "controls"),
            ("\u{200d}a", true, "one letter among them"),
            ("\u{f8ff}", true, "private use: a font may show it"),
            ("\u{1faea}\u{378}", true, "not assigned when this was written"),
            ("\u{301}", true, "an accent"),
        ];
        for (text, expected, why) in rows {
            assert_eq!(shows(text), expected, "{why}");
            let line = !text.is_empty() && text.chars().all(|c| !char::is_control(c));
            if line {
                assert_eq!(visible_line(text.as_bytes(), 256, "topic").is_ok(), expected, "{why}");
            }
        }
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
