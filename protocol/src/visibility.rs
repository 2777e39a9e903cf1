//! Which characters can be seen: a name holds nothing but visible characters, a text at least one.
//!
//! The one table of invisible characters. It goes by Unicode's general category and adds what that
//! misses: characters of other categories that show nothing by themselves.

use unicode_general_category::{GeneralCategory as Category, get_general_category};

/// The characters a name may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alphabet {
    /// Visible characters.
    Visible,
    /// Also blank characters, which earlier versions allowed.
    Stored,
}

impl Alphabet {
    /// Whether the alphabet has this character.
    pub(crate) fn has(self, character: char) -> bool {
        if character.is_ascii() {
            return character.is_ascii_graphic();
        }
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

/// Whether a character outside the categories C and Z shows nothing by itself: the other code
/// points of Unicode's property Default_Ignorable_Code_Point (fillers, variation selectors, vowels
/// inherent in a letter), and the braille pattern without a dot.
pub fn is_blank(character: char) -> bool {
    matches!(
        character,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180d}'
            | '\u{180f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

/// Whether a text of this character alone shows anything.
fn is_shown(character: char) -> bool {
    use Category as C;
    // Unassigned code points that Unicode reserves for ignorable characters.
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

/// Whether a character changes the direction of the text around it (Unicode's property
/// Bidi_Control).
pub fn is_bidi_control(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Whether `text` shows anything. An unassigned character counts as visible: it may be a new emoji.
#[inline]
pub fn shows(text: &str) -> bool {
    let first = text.bytes().next();
    first.is_some_and(|byte| byte.is_ascii_graphic()) || text.chars().any(is_shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_shows_something_if_one_character_does() {
        let heart = "\u{2764}\u{fe0f}";
        let rows = [
            ("hi", true, "letters"),
            (" hi", true, "a blank before"),
            (heart, true, "an emoji with its selector"),
            ("\u{fe0f}", false, "the selector alone"),
            ("", false, "nothing"),
            (" \t\n\u{a0}\u{3000}", false, "blanks of all kinds"),
            ("\u{3164}\u{115f}\u{ffa0}\u{2800}", false, "fillers"),
            ("\u{200b}\u{200d}\u{feff}\u{ad}\u{2060}", false, "characters without width"),
            ("\u{202e}\u{2066}\u{61c}", false, "bidi controls"),
            ("\u{e0041}\u{e0fff}\u{2065}\u{fff3}", false, "tags and reserved code points"),
            ("\0\u{7f}\u{85}", false, "controls"),
            ("\u{200d}a", true, "one letter among them"),
            ("\u{f8ff}", true, "private use: a font may show it"),
            ("\u{1faea}\u{378}", true, "unassigned"),
            ("\u{301}", true, "an accent"),
        ];
        for (text, expected, why) in rows {
            assert_eq!(shows(text), expected, "{why}");
        }
    }
}
