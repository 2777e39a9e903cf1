//! Reading clients' frames (RFC 6455), one at a time, with bounded work in each step.
//!
//! A step takes one frame from the buffer, or reads once. So the caller decides how often to step,
//! counts every frame, empty parts of messages included, and can do other work in between. Memory
//! is allocated as bytes arrive, not as a header announces, and an idle connection holds none. The
//! session decides what a frame means.

use std::io::{self, ErrorKind};

use bytes::{Bytes, BytesMut};
use chat_protocol::close_code::{self, CloseCode};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// Bytes that one step reads when no frame has begun: most frames are small.
const SMALL_READ: usize = 2 << 10;
/// Bytes that one step reads of a large frame.
const LARGE_READ: usize = 16 << 10;
/// The longest payload of a control frame.
const CONTROL_MAX: usize = 125;

/// The result of one step.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A whole text message.
    Text(Utf8Bytes),
    /// A frame of a message that is not complete yet.
    Part,
    /// A ping, to be answered by a pong with these bytes.
    Ping(Bytes),
    /// A pong.
    Pong,
    /// The client closes the connection. The payload is the answer to send (section 5.5.1).
    Close(Bytes),
    /// Some bytes, but no complete frame yet.
    Bytes,
    /// Nothing for now.
    Nothing,
    /// The end of the stream.
    End,
}

/// One step: how many bytes it read, and its result.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// Bytes read from the socket.
    pub bytes: usize,
    /// The result.
    pub found: Found,
}

/// Why reading ends the connection.
#[derive(Debug)]
pub enum ReadError {
    /// The client broke the protocol or a limit.
    Close(CloseCode),
    /// The socket failed.
    Socket(io::Error),
}

impl From<CloseCode> for ReadError {
    fn from(close: CloseCode) -> ReadError {
        ReadError::Close(close)
    }
}

/// The frame reader of one connection.
#[derive(Debug)]
pub struct FrameReader {
    /// Bytes that have arrived and are not taken yet.
    buffer: BytesMut,
    /// The header of the frame that is arriving, and the length of its payload. Boxed, because it
    /// is there only while a frame is incomplete.
    header: Option<Box<(FrameHeader, usize)>>,
    /// The parts so far of a text message that has several frames.
    message: Option<BytesMut>,
    /// The longest message in bytes.
    most: usize,
}

impl FrameReader {
    /// A reader of messages of at most `most` bytes. `early` are bytes that arrived with the
    /// handshake.
    pub fn new(most: usize, early: &[u8]) -> FrameReader {
        FrameReader { buffer: BytesMut::from(early), header: None, message: None, most }
    }

