//! Numbers in six bytes: ids and times take no more (see `encoding::END`), and members are many.

/// A number below 2^48; what is larger becomes the largest.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_bytes_hold_what_they_can() {
        for (value, expected) in [
            (0, 0),
            (1_795_225_205_879, 1_795_225_205_879),
            (crate::encoding::END, crate::encoding::END),
            ((1 << 48) - 1, (1 << 48) - 1),
            (u64::MAX, (1 << 48) - 1),
        ] {
            assert_eq!(u64::from(U48::from(value)), expected);
        }
    }
}
