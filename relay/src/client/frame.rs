//! The bytes of frames sent to clients, encoded once and shared by all that receive them.
//!
//! A server frame (RFC 6455, section 5.2) is a header of two to ten bytes and the payload, unmasked
//! and never fragmented. `frame_reader.rs` reads clients' frames.

use bytes::{BufMut, Bytes, BytesMut};

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// A complete frame, cheap to clone.
pub(crate) type Frame = Bytes;

/// A text frame with this payload. The caller knows that it is UTF-8.
pub(crate) fn text(payload: &[u8]) -> Frame {
    encode(TEXT, payload)
}

/// Bytes of the longest header (RFC 6455, section 5.2; server frames are not masked).
pub(crate) const HEADER_MAX: usize = 10;

/// Appends a text frame with this payload. The caller knows that it is UTF-8.
pub(crate) fn append_text(frames: &mut BytesMut, payload: &[u8]) {
    append(frames, TEXT, payload);
}

/// The payload of a frame that was made here.
pub(crate) fn payload(frame: &[u8]) -> &[u8] {
    let header = match frame.get(1) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    };
    frame.get(header..).unwrap_or_default()
}

/// A ping without payload.
pub(crate) fn ping() -> Frame {
    Bytes::from_static(&[PING, 0])
}

/// The answer to a ping with this payload.
pub(crate) fn pong(payload: &[u8]) -> Frame {
    encode(PONG, payload)
}

/// The answer to a close frame, with the client's code if it sent one.
pub(crate) fn close_answer(code: &[u8]) -> Frame {
    encode(CLOSE, code)
}

/// A close frame. The reason is cut to what a control frame holds (123 bytes).
pub(crate) fn close(code: u16, reason: &str) -> Frame {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = Vec::with_capacity(2 + end);
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    encode(CLOSE, &payload)
}

fn encode(opcode: u8, payload: &[u8]) -> Frame {
    let mut frame = BytesMut::new();
    append(&mut frame, opcode, payload);
    frame.freeze()
}

fn append(frame: &mut BytesMut, opcode: u8, payload: &[u8]) {
    frame.reserve(payload.len() + HEADER_MAX);
    frame.put_u8(opcode);
    match payload.len() {
        length @ 0..=125 => frame.put_u8(length as u8),
        length @ 126..=0xffff => {
            frame.put_u8(126);
            frame.put_u16(length as u16);
        }
        length => {
            frame.put_u8(127);
            frame.put_u64(length as u64);
        }
    }
    frame.put_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;

    #[test]
    fn frames_are_what_a_client_reads() {
        for length in [0usize, 1, 125, 126, 127, 65_535, 65_536, 300_000] {
            let frame = text(&vec![b'a'; length]);
            let mut cursor = std::io::Cursor::new(&frame[..]);
            let (header, size) = FrameHeader::parse(&mut cursor).expect("valid").expect("whole");
            assert!(header.is_final && header.mask.is_none());
            assert_eq!(size as usize, length);
            assert_eq!(frame.len() - cursor.position() as usize, length);
            assert_eq!(payload(&frame), vec![b'a'; length]);
        }
    }

    #[test]
    fn close_reasons_are_cut_between_characters() {
        let frame = close(4001, &"ä".repeat(100));
        assert_eq!(frame.len(), 2 + 2 + 122);
        assert!(std::str::from_utf8(&frame[4..]).is_ok());
    }
}
