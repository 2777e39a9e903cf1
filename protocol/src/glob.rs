//! Glob patterns as Redis has them: `*`, `?`, `[a-z]`, `[^a]`, and `\` before a literal.
//!
//! A [`Pattern`] is compiled once per call and then matched against many names. It runs as an
//! automaton whose states are bits: each byte of a name costs one step over a few machine words,
//! however many stars and long classes the pattern has. Redis does not export its matcher to modules,
//! and that one backtracks at each star. [`matches()`] needs no memory, for patterns that are kept
//! and rarely used; its time is bounded by the product of both lengths.

use crate::error_code::Invalid;
use crate::limits::PATTERN_MAX;

/// Machine words of a set of states. There is one state more than elements.
const WORDS: usize = PATTERN_MAX / 64 + 1;

/// A set of states. State `n`: the first `n` elements, without stars, have matched.
type States = [u64; WORDS];

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// For each byte, the states whose next element matches it.
    takes: Box<[States; 256]>,
    /// The states whose next element matches any byte.
    takes_any: States,
    /// The states that stay set for any byte, because a star comes next.
    stays: States,
    /// The number of elements. It is also the state in which the whole pattern has matched.
    elements: usize,
}

/// One element of a pattern.
enum Element<'p> {
    /// Any bytes, or none.
    Star,
    /// Any one byte.
    Any,
    /// This byte.
    Literal(u8),
    /// One byte of a class, or outside of a negated one, in its written form.
    Class(&'p [u8]),
}

impl Pattern {
    /// Compiles a pattern of at most [`PATTERN_MAX`] bytes. Errors: `INVALID match`.
    pub fn parse(bytes: &[u8]) -> Result<Pattern, Invalid> {
        if bytes.len() > PATTERN_MAX {
            return Err(Invalid { what: "match", hint: "a pattern of at most 200 bytes" });
        }
        let none = [0; WORDS];
        let mut pattern =
            Pattern { takes: Box::new([none; 256]), takes_any: none, stays: none, elements: 0 };
        let mut rest = bytes;
        while let Some(element) = take_element(&mut rest) {
            pattern.add(element);
        }
        Ok(pattern)
    }

    fn add(&mut self, element: Element<'_>) {
        let state = self.elements;
        match element {
            Element::Star => return set(&mut self.stays, state),
            Element::Any => set(&mut self.takes_any, state),
            Element::Literal(byte) => self.take(byte, state),
            Element::Class(written) => {
                let class = Class::of(written);
                let members = (0..=u8::MAX).filter(|byte| class.holds(*byte));
                members.for_each(|byte| self.take(byte, state));
            }
        }
        self.elements += 1;
    }

    fn take(&mut self, byte: u8, state: usize) {
        if let Some(states) = self.takes.get_mut(usize::from(byte)) {
            set(states, state);
        }
    }

    /// Whether the whole `text` matches. Complexity: one step per byte of the text.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.run(text).0
    }

    /// Whether `text` matches, and how many steps it took.
    fn run(&self, text: &[u8]) -> (bool, usize) {
        let mut states = [0; WORDS];
        set(&mut states, 0);
        let mut steps = 0;
        for byte in text {
            let Some(takes) = self.takes.get(usize::from(*byte)) else { break };
            let mut carry = 0;
            let mut alive = 0;
            let words = states.iter_mut().zip(takes).zip(&self.takes_any).zip(&self.stays);
            for (((word, takes), any), stays) in words {
                let taken = *word & (takes | any);
                *word = (taken << 1) | carry | (*word & stays);
                carry = taken >> 63;
                alive |= *word;
            }
            steps += 1;
            if alive == 0 {
                break;
            }
        }
        let matched = states.get(self.elements / 64).is_some_and(|word| {
            let bit = self.elements % 64;
            word >> bit & 1 == 1
        });
        (matched, steps)
    }
}

