//! Writing many short pieces quickly: room is made for all of them once, and each is then a few
//! instructions instead of a call. What has no bound known beforehand is written the ordinary way.

/// Writes pieces one after another into a place that was made large enough.
pub(crate) struct JsonWriter<'p> {
    rest: &'p mut [u8],
}

/// Appends to `out` what `write` writes: at most `most` bytes, [`SLACK`] among them.
#[inline]
pub(crate) fn append(out: &mut Vec<u8>, most: usize, write: impl FnOnce(&mut JsonWriter<'_>)) {
    let start = out.len();
    out.resize(start + most, 0);
    let mut writer = JsonWriter::new(out.get_mut(start..).unwrap_or_default());
    write(&mut writer);
    let left = writer.rest.len();
    debug_assert!(left >= SLACK, "the place was too small");
    out.truncate(start + most - left);
}

/// Bytes that a pen needs behind what it writes.
pub(crate) const SLACK: usize = 8;

impl<'p> JsonWriter<'p> {
    /// Writes from the beginning of `place` on.
    #[inline]
    pub(crate) fn new(place: &'p mut [u8]) -> Self {
        JsonWriter { rest: place }
    }

    /// Writes a piece of ours, whose length the compiler knows.
    #[inline(always)]
    pub(crate) fn fixed<const N: usize>(&mut self, piece: &[u8; N]) {
        if let Some((place, rest)) = std::mem::take(&mut self.rest).split_first_chunk_mut() {
            *place = *piece;
            self.rest = rest;
        }
    }

    /// Writes any piece.
    #[inline]
    pub(crate) fn text(&mut self, piece: &[u8]) {
        let rest = std::mem::take(&mut self.rest);
        if let Some((place, rest)) = rest.split_at_mut_checked(piece.len()) {
            place.copy_from_slice(piece);
            self.rest = rest;
        }
    }

    /// Writes a number.
    #[inline]
    pub(crate) fn number(&mut self, number: Number) {
        let Number { first, second, digits } = number;
        match digits {
            0 => self.text(itoa::Buffer::new().format(first).as_bytes()),
            1..=8 => self.some(first, digits),
            _ => {
                self.some(first, digits - 8);
                self.fixed(&second.to_le_bytes());
            }
        }
    }

    /// Writes the first few of eight bytes; the next piece overwrites the others.
    #[inline]
    fn some(&mut self, bytes: u64, count: usize) {
        if let Some(place) = self.rest.first_chunk_mut() {
            *place = bytes.to_le_bytes();
        }
        self.rest = std::mem::take(&mut self.rest).get_mut(count..).unwrap_or_default();
    }

    /// How many bytes are left of the place.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }
}

/// The decimal digits of a number, in registers: to be written more than once without being read
/// back from where they have just been written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    /// The first digits, one to eight of them, the first in the lowest byte.
    first: u64,
    /// The eight that follow, if there are more.
    second: u64,
    /// How many in all; 0: more than two registers hold, and `first` is the number itself.
    digits: usize,
}

/// One more than eight digits can say.
const EIGHT: u64 = 100_000_000;

impl Number {
    #[inline]
    pub(crate) fn of(value: u64) -> Number {
        let (high, low) = (value / EIGHT, value % EIGHT);
        let upper = if high == 0 { low } else { high };
        if upper >= EIGHT {
            return Number { first: value, second: 0, digits: 0 };
        }
        let digits = side_by_side(upper as u32);
        let zeros = (digits.trailing_zeros() / 8).min(7);
        let first = (digits + ASCII) >> (8 * zeros);
        let count = 8 - zeros as usize;
        if high == 0 {
            return Number { first, second: 0, digits: count };
        }
        Number { first, second: side_by_side(low as u32) + ASCII, digits: count + 8 }
    }

