//! The bytes of records and of the stored form: LEB128 integers and length-prefixed strings.
//!
//! Writing cannot fail. Reading trusts nothing: every length is compared with the bytes that are
//! left.
//!
//! Written by hand because this is the stored form: the few lines must never change, and the reader
//! returns slices of its input, which the LEB128 crates, made for `io::Read`, do not.

/// The bytes were not written by this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed bytes: {0}")]
pub struct Malformed(pub &'static str);

impl Malformed {
    /// A stored room of a later form than this version reads.
    pub const LATER: Malformed = Malformed("a stored form of a later version");
}

/// Appends an integer in LEB128, 1 to 10 bytes.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length and the bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends the length of what `write` writes, then that.
pub(crate) fn put_written(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    let end = out.len();
    put(out, (end - start) as u64);
    let prefix = out.len() - end;
    out.get_mut(start..).unwrap_or_default().rotate_right(prefix);
}

/// Appends 0 for `None`, else 1 and the string.
pub(crate) fn put_option(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => out.push(0),
        Some(text) => {
            out.push(1);
            put_bytes(out, text.as_bytes());
        }
    }
}

/// Reads the output of the functions above.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The bytes not read yet.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed("ends early"))?;
        self.rest = rest;
        Ok(*first)
    }

    /// A byte that is 0 or 1.
    pub(crate) fn flag(&mut self) -> Result<bool, Malformed> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed("neither 0 nor 1")),
        }
    }

    pub(crate) fn number(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed("integer too long"))
    }

    /// A count of items of at least one byte each.
    pub(crate) fn count(&mut self) -> Result<usize, Malformed> {
        let count = self.number()?;
        let fits = usize::try_from(count).ok().filter(|count| *count <= self.rest.len());
        fits.ok_or(Malformed("count beyond the end"))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.count()?;
        let (found, rest) = self.rest.split_at_checked(length).ok_or(Malformed("ends early"))?;
        self.rest = rest;
        Ok(found)
    }

    /// A string of at most `max` bytes.
    pub(crate) fn text(&mut self, max: usize) -> Result<&'a str, Malformed> {
        let bytes = self.bytes()?;
        if bytes.len() > max {
            return Err(Malformed("string too long"));
        }
        std::str::from_utf8(bytes).map_err(|_| Malformed("not UTF-8"))
    }

    /// A name: a string that is not empty.
    pub(crate) fn name(&mut self, max: usize) -> Result<&'a str, Malformed> {
        self.text(max)
            .and_then(|name| if name.is_empty() { Err(Malformed("empty name")) } else { Ok(name) })
    }

    pub(crate) fn option(&mut self, max: usize) -> Result<Option<&'a str>, Malformed> {
        if self.flag()? { self.text(max).map(Some) } else { Ok(None) }
    }

    /// Eight bytes, little endian.
    pub(crate) fn fixed(&mut self) -> Result<u64, Malformed> {
        let (head, rest) = self.rest.split_first_chunk::<8>().ok_or(Malformed("ends early"))?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_come_back() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put(&mut out, value);
            assert_eq!(Reader::new(&out).number(), Ok(value));
        }
    }

    #[test]
    fn what_nobody_wrote_is_malformed() {
        assert!(Reader::new(&[]).byte().is_err());
        assert!(Reader::new(&[0x80]).number().is_err());
        assert!(Reader::new(&[0xff; 10]).number().is_err(), "more than 64 bits");
        assert!(Reader::new(&[5, b'a']).bytes().is_err());
        assert!(Reader::new(&[2, 0xff, 0xff]).text(9).is_err());
        assert!(Reader::new(&[3, b'a', b'b', b'c']).text(2).is_err());
        assert!(Reader::new(&[2]).flag().is_err());
    }
}
