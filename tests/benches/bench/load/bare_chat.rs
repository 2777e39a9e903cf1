//! The barest possible chat server over Redis: the baseline of what a relay costs in small rooms.
//!
//! A process of its own (this program, started with `bare-chat`): one thread, one epoll, one
//! connection to Redis for commands and events. For each message it does what no relay can leave out:
//! one read of the client, one write to Redis, one read of Redis, which mostly has both the reply and
//! the event, and one write for each frame. It finds the fields of a request by searching, trusts
//! everybody, and knows neither outboxes nor slow clients nor failures: it panics.

use std::collections::{HashMap, VecDeque};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Child;

use chat_tests::servers::redis::Redis;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;

use crate::load::bare::{HELLO, UPGRADED, start};
use crate::load::frame;

/// The argument that makes this program the bare chat server.
pub(crate) const MODE: &str = "bare-chat";

/// The epoll data of the listening socket and of Redis; the others have their index.
const LISTENER: u64 = u64::MAX;
const REDIS: u64 = u64::MAX - 1;

/// A running bare chat server. Ended on drop.
pub(crate) struct BareChat {
    child: Child,
    address: SocketAddr,
}

impl BareChat {
    /// Starts one for this Redis.
    pub(crate) fn start(redis: &Redis) -> BareChat {
        let url = redis.url();
        let (_, port) = url.rsplit_once(':').expect("a port");
        let (child, address) = start([MODE, port]);
        BareChat { child, address }
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for BareChat {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client {
    stream: TcpStream,
    /// Of the target of the upgrade. None: there was none yet.
    user: Option<Vec<u8>>,
}

struct Server {
    redis: TcpStream,
    /// Bytes of Redis that are no complete item yet.
    received: Vec<u8>,
    clients: Vec<Client>,
    rooms: HashMap<Vec<u8>, Vec<usize>>,
    /// Who waits for the reply to a send.
    waiting: VecDeque<usize>,
    /// What is written next.
    out: Vec<u8>,
}

/// The loop of the process.
pub(crate) fn serve(redis: u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    rustix::net::listen(&listener, 4096).expect("it listens already");
    println!("{}", listener.local_addr().expect("it listens"));
    let mut redis = TcpStream::connect(("127.0.0.1", redis)).expect("Redis listens");
    redis.set_nodelay(true).expect("a socket option");
    redis.write_all(b"HELLO 3\r\n").expect("Redis reads");
    let mut buffer = vec![0; 64 << 10];
    let _greeting = redis.read(&mut buffer).expect("Redis answers");
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
    let watch = |socket: &dyn std::os::fd::AsFd, data: u64| {
        let data = epoll::EventData::new_u64(data);
        epoll::add(&epoll, socket, data, epoll::EventFlags::IN).expect("an epoll takes sockets");
    };
    watch(&listener, LISTENER);
    watch(&redis, REDIS);
    let mut server = Server {
        redis,
        received: Vec::new(),
        clients: Vec::new(),
        rooms: HashMap::new(),
        waiting: VecDeque::new(),
        out: Vec::new(),
    };
    let mut events = Vec::with_capacity(256);
    loop {
        events.clear();
        epoll::wait(&epoll, spare_capacity(&mut events), None).expect("it waits");
        for event in &events {
            match event.data.u64() {
                LISTENER => {
                    let (stream, _) = listener.accept().expect("a client");
                    stream.set_nodelay(true).expect("a socket option");
                    watch(&stream, server.clients.len() as u64);
                    server.clients.push(Client { stream, user: None });
                }
                REDIS => {
                    let count = server.redis.read(&mut buffer).expect("Redis is there");
                    assert!(count > 0, "Redis has ended");
                    server.received.extend_from_slice(&buffer[..count]);
                    server.hand_out();
                }
                at => {
                    let at = at as usize;
                    let count = server.clients[at].stream.read(&mut buffer).unwrap_or(0);
                    if count == 0 {
                        // Its index stays used, and writes to it are ignored.
                        let _ = epoll::delete(&epoll, &server.clients[at].stream);
                    } else {
                        server.take(at, &mut buffer[..count]);
                    }
                }
            }
        }
    }
}

impl Server {
    /// What a client has sent: its upgrade, or whole frames.
    fn take(&mut self, at: usize, mut bytes: &mut [u8]) {
        if self.clients[at].user.is_none() {
            self.clients[at].user = Some(between(bytes, b"user=", b' ').to_vec());
            let opening = [UPGRADED, &frame::text(&[b' '; HELLO])].concat();
            let _ = self.clients[at].stream.write_all(&opening);
            return;
        }
        while let [_, length, ..] = *bytes {
            let (header, length) = match length & 0x7f {
                126 => (4, u16::from_be_bytes([bytes[2], bytes[3]]).into()),
                short => (2, usize::from(short)),
            };
            let (one, rest) = bytes.split_at_mut(header + 4 + length);
            let (head, payload) = one.split_at_mut(header + 4);
            let mask = &head[header..];
            payload.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= mask[at % 4]);
            if head[0] & 0x0f == 1 {
                self.execute(at, payload);
            }
            bytes = rest;
        }
    }

    fn execute(&mut self, at: usize, request: &[u8]) {
        let room = between(request, b"\"room\":\"", b'"');
        self.out.clear();
        if between(request, b"\"op\":\"", b'"') == b"join" {
            let members = self.rooms.entry(room.to_vec()).or_default();
            members.push(at);
            if members.len() == 1 {
                command(&mut self.out, &[b"SSUBSCRIBE", room]);
                self.redis.write_all(&self.out).expect("Redis reads");
            }
            let _ = self.clients[at].stream.write_all(&frame::text(b"{\"ref\":1,\"ok\":{}}"));
            return;
        }
        let user = self.clients[at].user.as_deref().unwrap_or_default();
        let text = between(request, b"\"text\":\"", b'"');
        let nonce = between(request, b"\"nonce\":\"", b'"');
        command(&mut self.out, &[b"CHAT.SEND", room, user, text, b"NONCE", nonce]);
        self.waiting.push_back(at);
        self.redis.write_all(&self.out).expect("Redis reads");
    }

    /// Hands out all complete items.
    fn hand_out(&mut self) {
        let received = std::mem::take(&mut self.received);
        let mut rest = &received[..];
        while let Some((words, length)) = item(rest) {
            match words[..] {
                [id] => {
                    let at = self.waiting.pop_front().expect("somebody waits");
                    let id = String::from_utf8_lossy(id);
                    let reply = format!("{{\"ref\":1,\"ok\":{{\"id\":\"{id}\"}}}}");
                    let _ = self.clients[at].stream.write_all(&frame::text(reply.as_bytes()));
                }
                [b"smessage", room, event] => {
                    let event = frame::text(event);
                    for at in self.rooms.get(room).into_iter().flatten() {
                        let _ = (&self.clients[*at].stream).write_all(&event);
                    }
                }
                _ => {}
            }
            rest = &rest[length..];
        }
        self.received = rest.to_vec();
    }
}

fn between<'b>(bytes: &'b [u8], before: &[u8], after: u8) -> &'b [u8] {
    let start = bytes.windows(before.len()).position(|found| found == before);
    let rest = &bytes[start.map_or(bytes.len(), |start| start + before.len())..];
    &rest[..rest.iter().position(|byte| *byte == after).unwrap_or(rest.len())]
}

fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// The strings of the item at the beginning, and its length. None: it is not complete.
fn item(bytes: &[u8]) -> Option<(Vec<&[u8]>, usize)> {
    let line = |from: usize| {
        let end = from + bytes.get(from..)?.windows(2).position(|found| found == b"\r\n")?;
        Some((&bytes[from..end], end + 2))
    };
    let (head, mut at) = line(0)?;
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<usize>().ok();
    let mut count = 1;
    match head[0] {
        b'>' => count = number(&head[1..])?,
        b'$' => at = 0,
        _ => panic!("Redis refuses: {}", String::from_utf8_lossy(head)),
    }
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        let (head, next) = line(at)?;
        if head[0] != b'$' {
            // The number of subscriptions.
            (at, _) = (next, words.push(head));
            continue;
        }
        let end = next + number(&head[1..])?;
        words.push(bytes.get(next..end)?);
        at = end + 2;
        bytes.get(..at)?;
    }
    Some((words, at))
}
