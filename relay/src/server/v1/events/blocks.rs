//! The text of a stream: blocks of lines (HTML Living Standard, section 9.2.6, "Interpreting an event
//! stream").
//!
//! Blocks are collected and leave together. The bytes of an event are copied here, when they are about
//! to be written; while they wait in the outbox they are shared.

use bytes::{BufMut, Bytes, BytesMut};

/// Blocks that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Blocks(BytesMut);

impl Blocks {
    /// An event without a name.
    pub(super) fn data(&mut self, data: &[u8]) {
        // No line break: the end of a line would be the end of the data. Events and frames are JSON
        // on one line, but this does not depend on it: between members a break is white space.
        for line in data.split(|byte| matches!(byte, b'\n' | b'\r')) {
            self.line(b"data: ", line);
        }
        self.end();
    }

    /// An event with a name.
    pub(super) fn named(&mut self, name: &str, data: &[u8]) {
        self.line(b"event: ", name.as_bytes());
        self.data(data);
    }

    /// The positions of the client: its next `Last-Event-ID`. Such a block is no event.
    pub(super) fn positions(&mut self, positions: &str) {
        self.line(b"id: ", positions.as_bytes());
        self.end();
    }

    /// The end of the stream, and when to come back.
    pub(super) fn close(&mut self, data: &[u8], retry_ms: u64) {
        self.line(b"retry: ", retry_ms.to_string().as_bytes());
        self.named("close", data);
    }

    /// Shows the client and what is between that the stream is alive.
    pub(super) fn comment(&mut self) {
        self.line(b":", b"");
        self.end();
    }

    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes everything.
    pub(super) fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.0).freeze()
    }

    fn line(&mut self, field: &[u8], value: &[u8]) {
        self.0.put_slice(field);
        self.0.put_slice(value);
        self.0.put_u8(b'\n');
    }

    fn end(&mut self) {
        self.0.put_u8(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_what_a_browser_reads() {
        let mut blocks = Blocks::default();
        blocks.named("hello", b"{}");
        blocks.data(b"{\"a\":\n1,\r\"b\":2}");
        blocks.positions("a=1-1");
        blocks.comment();
        blocks.close(b"{\"code\":4001}", 17);
        let expected = "event: hello\ndata: {}\n\n\
            data: {\"a\":\ndata: 1,\ndata: \"b\":2}\n\n\
            id: a=1-1\n\n\
            :\n\n\
            retry: 17\nevent: close\ndata: {\"code\":4001}\n\n";
        assert_eq!(blocks.take(), expected);
        assert_eq!(blocks.len(), 0);
    }
}
