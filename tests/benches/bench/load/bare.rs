//! The barest possible server: the baseline for everything that writes to many sockets.
//!
//! A process of its own (this program, started with `bare`), so that its CPU is measured like the
//! relay's. It answers an upgrade without reading it, and every frame with the same reply. On each
//! line of its standard input it writes an event to some of its sockets: one `write(2)` each, in
//! order, without rooms, outboxes, acknowledgements or care for slow clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;

use crate::load::frame;

/// The argument that makes this program the bare server.
pub(crate) const MODE: &str = "bare";

pub(super) const UPGRADED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
/// As long as the relay's `hello`.
pub(super) const HELLO: usize = 300;
/// The epoll data of the listening socket; the others have their index.
const LISTENER: u64 = u64::MAX;

/// Starts this program once more, as a server, with these arguments. It prints its address.
pub(super) fn start(arguments: [&str; 2]) -> (Child, SocketAddr) {
    let program = std::env::current_exe().expect("this program is a file");
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program starts");
    let mut line = String::new();
    let output = child.stdout.take().expect("a pipe");
    BufReader::new(output).read_line(&mut line).expect("its address");
    (child, line.trim().parse().expect("an address"))
}

/// A running bare server. Ended on drop.
pub(crate) struct Bare {
    child: Child,
    orders: ChildStdin,
    address: SocketAddr,
}

impl Bare {
    /// Starts one that answers every frame with `reply` bytes.
    pub(crate) fn start(reply: usize) -> Bare {
        let (mut child, address) = start([MODE, &reply.to_string()]);
        let orders = child.stdin.take().expect("a pipe");
        Bare { child, orders, address }
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Makes it write events: each order goes to the sockets of a range, this many in one
    /// `write(2)`.
    pub(crate) fn write(&mut self, orders: impl Iterator<Item = (Range<usize>, usize)>) {
        let lines =
            orders.map(|(range, events)| format!("{} {} {events}\n", range.start, range.end));
        let lines: String = lines.collect();
        self.orders.write_all(lines.as_bytes()).expect("it reads");
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Sockets = Arc<Mutex<Vec<Arc<TcpStream>>>>;

/// The loop of the process, until its standard input ends.
pub(crate) fn serve(reply: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    // As the relay's: the kernel must not refuse a crowd of connections.
    rustix::net::listen(&listener, 4096).expect("it listens already");
    println!("{}", listener.local_addr().expect("it listens"));
    let sockets = Sockets::default();
    let answering = Arc::clone(&sockets);
    std::thread::spawn(move || answer(&listener, &answering, reply));
    let (mut copy, mut frames) = (Vec::new(), Vec::new());
    for order in std::io::stdin().lock().lines() {
        let order = order.expect("lines");
        let numbers: Vec<usize> = order.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [start, end, at_once] = numbers[..] else { panic!("no order: {order}") };
        if copy.len() < end {
            copy.clone_from(&sockets.lock().unwrap_or_else(PoisonError::into_inner));
        }
        frames.clear();
        (0..at_once).for_each(|_| frame::event(&mut frames));
        for socket in &copy[start..end] {
            // A socket whose reader is gone is ignored.
            let _ = (&**socket).write_all(&frames);
        }
    }
}

/// Accepts sockets and answers their frames.
fn answer(listener: &TcpListener, sockets: &Sockets, reply: usize) {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
    let listening = epoll::EventData::new_u64(LISTENER);
    epoll::add(&epoll, listener, listening, epoll::EventFlags::IN).expect("an epoll takes sockets");
    let opening = [UPGRADED, &frame::text(&[b' '; HELLO])].concat();
    let reply = frame::text(format!("{{\"ref\":1,\"ok\"{:reply$}}}", ":").as_bytes());
    let mut opened: Vec<bool> = Vec::new();
    let mut events = Vec::with_capacity(256);
    let mut buffer = [0; 4096];
    loop {
        events.clear();
        if epoll::wait(&epoll, spare_capacity(&mut events), None).is_err() {
            return;
        }
        for event in &events {
            let at = event.data.u64();
            if at == LISTENER {
                let Ok((socket, _)) = listener.accept() else { continue };
                socket.set_nodelay(true).expect("a socket option");
                let mut all = sockets.lock().unwrap_or_else(PoisonError::into_inner);
                let data = epoll::EventData::new_u64(all.len() as u64);
                epoll::add(&epoll, &socket, data, epoll::EventFlags::IN).expect("it takes sockets");
                all.push(Arc::new(socket));
                opened.push(false);
                continue;
            }
            let at = at as usize;
            let socket = {
                let all = sockets.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(&all[at])
            };
            let count = (&*socket).read(&mut buffer).unwrap_or(0);
            if count == 0 {
                // The socket has ended; its index stays used.
                let _ = epoll::delete(&epoll, &socket);
                continue;
            }
            let answer: &[u8] = if opened[at] { &reply } else { &opening };
            opened[at] = true;
            // A client that is gone needs no reply.
            let _ = (&*socket).write_all(answer);
        }
    }
}
