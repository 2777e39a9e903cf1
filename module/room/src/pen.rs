//! Writing many short pieces quickly: room is made for all of them once, and each is then a few
//! instructions instead of a call. What has no bound known beforehand is written the ordinary way.

/// Writes at the end of a vector, into room that was made for it.
pub(crate) struct Pen<'v> {
    out: &'v mut Vec<u8>,
    at: usize,
}

/// One more than eight digits can say.
const EIGHT: u64 = 100_000_000;

/// The digits of every number below 100.
#[allow(clippy::indexing_slicing, reason = "done by the compiler, which would notice")]
static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut at = 0;
    while at < 100 {
        pairs[at] = [b'0' + (at / 10) as u8, b'0' + (at % 10) as u8];
        at += 1;
    }
    pairs
};

/// Eight digits of a number, zeros in front. The four pairs do not wait for each other.
#[inline]
fn eight(value: u32) -> [u8; 8] {
    let pair = |at: u32| PAIRS.get(at as usize).copied().unwrap_or_default();
    let (upper, lower) = (value / 10_000, value % 10_000);
    let [a, b] = pair(upper / 100);
    let [c, d] = pair(upper % 100);
    let [e, f] = pair(lower / 100);
    let [g, h] = pair(lower % 100);
    [a, b, c, d, e, f, g, h]
}

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
            self.fixed(&eight((high % EIGHT) as u32));
        }
        self.fixed(&eight(low as u32));
    }

    /// Writes a number of at most eight digits.
    #[inline]
    fn short(&mut self, value: u32) {
        let length = value.checked_ilog10().unwrap_or(0) as usize + 1;
        self.text(eight(value).get(8 - length..).unwrap_or_default());
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