    /// Takes one frame from the buffer, or reads once. `read` appends to the buffer at most the
    /// number of bytes that it is given, and returns how many it appended: 0 at the end of the
    /// stream.
    pub fn step(
        &mut self,
        read: impl FnOnce(&mut BytesMut, usize) -> io::Result<usize>,
    ) -> Result<Step, ReadError> {
        if let Some(found) = self.take()? {
            return Ok(Step { bytes: 0, found });
        }
        let missing = self.header.as_ref().map_or(0, |header| header.1 - self.buffer.len());
        let wanted = missing.clamp(SMALL_READ, LARGE_READ);
        self.buffer.reserve(wanted);
        let bytes = match read(&mut self.buffer, wanted) {
            Ok(0) => return Ok(Step { bytes: 0, found: Found::End }),
            Ok(bytes) => bytes,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                if self.buffer.is_empty() {
                    self.buffer = BytesMut::new();
                }
                return Ok(Step { bytes: 0, found: Found::Nothing });
            }
            Err(error) => return Err(ReadError::Socket(error)),
        };
        let found = self.take()?.unwrap_or(Found::Bytes);
        Ok(Step { bytes, found })
    }

    /// Whether a message or a frame is incomplete.
    pub fn is_incomplete(&self) -> bool {
        self.message.is_some() || self.header.is_some() || !self.buffer.is_empty()
    }

    /// The next frame, if a complete one is in the buffer.
    fn take(&mut self) -> Result<Option<Found>, CloseCode> {
        let header = match self.header.take() {
            Some(header) => *header,
            None => match self.parse_header()? {
                Some(header) => header,
                None => return Ok(None),
            },
        };
        if self.buffer.len() < header.1 {
            self.header = Some(Box::new(header));
            return Ok(None);
        }
        let (header, length) = header;
        let mut payload = self.buffer.split_to(length);
        let mask = header.mask.ok_or(close_code::PROTOCOL)?;
        unmask(&mut payload, mask);
        self.sort(&header, payload).map(Some)
    }

    /// Parses a header, and refuses at once a frame that cannot be accepted.
    fn parse_header(&mut self) -> Result<Option<(FrameHeader, usize)>, CloseCode> {
        let mut cursor = io::Cursor::new(&self.buffer[..]);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|error| match error {
            Error::Capacity(_) => close_code::TOOBIG,
            _ => close_code::PROTOCOL,
        })?;
        let Some((header, length)) = parsed else { return Ok(None) };
        let header_length = cursor.position() as usize;
        if header.rsv1 || header.rsv2 || header.rsv3 || header.mask.is_none() {
            return Err(close_code::PROTOCOL);
        }
        let length = usize::try_from(length).map_err(|_| close_code::TOOBIG)?;
        match header.opcode {
            OpCode::Control(_) if !header.is_final || length > CONTROL_MAX => {
                return Err(close_code::PROTOCOL);
            }
            OpCode::Data(Data::Continue) if self.message.is_none() => {
                return Err(close_code::PROTOCOL);
            }
            OpCode::Data(Data::Text | Data::Binary) if self.message.is_some() => {
                return Err(close_code::PROTOCOL);
            }
            OpCode::Data(Data::Binary) => return Err(close_code::BINARY),
            _ => {}
        }
        let before = self.message.as_ref().map_or(0, |message| message.len());
        if length > self.most - before.min(self.most) {
            return Err(close_code::TOOBIG);
        }
        let _ = self.buffer.split_to(header_length);
        Ok(Some((header, length)))
    }

    fn sort(&mut self, header: &FrameHeader, payload: BytesMut) -> Result<Found, CloseCode> {
        match header.opcode {
            OpCode::Control(Control::Ping) => Ok(Found::Ping(payload.freeze())),
            OpCode::Control(Control::Pong) => Ok(Found::Pong),
            OpCode::Control(Control::Close) => closing(&payload).map(Found::Close),
            OpCode::Data(Data::Text) if header.is_final => whole(payload),
            OpCode::Data(Data::Text) => {
                self.message = Some(BytesMut::from(&payload[..]));
                Ok(Found::Part)
            }
            OpCode::Data(Data::Continue) => {
                let mut message = self.message.take().ok_or(close_code::PROTOCOL)?;
                message.extend_from_slice(&payload);
                if header.is_final {
                    return whole(message);
                }
                self.message = Some(message);
                Ok(Found::Part)
            }
            _ => Err(close_code::PROTOCOL),
        }
    }
}

