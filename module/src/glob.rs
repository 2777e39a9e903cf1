//! Glob patterns as Redis knows them: `*`, `?`, `[a-z]`, `[^a]`, and `\` before a literal.
//!
//! Redis does not lend its own to modules on the floor version. One pass with one place to go back
//! to, so no pattern takes more than pattern × text steps.

/// Whether the whole of `text` matches. Compares bytes.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        let step = match pattern.split_first() {
            Some((b'*', rest)) => {
                star = Some((rest, text));
                pattern = rest;
                continue;
            }
            None if text.is_empty() => return true,
            None => None,
            Some(_) => one(pattern, text),
        };
        match (step, star) {
            (Some((pattern_rest, text_rest)), _) => (pattern, text) = (pattern_rest, text_rest),
            // Let the last star swallow one byte more.
            (None, Some((after_star, swallowed))) => match swallowed.split_first() {
                Some((_, rest)) => {
                    star = Some((after_star, rest));
                    (pattern, text) = (after_star, rest);
                }
                None => return false,
            },
            (None, None) => return false,
        }
    }
}

/// Matches one byte of the text with the beginning of the pattern, which is no star.
fn one<'p, 't>(pattern: &'p [u8], text: &'t [u8]) -> Option<(&'p [u8], &'t [u8])> {
    let (byte, text_rest) = text.split_first()?;
    let (first, rest) = pattern.split_first()?;
    let (fits, rest) = match first {
        b'?' => (true, rest),
        b'[' => class(rest, *byte),
        b'\\' if !rest.is_empty() => {
            let (literal, rest) = rest.split_first()?;
            (literal == byte, rest)
        }
        literal => (literal == byte, rest),
    };
    fits.then_some((rest, text_rest))
}

/// Whether a byte is in the class after `[`, and what follows the class. One that is not closed
/// ends with the pattern.
fn class(pattern: &[u8], byte: u8) -> (bool, &[u8]) {
    let (negated, mut rest) = match pattern.split_first() {
        Some((b'^', rest)) => (true, rest),
        _ => (false, pattern),
    };
    let mut found = false;
    loop {
        match rest {
            [] => return (found != negated, rest),
            [b']', after @ ..] => return (found != negated, after),
            [b'\\', literal, after @ ..] => {
                found |= *literal == byte;
                rest = after;
            }
            [from, b'-', to, after @ ..] if *to != b']' => {
                found |= (from.min(to)..=from.max(to)).contains(&&byte);
                rest = after;
            }
            [literal, after @ ..] => {
                found |= *literal == byte;
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_redis() {
        let table: &[(&str, &str, bool)] = &[
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("lobby", "lobby", true),
            ("lobby", "lobbyist", false),
            ("lob*", "lobby", true),
            ("*by", "lobby", true),
            ("l*b*y", "lobby", true),
            ("l*c*y", "lobby", false),
            ("l?bby", "lobby", true),
            ("l?bby", "lbby", false),
            ("[a-c]x", "bx", true),
            ("[c-a]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[a", "a", true),
            ("[\\]]", "]", true),
            ("a**b", "ab", true),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), *expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends() {
        let pattern = "*a".repeat(100) + "b";
        assert!(!matches(pattern.as_bytes(), "a".repeat(200).as_bytes()));
    }
}
