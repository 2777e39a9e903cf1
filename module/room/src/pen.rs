//! Writing many short pieces quickly: room is made for all of them once, and each is then a few
//! instructions instead of a call. What has no bound known beforehand is written the ordinary way.

/// Writes at the end of a vector, into room that was made for it.
pub(crate) struct Pen<'v> {
    out: &'v mut Vec<u8>,
    at: usize,
}

/// One more than eight digits can say.
const EIGHT: u64 = 100_000_000;

/// The eight decimal digits of a number below 10^8, zeros in front, one in a byte, the first in the
/// lowest. All at once in one register: halves, quarters, digits side by side.
#[inline]
fn digits(value: u32) -> u64 {
    let halves = u64::from(value / 10_000) | u64::from(value % 10_000) << 32;
    // x * 10486 >> 20 is x / 100 for x below 10,000.
    let upper = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let quarters = ((halves - 100 * upper) << 16) + upper;
    // x * 103 >> 10 is x / 10 for x below 100.
    let tens = ((quarters * 103) >> 10) & 0x000f_000f_000f_000f;
    tens + ((quarters - 10 * tens) << 8)
}

/// What makes digits of numbers.
const ASCII: u64 = 0x3030_3030_3030_3030;

/// Bytes of the longest number.
pub(crate) const NUMBER_MAX: usize = 20;

impl<'v> Pen<'v> {
    /// Makes room for `most` bytes at the end of `out`.
    pub(crate) fn new(out: &'v mut Vec<u8>, most: usize) -> Self {
        let at = out.len();
        out.resize(at + most, 0);
        Pen { out, at }
    }

    /// Writes a piece of ours, whose length the compiler knows.
    #[inline(always)]
    pub(crate) fn fixed<const N: usize>(&mut self, piece: &[u8; N]) {
        if let Some(place) = self.out.get_mut(self.at..self.at + N) {
            place.copy_from_slice(piece);
            self.at += N;
        }
    }

    /// Writes any piece.
    #[inline]
    pub(crate) fn text(&mut self, piece: &[u8]) {
        if let Some(place) = self.out.get_mut(self.at..self.at + piece.len()) {
            place.copy_from_slice(piece);
            self.at += piece.len();
        }
    }

    /// Writes a number.
    #[inline]
    pub(crate) fn number(&mut self, value: u64) {
        let (high, low) = (value / EIGHT, value % EIGHT);
        if high == 0 {
            return self.short(low as u32);
        }
        if high < EIGHT {
            self.short(high as u32);
        } else {
            self.short((high / EIGHT) as u32);
            self.fixed(&(digits((high % EIGHT) as u32) + ASCII).to_le_bytes());
        }
        self.fixed(&(digits(low as u32) + ASCII).to_le_bytes());
    }

    /// Writes a number below 10^8 without zeros in front: eight bytes, of which the next piece
    /// overwrites those that are none of its digits.
    #[inline]
    fn short(&mut self, value: u32) {
        let digits = digits(value);
        let zeros = (digits.trailing_zeros() / 8).min(7);
        let bytes = ((digits + ASCII) >> (8 * zeros)).to_le_bytes();
        self.fixed(&bytes);
        self.at -= zeros as usize;
    }

    /// Writes once more what stands at `from..to` of the vector.
    #[inline]
    pub(crate) fn again(&mut self, from: usize, to: usize) {
        let end = self.at + (to - from);
        if end <= self.out.len() && from <= to && to <= self.at {
            self.out.copy_within(from..to, self.at);
            self.at = end;
        }
    }

    /// Where the next piece goes.
    pub(crate) fn at(&self) -> usize {
        self.at
    }
}

impl Drop for Pen<'_> {
    fn drop(&mut self) {
        self.out.truncate(self.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_of_eight_digits_is_right() {
        for half in 0..10_000_u32 {
            for value in [half, half * 10_000, half * 10_000 + 9_999 - half] {
                let bytes = (digits(value) + ASCII).to_le_bytes();
                assert_eq!(String::from_utf8_lossy(&bytes), format!("{value:08}"));
            }
        }
    }

    #[test]
    fn what_is_written_stands_behind_what_was_there() {
        let mut out = b"before ".to_vec();
        let mut pen = Pen::new(&mut out, 200);
        for value in [0, 7, 10, 99, 99_999_999, 100_000_000, 1_795_225_205_879, u64::MAX] {
            pen.number(value);
            pen.fixed(b" ");
        }
        pen.text(b"text");
        let at = pen.at();
        pen.again(at - 4, at);
        drop(pen);
        let text =
            "before 0 7 10 99 99999999 100000000 1795225205879 18446744073709551615 texttext";
        assert_eq!(String::from_utf8_lossy(&out), text);
    }
}
