//! Reading clients' frames (RFC 6455), one at a time, with bounded work in each step.
//!
//! A step takes one frame from the buffer, or reads once. So the caller decides how often to step,
//! counts every frame, empty parts of messages included, and can do other work in between. All
//! readers of a thread read into the same space, so memory is allocated as bytes arrive, not as a
//! header announces, and an idle connection holds none. The session decides what a frame means.

use std::cell::RefCell;
use std::io::{self, ErrorKind};

use bytes::{Buf, Bytes, BytesMut};
use chat_protocol::close_code::{self, CloseCode};
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// Bytes that one step reads when no frame has begun: most frames are small.
const SMALL_READ: usize = 2 << 10;
/// Bytes that one step reads of a large frame.
const LARGE_READ: usize = 16 << 10;
thread_local! {
    /// Where bytes are read to.
    static SPACE: RefCell<Box<[u8]>> = RefCell::new(vec![0; LARGE_READ].into());
}

/// The longest payload of a control frame.
const CONTROL_MAX: usize = 125;

/// The result of one step.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A whole text message.
    Text(String),
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

    /// Takes one frame from the buffer, or reads once. `read` fills the space that it is given, and
    /// returns how many bytes it has put there: 0 at the end of the stream.
    pub fn step(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> Result<Step, ReadError> {
        if let Some(found) = self.take()? {
            return Ok(Step { bytes: 0, found });
        }
        let missing = self.header.as_ref().map_or(0, |header| header.1 - self.buffer.len());
        let wanted = missing.clamp(SMALL_READ, LARGE_READ);
        let read = SPACE.with_borrow_mut(|space| -> io::Result<usize> {
            let bytes = read(&mut space[..wanted])?;
            match self.buffer.is_empty() {
                // Exactly as long, so that a frame which came alone needs no more memory.
                true => self.buffer = BytesMut::from(&space[..bytes]),
                false => self.buffer.extend_from_slice(&space[..bytes]),
            }
            Ok(bytes)
        });
        let bytes = match read {
            Ok(0) => return Ok(Step { bytes: 0, found: Found::End }),
            Ok(bytes) => bytes,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                return Ok(Step { bytes: 0, found: Found::Nothing });
            }
            Err(error) => return Err(ReadError::Socket(error)),
        };
        let found = self.take()?.unwrap_or(Found::Bytes);
        Ok(Step { bytes, found })
    }

    /// The bytes that have arrived and are not taken.
    pub(crate) fn into_rest(self) -> BytesMut {
        self.buffer
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
        let mut payload = match self.buffer.len() == length {
            true => std::mem::take(&mut self.buffer),
            false => self.buffer.split_to(length),
        };
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
        self.buffer.advance(header_length);
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
    String::from_utf8(message.into()).map(Found::Text).map_err(|_| close_code::UTF8)
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
mod tests;