/// Whether the whole `text` matches `pattern`, without compiling it. A later star makes the earlier ones
/// final, so only the last star is ever tried again.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut rest, mut left) = (pattern, text);
    // What follows the last star, and the text that the next attempt begins with.
    let mut again: Option<(&[u8], &[u8])> = None;
    loop {
        let mut after = rest;
        match (take_element(&mut after), left.split_first()) {
            (Some(Element::Star), _) => {
                again = Some((after, left));
                rest = after;
                continue;
            }
            (None, None) => return true,
            (Some(element), Some((byte, next))) if element.takes(*byte) => {
                (rest, left) = (after, next);
                continue;
            }
            _ => {}
        }
        let Some((after, [_, next @ ..])) = again else { return false };
        again = Some((after, next));
        (rest, left) = (after, next);
    }
}

/// The literal bytes that `pattern` begins with, without their escapes, and the rest of the pattern.
/// Every text that matches begins with them.
pub fn literal_start(pattern: &[u8]) -> (Vec<u8>, &[u8]) {
    let (mut literal, mut rest) = (Vec::new(), pattern);
    loop {
        let mut after = rest;
        let Some(Element::Literal(byte)) = take_element(&mut after) else { return (literal, rest) };
        literal.push(byte);
        rest = after;
    }
}

impl Element<'_> {
    /// Whether this element, which is no star, matches this byte.
    fn takes(&self, byte: u8) -> bool {
        match self {
            Element::Star | Element::Any => true,
            Element::Literal(literal) => *literal == byte,
            Element::Class(written) => Class::of(written).holds(byte),
        }
    }
}

fn set(states: &mut States, state: usize) {
    if let Some(word) = states.get_mut(state / 64) {
        *word |= 1 << (state % 64);
    }
}

/// Splits the first element off a pattern.
fn take_element<'p>(pattern: &mut &'p [u8]) -> Option<Element<'p>> {
    let (element, rest) = match *pattern {
        [] => return None,
        [b'*', rest @ ..] => (Element::Star, rest),
        [b'?', rest @ ..] => (Element::Any, rest),
        [b'[', rest @ ..] => {
            let (written, rest) = rest.split_at_checked(class_length(rest))?;
            (Element::Class(written), rest.strip_prefix(b"]").unwrap_or(rest))
        }
        [b'\\', literal, rest @ ..] => (Element::Literal(*literal), rest),
        [literal, rest @ ..] => (Element::Literal(*literal), rest),
    };
    *pattern = rest;
    Some(element)
}

/// How many bytes of `pattern` belong to the class that was opened before. A class that is not
/// closed ends with the pattern.
fn class_length(pattern: &[u8]) -> usize {
    let mut rest = pattern.strip_prefix(b"^").unwrap_or(pattern);
    while let Some((_, _, after)) = class_item(rest) {
        rest = after;
    }
    pattern.len() - rest.len()
}

/// The first range of a class and what follows it; `None` at the end of the class.
fn class_item(class: &[u8]) -> Option<(u8, u8, &[u8])> {
    match class {
        [] | [b']', ..] => None,
        [b'\\', literal, after @ ..] => Some((*literal, *literal, after)),
        [from, b'-', to, after @ ..] if *to != b']' => Some((*from.min(to), *from.max(to), after)),
        [literal, after @ ..] => Some((*literal, *literal, after)),
    }
}

/// The bytes of a class, one bit each.
struct Class([u64; 4]);

impl Class {
    fn of(written: &[u8]) -> Class {
        let (negated, mut rest) = match written.strip_prefix(b"^") {
            Some(rest) => (true, rest),
            None => (false, written),
        };
        let mut bits = [0_u64; 4];
        while let Some((from, to, after)) = class_item(rest) {
            for byte in from..=to {
                if let Some(word) = bits.get_mut(usize::from(byte / 64)) {
                    *word |= 1 << (byte % 64);
                }
            }
            rest = after;
        }
        Class(if negated { bits.map(|word| !word) } else { bits })
    }

