//! Writing many short pieces quickly: room is made for all of them once, and each is then a few
//! instructions instead of a call. What has no bound known beforehand is written the ordinary way.

/// Writes at the end of a vector, into room that was made for it.
pub(crate) struct Pen<'v> {
    out: &'v mut Vec<u8>,
    at: usize,
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
    pub(crate) fn number(&mut self, mut value: u64) {
        let length = value.checked_ilog10().unwrap_or(0) as usize + 1;
        let end = self.at + length;
        let Some(place) = self.out.get_mut(self.at..end) else { return };
        let mut pairs = place.rchunks_exact_mut(2);
        for pair in &mut pairs {
            let two = (value % 100) as u8;
            value /= 100;
            pair.copy_from_slice(&[b'0' + two / 10, b'0' + two % 10]);
        }
        if let [first] = pairs.into_remainder() {
            *first = b'0' + value as u8;
        }
        self.at = end;
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
        for value in [0, 7, 10, 99, 1_795_225_205_879, u64::MAX] {
            pen.number(value);
            pen.fixed(b" ");
        }
        pen.text(b"text");
        let at = pen.at();
        pen.again(at - 4, at);
        drop(pen);
        let text = "before 0 7 10 99 1795225205879 18446744073709551615 texttext";
        assert_eq!(String::from_utf8_lossy(&out), text);
    }
}
