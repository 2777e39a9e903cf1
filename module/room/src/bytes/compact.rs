//! Compact values for what a room holds in large numbers: integers of six and three bytes, and
//! short texts without an allocation of their own.
//!
//! Crate `compact_str` holds the texts: with it a CHAT.BEAT of 50 connections takes as many
//! instructions as with an enum written by hand, and a room as much memory.

use std::fmt;
use std::ops::Deref;

use compact_str::CompactString;

use crate::bytes::allocation::allocated;

/// An integer below 2^48, such as ids and times (see `numbers::END`); a larger one becomes the
/// largest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct U48([u8; 6]);

impl From<u64> for U48 {
    fn from(value: u64) -> U48 {
        let [a, b, c, d, e, f, ..] = value.min((1 << 48) - 1).to_le_bytes();
        U48([a, b, c, d, e, f])
    }
}

impl From<U48> for u64 {
    fn from(small: U48) -> u64 {
        let [a, b, c, d, e, f] = small.0;
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }
}

/// An integer below 2^24; a larger one becomes the largest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct U24([u8; 3]);

impl U24 {
    pub(crate) const MAX: u32 = (1 << 24) - 1;
}

impl From<u32> for U24 {
    fn from(value: u32) -> U24 {
        let [a, b, c, _] = value.min(U24::MAX).to_le_bytes();
        U24([a, b, c])
    }
}

impl From<U24> for u32 {
    fn from(small: U24) -> u32 {
        let [a, b, c] = small.0;
        u32::from_le_bytes([a, b, c, 0])
    }
}

/// A text that is usually short: 24 bytes, and an allocation of its own only above 24 bytes of text.
#[derive(Clone)]
pub(crate) struct ShortText(CompactString);

impl ShortText {
    /// Whether it is this text. For 16 to 32 bytes, the length of most connection names, it
    /// compares without a call: each connection of a CHAT.BEAT needs a comparison.
    pub(crate) fn is(&self, text: &str) -> bool {
        let (own, other) = (self.0.as_bytes(), text.as_bytes());
        let ends = |bytes: &[u8]| Some((*bytes.first_chunk::<16>()?, *bytes.last_chunk::<16>()?));
        match (ends(own), ends(other)) {
            (Some(own_ends), Some(other_ends)) if own.len() <= 32 => {
                own.len() == other.len() && own_ends == other_ends
            }
            _ => own == other,
        }
    }

    /// Bytes that the text takes on the heap.
    pub(crate) fn memory(&self) -> usize {
        if self.0.is_heap_allocated() { allocated(self.0.capacity()) } else { 0 }
    }
}

impl From<&str> for ShortText {
    fn from(text: &str) -> ShortText {
        ShortText(text.into())
    }
}

impl Deref for ShortText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_bytes_hold_what_they_can() {
        for (value, expected) in [
            (0, 0),
            (1_795_225_205_879, 1_795_225_205_879),
            (crate::state::numbers::END, crate::state::numbers::END),
            ((1 << 48) - 1, (1 << 48) - 1),
            (u64::MAX, (1 << 48) - 1),
        ] {
            assert_eq!(u64::from(U48::from(value)), expected);
        }
    }

    #[test]
    fn three_bytes_hold_what_they_can() {
        for (value, expected) in
            [(0, 0), (70_000, 70_000), (1 << 24, U24::MAX), (u32::MAX, U24::MAX)]
        {
            assert_eq!(u32::from(U24::from(value)), expected);
        }
    }

    #[test]
    fn a_text_is_the_same_wherever_it_is() {
        assert_eq!(size_of::<ShortText>(), 24);
        for text in ["", "äöü", &"x".repeat(24), &"x".repeat(25), &"x".repeat(100)] {
            let short = ShortText::from(text);
            assert_eq!(&*short, text);
            assert_eq!(short.memory() > 0, text.len() > 24, "{text}");
        }
    }

    #[test]
    fn texts_that_differ_in_one_byte_are_not_equal() {
        for len in 1..40 {
            let text = "x".repeat(len);
            let short = ShortText::from(&*text);
            assert!(short.is(&text) && !short.is(&text[1..]) && !short.is(&format!("{text}x")));
            for at in 0..len {
                let other = format!("{}y{}", &text[..at], &text[at + 1..]);
                assert!(!short.is(&other), "{other}");
            }
        }
    }
}
