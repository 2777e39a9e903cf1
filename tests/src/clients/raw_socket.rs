//! A WebSocket client that sends arbitrary bytes, for scenarios with broken frames.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::asyncapi::{Channel, Contract, Exchange};
use crate::wait::SOON;

/// Opcodes of RFC 6455, section 5.2.
pub mod opcode {
    /// A continuation frame.
    pub const CONTINUATION: u8 = 0;
    /// A text message.
    pub const TEXT: u8 = 1;
    /// A binary message.
    pub const BINARY: u8 = 2;
    /// A close frame.
    pub const CLOSE: u8 = 8;
    /// A ping.
    pub const PING: u8 = 9;
    /// A pong.
    pub const PONG: u8 = 10;
}

/// A frame from the relay.
#[derive(Debug, PartialEq, Eq)]
pub struct RawFrame {
    /// Its opcode.
    pub opcode: u8,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl RawFrame {
    /// The code of a close frame.
    pub fn close_code(&self) -> Option<u16> {
        let code = self.payload.first_chunk::<2>()?;
        (self.opcode == opcode::CLOSE).then(|| u16::from_be_bytes(*code))
    }

    /// Compares a frame of a relay with `docs/asyncapi.yaml`.
    #[track_caller]
    fn check(&self) {
        let exchange = Exchange::new();
        let checked = match (self.opcode, self.close_code()) {
            (opcode::TEXT, _) => {
                let json = serde_json::from_slice(&self.payload).unwrap_or_default();
                exchange.check_unasked(&json)
            }
            (_, Some(code)) => exchange.closed(code, &String::from_utf8_lossy(&self.payload[2..])),
            _ => Ok(()),
        };
        if let Err(fault) = checked {
            let payload = String::from_utf8_lossy(&self.payload);
            panic!("docs/asyncapi.yaml: {fault}\nthe frame: {payload:.2000}");
        }
    }
}

/// A socket after the HTTP upgrade.
pub struct RawSocket {
    stream: TcpStream,
    /// Frames that were compared, without the numbers in them: a flood is compared once.
    compared: HashSet<Vec<u8>>,
}

impl RawSocket {
    /// Connects and upgrades.
    #[track_caller]
    pub fn connect(relay: SocketAddr, user: &str) -> RawSocket {
        let stream = TcpStream::connect(relay).expect("the relay listens");
        RawSocket::upgrade(stream, user)
    }

    /// Upgrades an open connection.
    #[track_caller]
    pub fn upgrade(mut stream: TcpStream, user: &str) -> RawSocket {
        let relay = stream.peer_addr().expect("a connection");
        stream.set_read_timeout(Some(SOON)).expect("a socket option");
        write!(stream, "GET /ws?user={user} HTTP/1.1\r\nHost: {relay}\r\n")
            .expect("the relay reads");
        RawSocket::upgrade_after_head(stream)
    }

    /// Upgrades a connection that has sent the first line and `Host`, and perhaps other headers.
    #[track_caller]
    pub fn upgrade_after_head(mut stream: TcpStream) -> RawSocket {
        write!(
            stream,
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .expect("the relay reads");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("the relay answers");
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        // RFC 6455, section 1.3: the accept value for this key.
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        Contract::of(Channel::Socket).prepare();
        RawSocket { stream, compared: HashSet::new() }
    }

    /// Sends a frame, masked as RFC 6455 requires. An error means that the relay has closed.
    pub fn send(&mut self, opcode: u8, is_final: bool, payload: &[u8]) -> std::io::Result<()> {
        self.send_bytes(&frame(opcode, is_final, payload))
    }

    /// Sends a text message.
    #[track_caller]
    pub fn send_text(&mut self, text: &str) {
        self.send(opcode::TEXT, true, text.as_bytes()).expect("the relay reads");
    }

    /// Sends bytes unchanged.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next frame; `None` at the end of the stream.
    #[track_caller]
    pub fn receive(&mut self) -> Option<RawFrame> {
        let mut head = [0; 2];
        if let Err(error) = self.stream.read_exact(&mut head) {
            let stuck = matches!(
                error.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            );
            assert!(!stuck, "neither a frame nor the end of the stream within {SOON:?}");
            return None;
        }
        let length = match head[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes(self.bytes()?)),
            127 => u64::from_be_bytes(self.bytes()?),
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).expect("a length in memory")];
        self.stream.read_exact(&mut payload).ok()?;
        let frame = RawFrame { opcode: head[0] & 0x0f, payload };
        let shape = frame.payload.iter().copied().filter(|byte| !byte.is_ascii_digit()).collect();
        if self.compared.len() < 100 && self.compared.insert(shape) {
            frame.check();
        }
        Some(frame)
    }

    /// Reads until the relay closes: the code of its close frame, if it sent one.
    #[track_caller]
    pub fn close_code(&mut self) -> Option<u16> {
        self.close_reason().map(|(code, _)| code)
    }

    /// As [`RawSocket::close_code`], with the reason.
    #[track_caller]
    pub fn close_reason(&mut self) -> Option<(u16, String)> {
        let mut close = None;
        while let Some(frame) = self.receive() {
            if frame.opcode == opcode::CLOSE {
                let reason = frame.payload.get(2..).unwrap_or_default();
                let reason = String::from_utf8_lossy(reason).into_owned();
                close = frame.close_code().map(|code| (code, reason));
                // The close frame has arrived: the relay need not wait for our reply.
                self.half_close();
            }
        }
        close
    }

    /// Reads until the reply to `reference` arrives and returns its text.
    #[track_caller]
    pub fn answer(&mut self, reference: u64) -> Option<String> {
        let mark = format!("\"ref\":{reference},");
        while let Some(frame) = self.receive() {
            let text = String::from_utf8_lossy(&frame.payload).into_owned();
            if frame.opcode == opcode::TEXT && text.contains(&mark) {
                return Some(text);
            }
        }
        None
    }

    /// Shuts down writing and keeps reading.
    pub fn half_close(&self) {
        // The relay may have closed first.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The same socket for another thread.
    #[track_caller]
    pub fn share(&self) -> RawSocket {
        let stream = self.stream.try_clone().expect("fewer files than a process may have");
        RawSocket { stream, compared: HashSet::new() }
    }

    /// Reads and drops everything until the end.
    pub fn forget_all(&mut self) {
        // An error is also the end.
        let _ = self.stream.set_read_timeout(None);
        let _ = std::io::copy(&mut self.stream, &mut std::io::sink());
    }

    /// Shuts down both directions.
    pub fn end(&self) {
        // The relay may have closed first.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }
}

/// A client's frame.
pub fn frame(opcode: u8, is_final: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![opcode | u8::from(is_final) << 7];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let mask = [0x12, 0x34, 0x56, 0x78];
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}
