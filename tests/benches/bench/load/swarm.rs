//! Many clients in one thread: it reads frames, counts them by their kind and drops them.
//!
//! The clients do almost nothing: beside the server under measurement only the kernel's work
//! remains, which the baseline's clients need as well.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use chat_tests::clients::raw_socket::{frame as masked, opcode};
use chat_tests::wait::{LATER, eventually};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};

use crate::load::frame;

/// One socket of this many records the latencies of its events.
const SAMPLED: usize = 8;
/// Bytes of a payload that identify its kind.
const KIND: usize = 12;

/// Sockets and their reader. Closed on drop.
pub(crate) struct Swarm {
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

struct Shared {
    epoll: OwnedFd,
    sockets: Mutex<Vec<Socket>>,
    counts: Counts,
    latencies: Mutex<Vec<f64>>,
    ended: AtomicBool,
}

#[derive(Default)]
struct Counts {
    open: AtomicU64,
    /// Durable events.
    events: AtomicU64,
    /// Replies to our requests.
    answers: AtomicU64,
    refused: AtomicU64,
    bytes: AtomicU64,
    closed: AtomicU64,
}

struct Socket {
    stream: TcpStream,
    stage: Stage,
    /// The end of the response to the upgrade, or the beginning of the current frame.
    head: Vec<u8>,
    /// Bytes of the frame that are still missing.
    left: usize,
    is_sampled: bool,
}

/// The state of a socket.
enum Stage {
    /// Connecting: the upgrade is to be sent next, then the first request.
    Connecting(Vec<u8>, Vec<u8>),
    /// Upgrading: the first request is to be sent after the response.
    Upgrading(Vec<u8>),
    Open,
}

fn place(at: usize) -> epoll::EventData {
    epoll::EventData::new_u64(at as u64)
}

impl Swarm {
    /// A swarm without sockets.
    pub(crate) fn new() -> Swarm {
        let shared = Arc::new(Shared {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll"),
            sockets: Mutex::default(),
            counts: Counts::default(),
            latencies: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let reader = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.read()
        });
        Swarm { shared, reader: Some(reader) }
    }

    /// Opens a socket for `user` without waiting; `opening` is its first request.
    pub(crate) fn connect(&self, address: SocketAddr, user: &str, opening: &str) {
        self.open(address, &format!("/ws?user={user}"), "", opening);
    }

    /// As [`Swarm::connect`], for the user of this token.
    pub(crate) fn connect_with_token(&self, address: SocketAddr, token: &str, opening: &str) {
        self.open(address, "/ws", &format!("Authorization: Bearer {token}\r\n"), opening);
    }

    fn open(&self, address: SocketAddr, target: &str, header: &str, opening: &str) {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)
            .expect("fewer files than a process may have");
        match net::connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => panic!("the relay does not listen: {error}"),
        }
        let stream = TcpStream::from(socket);
        let upgrade = format!(
            "GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
             {header}Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let opening = masked(opcode::TEXT, true, opening.as_bytes());
        let stage = Stage::Connecting(upgrade.into_bytes(), opening);
        let mut sockets = self.shared.sockets();
        let at = sockets.len();
        epoll::add(&self.shared.epoll, &stream, place(at), epoll::EventFlags::OUT)
            .expect("an epoll takes sockets");
        let is_sampled = at.is_multiple_of(SAMPLED);
        sockets.push(Socket { stream, stage, head: Vec::new(), left: 0, is_sampled });
    }

    /// Sends a request on a socket.
    pub(crate) fn send(&self, at: usize, request: &str) {
        let frame = masked(opcode::TEXT, true, request.as_bytes());
        let sockets = self.shared.sockets();
        (&sockets[at].stream).write_all(&frame).expect("the relay reads");
    }

    /// Waits until this many requests were answered, all with success.
    pub(crate) fn wait_answers(&self, count: usize) {
        let counts = &self.shared.counts;
        eventually("answers of the relay", LATER, || {
            let (refused, closed) = (read(&counts.refused), read(&counts.closed));
            assert!(refused + closed == 0, "{refused} refused, {closed} closed");
            let answers = read(&counts.answers);
            let open = read(&counts.open);
            let found = || format!("{answers} of {count}, {open} sockets open");
            if answers >= count as u64 { Ok(()) } else { Err(found()) }
        });
    }

    /// Durable events received by all sockets together.
    pub(crate) fn events(&self) -> u64 {
        read(&self.shared.counts.events)
    }

    /// Bytes received by all sockets together.
    pub(crate) fn bytes(&self) -> u64 {
        read(&self.shared.counts.bytes)
    }