/// Unmasks the payload (section 5.3), eight bytes at a time.
fn unmask(payload: &mut [u8], [a, b, c, d]: [u8; 4]) {
    let mask = [a, b, c, d, a, b, c, d];
    let (eights, rest) = payload.as_chunks_mut::<8>();
    for eight in eights {
        *eight = (u64::from_ne_bytes(*eight) ^ u64::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

fn whole(message: BytesMut) -> Result<Found, CloseCode> {
    Utf8Bytes::try_from(message.freeze()).map(Found::Text).map_err(|_| close_code::UTF8)
}

/// The answer to a close frame: the client's code, if that may be sent (section 7.4).
fn closing(payload: &[u8]) -> Result<Bytes, CloseCode> {
    match payload {
        [] => Ok(Bytes::new()),
        [high, low, reason @ ..] => {
            let is_sendable = matches!(
                u16::from_be_bytes([*high, *low]),
                1000..=1003 | 1007..=1014 | 3000..=4999
            );
            if !is_sendable {
                return Err(close_code::PROTOCOL);
            }
            std::str::from_utf8(reason).map_err(|_| close_code::UTF8)?;
            Ok(Bytes::copy_from_slice(&[*high, *low]))
        }
        [_] => Err(close_code::PROTOCOL),
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;
    use proptest::prelude::*;

    use super::*;

    /// A client's frame with its mask.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..126 => bytes.push(0x80 | length as u8),
            length @ 126..65_536 => {
                bytes.push(0x80 | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            length => {
                bytes.push(0x80 | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        let mask = [7, 70, 17, 170];
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// Reads these bytes, which arrive in pieces of at most `piece`. Returns the results, and the
    /// close code that they lead to, if any.
    fn read(most: usize, mut bytes: &[u8], piece: usize) -> (Vec<Found>, Option<u16>) {
        let mut incoming = FrameReader::new(most, &[]);
        let mut all = Vec::new();
        loop {
            let step = incoming.step(|buffer, most| {
                let length = bytes.len().min(piece).min(most);
                if length == 0 {
                    return Err(ErrorKind::WouldBlock.into());
                }
                buffer.put_slice(&bytes[..length]);
                bytes = &bytes[length..];
                Ok(length)
            });
            match step {
                Ok(Step { found: Found::Nothing, .. }) => return (all, None),
                Ok(Step { found: Found::Bytes, .. }) => {}
                Ok(Step { found, .. }) => all.push(found),
                Err(ReadError::Close(close)) => return (all, Some(close.number)),
                Err(ReadError::Socket(error)) => panic!("{error}"),
            }
        }
    }

    fn text(text: &str) -> Found {
        Found::Text(text.into())
    }

    #[test]
    fn frames_come_one_by_one_however_the_bytes_do() {
        let bytes = [
            frame(0x81, b"{}"),
            frame(0x01, b"a"),
            frame(0x89, b"there?"),
            frame(0x00, b""),
            frame(0x8a, b""),
            frame(0x00, "\u{e4}".as_bytes().split_at(1).0),
            frame(0x80, "\u{e4}".as_bytes().split_at(1).1),
            frame(0x81, "x".repeat(70_000).as_bytes()),
            frame(0x81, &[]),
            frame(0x88, &[0x0f, 0xa0, b'b']),
        ]
        .concat();
        let expected = [
            text("{}"),
            Found::Part,
            Found::Ping(Bytes::from_static(b"there?")),
            Found::Part,
            Found::Pong,
            Found::Part,
            text("a\u{e4}"),
            text(&"x".repeat(70_000)),
            text(""),
            Found::Close(Bytes::from_static(&[0x0f, 0xa0])),
        ];
        for piece in [1, 2, 3, 5, 100, 5000, 1 << 20] {
            assert_eq!(read(70_000, &bytes, piece), (expected.to_vec(), None), "by {piece}");
        }
    }

    impl Clone for Found {
        fn clone(&self) -> Found {
            match self {
                Found::Text(text) => Found::Text(text.clone()),
                Found::Ping(bytes) => Found::Ping(bytes.clone()),
                Found::Close(bytes) => Found::Close(bytes.clone()),
                Found::Part => Found::Part,
                Found::Pong => Found::Pong,
                Found::Bytes => Found::Bytes,
                Found::Nothing => Found::Nothing,
                Found::End => Found::End,
            }
        }
    }

    #[test]
    fn what_breaks_the_protocol_has_its_code() {
        let close = |code: u16| frame(0x88, &code.to_be_bytes());
        let rows: Vec<(&str, Vec<u8>, u16)> = vec![
            ("a binary message", frame(0x82, b"x"), 4501),
            ("the first part of a binary message", frame(0x02, b""), 4501),
            ("a continuation of nothing", frame(0x80, b""), 4500),
            ("a message within a message", [frame(1, b""), frame(0x81, b"")].concat(), 4500),
            ("a binary within a message", [frame(1, b""), frame(0x82, b"")].concat(), 4500),
            ("a reserved bit", frame(0xc1, b""), 4500),
            ("an unknown opcode", frame(0x83, b""), 4500),
            ("an unknown control frame", frame(0x8b, b""), 4500),
            ("an unmasked frame", b"\x81\x00".to_vec(), 4500),
            ("a ping in parts", frame(0x09, b""), 4500),
            ("a long ping", frame(0x89, &[b'x'; 126]), 4500),
            ("only the header of a long ping", frame(0x89, &[b'x'; 126])[..8].to_vec(), 4500),
            ("a long close", frame(0x88, &[3; 126]), 4500),
            ("half a code", frame(0x88, b"\x03"), 4500),
            ("a code below all", close(999), 4500),
            ("no status", close(1005), 4500),
            ("abnormal", close(1006), 4500),
            ("TLS", close(1015), 4500),
            ("an unknown code", close(2999), 4500),
            ("a code above all", close(5000), 4500),
            ("a reason that is no UTF-8", frame(0x88, b"\x03\xe8\xff"), 4503),
            ("no UTF-8", frame(0x81, b"\xff"), 4503),
            ("half a character", [frame(1, b"\xc3"), frame(0x80, b"")].concat(), 4503),
            ("too long", frame(0x81, &[b'x'; 101]), 4502),
            ("only the header of it", frame(0x81, &[b'x'; 101])[..6].to_vec(), 4502),
            ("parts too long", [frame(1, &[b'x'; 60]), frame(0, &[b'x'; 41])].concat(), 4502),
            ("longer than memory", b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff....".to_vec(), 4502),
        ];
        for (what, bytes, code) in rows {
            for piece in [1, 1000] {
                assert_eq!(read(100, &bytes, piece).1, Some(code), "{what}, by {piece}");
            }
        }
        for code in [1000, 1001, 1011, 1014, 3000, 4000, 4999] {
            let found = vec![Found::Close(Bytes::copy_from_slice(&u16::to_be_bytes(code)))];
            assert_eq!(read(100, &close(code), 1000), (found, None), "{code}");
        }
    }

    #[test]
    fn memory_is_taken_as_bytes_come_and_given_back() {
        let mut incoming = FrameReader::new(1 << 30, &[]);
        let mut header = vec![0x81, 0xff];
        header.extend((1_u64 << 30).to_be_bytes());
        header.extend([0; 4]);
        let once = |bytes: &[u8]| {
            let bytes = bytes.to_vec();
            move |buffer: &mut BytesMut, _| {
                buffer.put_slice(&bytes);
                Ok(bytes.len())
            }
        };
        let nothing = |_: &mut BytesMut, _| Err(ErrorKind::WouldBlock.into());
        let step = incoming.step(once(&header)).expect("a header");
        assert_eq!(step, Step { bytes: 14, found: Found::Bytes });
        assert!(incoming.step(nothing).is_ok_and(|step| step.found == Found::Nothing));
        assert!(
            incoming.is_incomplete() && incoming.buffer.capacity() <= 2 * LARGE_READ,
            "a promise only"
        );

        let mut incoming = FrameReader::new(1000, &frame(0x81, b"early"));
        let mut step = || incoming.step(nothing).expect("no close").found;
        assert_eq!((step(), step()), (text("early"), Found::Nothing));
        assert!(!incoming.is_incomplete() && incoming.buffer.capacity() == 0, "nothing is kept");
    }

    proptest! {
        #[test]
        fn whatever_comes_a_step_ends_and_takes_no_more_than_it_may(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
            piece in 1_usize..50,
        ) {
            let (found, _) = read(200, &bytes, piece);
            // Each frame has at least six bytes.
            prop_assert!(found.len() <= bytes.len() / 6 + 1);
        }
    }
}
