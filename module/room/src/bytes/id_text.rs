//! An event id as text, without an allocation and without the formatting machinery: every send
//! answers with one.

use chat_protocol::id::{ID_BYTES_MAX, Id};

use crate::bytes::json_writer::{JsonWriter, Number, SLACK};

/// The canonical text of an id, on the stack.
#[derive(Clone, Copy, Debug)]
pub struct IdText {
    bytes: [u8; ID_BYTES_MAX + SLACK],
    length: usize,
}

impl IdText {
    /// The text of `id`.
    #[inline]
    pub fn of(id: Id) -> IdText {
        let mut text = IdText { bytes: [0; ID_BYTES_MAX + SLACK], length: 0 };
        let mut writer = JsonWriter::new(&mut text.bytes);
        writer.number(Number::of(id.ms));
        writer.fixed(b"-");
        writer.number(Number::of(id.n));
        let left = writer.left();
        text.length = text.bytes.len() - left;
        text
    }

    /// The bytes of the text.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_the_canonical_form() {
        for (ms, n) in [(0, 0), (9, 10), (1_795_225_205_879, 58), (u64::MAX, u64::MAX)] {
            let id = Id { ms, n };
            assert_eq!(IdText::of(id).as_bytes(), id.to_string().as_bytes());
            assert_eq!(Id::parse(IdText::of(id).as_bytes()), Some(id));
        }
    }
}