    /// Waits until this many events were received.
    pub(crate) fn wait_events(&self, count: u64) {
        let counts = &self.shared.counts;
        eventually("events", LATER, || {
            let closed = read(&counts.closed);
            assert!(closed == 0, "{closed} sockets were closed");
            let events = self.events();
            if events >= count { Ok(()) } else { Err(format!("{events} of {count}")) }
        });
    }

    /// Takes the latencies from sending to reading, in milliseconds, recorded since the last call.
    pub(crate) fn latencies(&self) -> Vec<f64> {
        std::mem::take(&mut self.shared.latencies.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            // The panic of the thread has already been printed.
            let _ = reader.join();
        }
    }
}

impl Shared {
    fn sockets(&self) -> std::sync::MutexGuard<'_, Vec<Socket>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) {
        let mut buffer = vec![0; 1 << 16];
        let mut events = Vec::with_capacity(1024);
        let look = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        while !self.ended.load(Ordering::Relaxed) {
            events.clear();
            if epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&look)).is_err() {
                continue;
            }
            let mut sockets = self.sockets();
            for event in &events {
                let at = event.data.u64() as usize;
                let socket = &mut sockets[at];
                if let Stage::Connecting(upgrade, opening) = &mut socket.stage {
                    // Fails below if there is no connection.
                    let _ = socket.stream.set_nodelay(true);
                    let _ = socket.stream.write_all(upgrade);
                    socket.stage = Stage::Upgrading(std::mem::take(opening));
                    let reading = epoll::EventFlags::IN;
                    epoll::modify(&self.epoll, &socket.stream, place(at), reading)
                        .expect("it knows this socket");
                    continue;
                }
                match socket.stream.read(&mut buffer) {
                    Ok(count) if count > 0 => {
                        self.counts.bytes.fetch_add(count as u64, Ordering::Relaxed);
                        if socket.is_sampled {
                            self.note(&buffer[..count]);
                        }
                        socket.take(&buffer[..count], &self.counts);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    _ => {
                        self.counts.closed.fetch_add(1, Ordering::Relaxed);
                        // The socket has reported by itself that it is closed.
                        let _ = epoll::delete(&self.epoll, &socket.stream);
                    }
                }
            }
        }
    }

    fn note(&self, bytes: &[u8]) {
        let now = frame::now();
        let times = frame::times(bytes).map(|then| now.saturating_sub(then) as f64 / 1e6);
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).extend(times);
    }
}

impl Socket {
    fn take(&mut self, mut bytes: &[u8], counts: &Counts) {
        while !bytes.is_empty() {
            if let Stage::Upgrading(opening) = &self.stage {
                // The response to the upgrade ends with an empty line.
                self.head.push(bytes[0]);
                bytes = &bytes[1..];
                if self.head.ends_with(b"\r\n\r\n") {
                    assert!(self.head.starts_with(b"HTTP/1.1 101"), "the relay takes us");
                    self.stream.write_all(opening).expect("room for a small frame");
                    counts.open.fetch_add(1, Ordering::Relaxed);
                    (self.stage, self.head) = (Stage::Open, Vec::new());
                }
                continue;
            }
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            bytes = &bytes[skipped..];
            if self.left == 0 {
                bytes = self.begin(bytes, counts);
            }
        }
    }

    /// Reads enough of a frame to know its kind.
    fn begin<'b>(&mut self, bytes: &'b [u8], counts: &Counts) -> &'b [u8] {
        for (at, byte) in bytes.iter().enumerate() {
            self.head.push(*byte);
            let Some((header, length)) = header(&self.head) else { continue };
            if self.head.len() < header + length.min(KIND) {
                continue;
            }
            let kind = &self.head[header..];
            let count = |which: &AtomicU64| which.fetch_add(1, Ordering::Relaxed);
            match self.head[0] & 0x0f {
                opcode::PING => {
                    // Any frame from us satisfies the ping deadline.
                    let _ = self.stream.write_all(&masked(opcode::PONG, true, b""));
                }
                opcode::CLOSE => drop(count(&counts.closed)),
                _ if kind.starts_with(b"{\"id\"") => drop(count(&counts.events)),
                _ if kind.starts_with(b"{\"ref\":1,\"ok") => drop(count(&counts.answers)),
                _ if kind.starts_with(b"{\"ref\"") => drop(count(&counts.refused)),
                _ => {}
            }
            self.left = header + length - self.head.len();
            self.head.clear();
            return &bytes[at + 1..];
        }
        &[]
    }
}

/// The lengths of header and payload, once the header is complete.
fn header(head: &[u8]) -> Option<(usize, usize)> {
    match head.get(1)? & 0x7f {
        126 => Some((4, u16::from_be_bytes(*head.get(2..4)?.first_chunk()?).into())),
        127 => Some((10, u64::from_be_bytes(*head.get(2..10)?.first_chunk()?) as usize)),
        short => Some((2, short.into())),
    }
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}