    /// The digits of the number that follows, if it differs in the last digit only.
    #[inline]
    fn next(self) -> Option<Number> {
        let Number { first, second, digits } = self;
        match digits {
            1..=8 => {
                let last = 8 * (digits - 1);
                let more = (first >> last) as u8 != b'9';
                more.then_some(Number { first: first + (1 << last), ..self })
            }
            9.. => {
                let more = (second >> 56) as u8 != b'9';
                more.then_some(Number { second: second + (1 << 56), ..self })
            }
            0 => None,
        }
    }
}

/// A number that is written again and again, mostly as it was or one more.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    value: u64,
    number: Number,
}

impl Default for Counter {
    fn default() -> Self {
        Counter { value: 0, number: Number { first: b'0'.into(), second: 0, digits: 1 } }
    }
}

impl Counter {
    /// The digits of `value`.
    #[inline]
    pub(crate) fn at(&mut self, value: u64) -> Number {
        if value != self.value {
            self.go_to(value);
        }
        self.number
    }

    fn go_to(&mut self, value: u64) {
        let next = if value.wrapping_sub(1) == self.value { self.number.next() } else { None };
        *self = Counter { value, number: next.unwrap_or_else(|| Number::of(value)) };
    }
}

/// What makes digits of numbers.
const ASCII: u64 = 0x3030_3030_3030_3030;

/// The eight decimal digits of a number below 10^8 as numbers, zeros in front, one in a byte, the
/// first in the lowest. All at once in one register: halves, quarters, digits side by side.
#[inline]
fn side_by_side(value: u32) -> u64 {
    let halves = u64::from(value / 10_000) | u64::from(value % 10_000) << 32;
    // x * 10486 >> 20 is x / 100 for x below 10,000.
    let upper = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let quarters = ((halves - 100 * upper) << 16) + upper;
    // x * 103 >> 10 is x / 10 for x below 100.
    let tens = ((quarters * 103) >> 10) & 0x000f_000f_000f_000f;
    tens + ((quarters - 10 * tens) << 8)
}

#[cfg(test)]
mod tests {
    use chat_protocol::id::INTEGER_BYTES_MAX;

    use super::*;

    #[test]
    fn every_half_of_eight_digits_is_right() {
        for half in 0..10_000_u32 {
            for value in [half, half * 10_000, half * 10_000 + 9_999 - half] {
                let bytes = (side_by_side(value) + ASCII).to_le_bytes();
                assert_eq!(String::from_utf8_lossy(&bytes), format!("{value:08}"));
            }
        }
    }

    #[test]
    fn what_is_written_stands_behind_what_was_there() {
        let mut out = b"before ".to_vec();
        append(&mut out, 200, |writer| {
            for value in [0, 7, 10, 99, 99_999_999, 100_000_000, 1_795_225_205_879, u64::MAX] {
                writer.number(Number::of(value));
                writer.fixed(b" ");
            }
            writer.text(b"text");
        });
        let text = "before 0 7 10 99 99999999 100000000 1795225205879 18446744073709551615 text";
        assert_eq!(String::from_utf8_lossy(&out), text);
    }

    #[test]
    fn a_counter_has_the_digits_of_every_number() {
        let written = |number| {
            let mut out = Vec::new();
            append(&mut out, INTEGER_BYTES_MAX + SLACK, |writer| writer.number(number));
            String::from_utf8_lossy(&out).into_owned()
        };
        let mut counter = Counter::default();
        let starts = [0, 95, 9_995, 99_999_995, 1_795_225_205_879, 9_999_999_999_999_990];
        for start in starts.into_iter().chain([u64::MAX - 30]) {
            for value in (start..start + 30).chain([start, start]) {
                assert_eq!(written(counter.at(value)), value.to_string());
            }
        }
    }

    #[test]
    fn every_length_of_number_is_written() {
        for digits in 0..20 {
            let power = 10_u64.pow(digits);
            for value in [power - 1, power, power + 1] {
                let mut out = Vec::new();
                append(&mut out, INTEGER_BYTES_MAX + SLACK, |writer| {
                    writer.number(Number::of(value))
                });
                assert_eq!(String::from_utf8_lossy(&out), value.to_string());
            }
        }
    }
}
