//! The bytes of frames sent to clients, encoded once and shared by all that receive them.
//!
//! A server frame (RFC 6455, section 5.2) is a header of two to ten bytes and the payload, unmasked
//! and never fragmented. `frame_reader.rs` reads clients' frames.

use bytes::{Buf, BufMut, Bytes, BytesMut};

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

/// A text frame whose payload is these pieces, one after the other.
pub(crate) fn text_of(pieces: &[&str]) -> Frame {
    let length = pieces.iter().map(|piece| piece.len()).sum();
    let mut frame = with_header(TEXT, length);
    pieces.iter().for_each(|piece| frame.put_slice(piece.as_bytes()));
    frame.freeze()
}

/// Bytes of the longest header (RFC 6455, section 5.2; server frames are not masked).
const HEADER_MAX: usize = 10;

/// Appends a text frame with this payload. The caller knows that it is UTF-8.
pub(crate) fn append_text(frames: &mut BytesMut, payload: &[u8]) {
    frames.reserve(payload.len() + HEADER_MAX);
    append_header(frames, TEXT, payload.len());
    frames.put_slice(payload);
}

/// The payload of a frame that was made here.
pub(crate) fn payload(frame: &[u8]) -> &[u8] {
    frame.get(header_length(frame)..).unwrap_or_default()
}

fn header_length(frame: &[u8]) -> usize {
    match frame.get(1) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    }
}

/// The contents of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// A text message.
    Text(Bytes),
    /// The close code and the reason, which is JSON.
    Close(u16, Bytes),
}

/// Takes the first message of frames that were made here and lie one after the other. Its bytes are
/// shared. None: there is none. Pings and pongs are skipped.
pub(crate) fn take_payload(frames: &mut Frame) -> Option<Payload> {
    while let Some(&opcode) = frames.first() {
        let start = header_length(frames);
        let big_endian =
            |bytes: &[u8]| bytes.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
        let length = match start {
            2 => usize::from(*frames.get(1)?),
            start => big_endian(frames.get(2..start)?),
        };
        let frame = frames.split_to((start + length).min(frames.len()));
        let mut payload = frame.slice(start.min(frame.len())..);
        match opcode {
            TEXT => return Some(Payload::Text(payload)),
            CLOSE if payload.len() >= 2 => {
                let code = payload.get_u16();
                return Some(Payload::Close(code, payload));
            }
            _ => {}
        }
    }
    None
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
    let mut frame = with_header(opcode, payload.len());
    frame.put_slice(payload);
    frame.freeze()
}

/// The header of a frame, in exactly as many bytes as all of the frame needs: then the frame is one
/// piece of memory.
fn with_header(opcode: u8, length: usize) -> BytesMut {
    let header = match length {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => HEADER_MAX,
    };
    let mut frame = BytesMut::with_capacity(header + length);
    append_header(&mut frame, opcode, length);
    frame
}

fn append_header(frame: &mut BytesMut, opcode: u8, length: usize) {
    frame.put_u8(opcode);
    match length {
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
            let (half, rest) = ("a".repeat(length / 2), "a".repeat(length - length / 2));
            assert_eq!(text_of(&[&half, "", &rest]), frame);
        }
    }

    #[test]
    fn messages_are_taken_from_frames_one_after_the_other() {
        let payloads = [vec![], vec![b'a'; 125], vec![b'b'; 126], vec![b'c'; 65_536]];
        let mut frames = BytesMut::new();
        for payload in &payloads {
            frames.put_slice(&ping());
            append_text(&mut frames, payload);
        }
        frames.put_slice(&close(4001, "{}"));
        let mut frames = frames.freeze();
        for payload in payloads {
            assert_eq!(take_payload(&mut frames), Some(Payload::Text(payload.into())));
        }
        assert_eq!(take_payload(&mut frames), Some(Payload::Close(4001, "{}".into())));
        assert_eq!(take_payload(&mut frames), None);
        assert_eq!(take_payload(&mut Bytes::from_static(&[TEXT, 126, 1])), None, "cut off");
    }

    #[test]
    fn close_reasons_are_cut_between_characters() {
        let frame = close(4001, &"ä".repeat(100));
        assert_eq!(frame.len(), 2 + 2 + 122);
        assert!(std::str::from_utf8(&frame[4..]).is_ok());
    }
}
