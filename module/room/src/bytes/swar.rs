//! Looking at eight bytes at a time in one register ("SIMD within a register"): names and short texts
//! are over before a loop over bytes, or a call, has well begun.
//!
//! The tests of a word answer with the highest bit set of bytes that meet them; of bytes above the
//! first such one more bits may be set, so the answer tells whether there is one, not which.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Eight times this byte.
#[inline]
pub(crate) fn all(byte: u8) -> u64 {
    ONES * u64::from(byte)
}

/// Whether no byte meets `test`.
#[inline]
pub(crate) fn none(bytes: &[u8], test: impl Fn(u64) -> u64) -> bool {
    if let Some(last) = bytes.last_chunk::<8>() {
        let (words, _) = bytes.as_chunks::<8>();
        let met = words.iter().fold(0, |met, word| met | test(u64::from_le_bytes(*word)));
        // The last eight once more where they overlap.
        return met | test(u64::from_le_bytes(*last)) == 0;
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let halves = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return test(u64::from(halves.0) | u64::from(halves.1) << 32) == 0;
    }
    bytes.iter().all(|byte| test(all(*byte)) == 0)
}

/// Where the first `byte` is.
pub(crate) fn position(bytes: &[u8], byte: u8) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let met = equal(u64::from_le_bytes(*word), byte);
        if met != 0 {
            return Some(8 * at + met.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|other| *other == byte).map(|at| 8 * words.len() + at)
}

/// Bytes smaller than `limit`, which is at most 128.
#[inline]
pub(crate) fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(all(limit)) & !word & HIGH
}

/// Bytes that are `byte`.
#[inline]
pub(crate) fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ all(byte), 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_word_at_a_time_is_byte_by_byte(
            bytes in proptest::collection::vec(prop_oneof![Just(b'a'), any::<u8>()], 0..40),
            limit in 0..128_u8,
        ) {
            prop_assert_eq!(none(&bytes, |word| below(word, limit)), bytes.iter().all(|b| *b >= limit));
            prop_assert_eq!(none(&bytes, |word| equal(word, limit)), bytes.iter().all(|b| *b != limit));
            prop_assert_eq!(position(&bytes, limit), bytes.iter().position(|b| *b == limit));
        }
    }
}