    fn holds(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte / 64)).is_some_and(|word| word >> (byte % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn matches(pattern: &[u8], text: &[u8]) -> bool {
        let matched = Pattern::parse(pattern).unwrap().matches(text);
        assert_eq!(super::matches(pattern, text), matched, "{pattern:?} {text:?}");
        matched
    }

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
            ("\\", "\\", true),
            ("[a", "a", true),
            ("[", "a", false),
            ("[]", "]", false),
            ("[^", "a", true),
            ("[a-]", "-", true),
            ("[a-]x", "ax", true),
            ("[\\]]", "]", true),
            ("[\\\\-a]", "a", true),
            ("a**b", "ab", true),
            ("*a*", "bab", true),
            ("größe?", "größe!", true),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), *expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_literal_start_ends_at_the_first_element_that_is_none() {
        let table = [
            ("", "", ""),
            ("lobby", "lobby", ""),
            ("lob*y", "lob", "*y"),
            ("*", "", "*"),
            ("a?b", "a", "?b"),
            ("a[b]c", "a", "[b]c"),
            ("a\\*b*", "a*b", "*"),
            ("a\\\\*", "a\\", "*"),
            ("a\\", "a\\", ""),
            ("a]^-*", "a]^-", "*"),
        ];
        for (pattern, literal, rest) in table {
            let found = literal_start(pattern.as_bytes());
            assert_eq!(found, (literal.as_bytes().to_vec(), rest.as_bytes()), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_has_at_most_two_hundred_bytes() {
        assert!(matches(&[b'?'; 200], &[b'x'; 200]));
        assert!(!matches(&[b'?'; 200], &[b'x'; 199]));
        assert!(matches(&[b'a'; 200], &[b'a'; 200]));
        let error = Pattern::parse(&[b'*'; 201]).unwrap_err();
        assert!(error.to_string().starts_with("INVALID match"), "{error}");
    }

    /// Patterns that are slow for matchers that backtrack or that read a class for each byte.
    #[test]
    fn no_pattern_takes_more_steps_than_the_name_has_bytes() {
        let classes = format!("*[{}]x", "b-c".repeat(65));
        let nested = format!("*[{}]*[{}]x", "^a".repeat(48), "a-b".repeat(30));
        let patterns = ["*a".repeat(99) + "b", "*".repeat(200), "*?".repeat(100), classes, nested];
        let names = ["a".repeat(200), "ab".repeat(100), "b".repeat(200)];
        for pattern in &patterns {
            let compiled = Pattern::parse(pattern.as_bytes()).unwrap();
            for name in &names {
                let (_, steps) = compiled.run(name.as_bytes());
                assert!(steps <= name.len(), "{pattern}: {steps} steps");
            }
        }
    }

    /// The rules once more, by trying everything.
    fn by_trying(pattern: &[u8], text: &[u8]) -> bool {
        let mut rest = pattern;
        let Some(element) = take_element(&mut rest) else { return text.is_empty() };
        if let Element::Star = element {
            return (0..=text.len()).any(|at| by_trying(rest, &text[at..]));
        }
        let Some((byte, text)) = text.split_first() else { return false };
        let takes = match element {
            Element::Star | Element::Any => true,
            Element::Literal(literal) => literal == *byte,
            Element::Class(written) => {
                let negated = written.first() == Some(&b'^');
                let mut items = if negated { &written[1..] } else { written };
                let mut found = false;
                while let Some((from, to, after)) = class_item(items) {
                    found |= (from..=to).contains(byte);
                    items = after;
                }
                found != negated
            }
        };
        takes && by_trying(rest, text)
    }

    proptest! {
        #[test]
        fn the_automaton_matches_what_trying_everything_matches(
            pattern in "[ab*?\\[\\]^\\\\-]{0,9}",
            padding in 0_usize..130,
            text in "[abc]{0,7}",
        ) {
            // A prefix moves the states over the edges of the words.
            let prefix = "p".repeat(padding);
            let padded = (prefix.clone() + &pattern, prefix + &text);
            prop_assert_eq!(
                matches(padded.0.as_bytes(), padded.1.as_bytes()),
                by_trying(pattern.as_bytes(), text.as_bytes())
            );
        }
    }
}
