//! One client's socket and outbox, shared by its session and by the rooms that send to it.
//!
//! Whoever has a frame for the client queues it here and whoever is at hand writes it: the
//! fan-out does not wake a task per delivery. Only when the kernel takes no more is the session
//! woken, which then waits for the socket. Nothing here waits, and nothing here reads.

use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;

use chat_protocol::close_code::{self, CloseCode};
use parking_lot::Mutex;
use rustix::net::{SendFlags, send};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::client::close;
use crate::client::frame::{self, Frame};
use crate::client::outbox::{Class, Outbox, Pushed, SLICES};
use crate::metrics::METRICS;

/// A queue beyond this many bytes is written at once, even in the middle of a burst: else a burst
/// could fill the outbox of a client that reads fast enough.
const BURST: usize = 64 << 10;

/// Bytes that the kernel takes for a client before they are sent.
const NOTSENT_MOST: u32 = 64 << 10;

/// Why a connection's session is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The relay closes it.
    Close(CloseCode),
    /// The socket failed: there is nobody to tell.
    Lost,
}

/// One client. What every delivery touches lies together, at the front: with many clients nothing
/// of it is in the processor's cache, and a delivery costs as much as it has to fetch.
#[repr(C)]
pub(crate) struct Connection {
    sending: Mutex<Sending>,
    socket: TcpStream,
    outbox_limit: usize,
    /// Grows with every connection of this process; orders receivers.
    pub number: u64,
    /// Its name for presence, never used again.
    pub name: Arc<str>,
    /// The authenticated user.
    pub user: Arc<str>,
    /// Wakes the session: the socket blocks, or the session is to end.
    pub wake: Notify,
    /// The names of the rooms it is in. A room refers to its connections, never the other way round.
    rooms: Mutex<Vec<Arc<str>>>,
    status: Mutex<Option<Box<str>>>,
}

#[derive(Default)]
struct Sending {
    outbox: Outbox,
    /// The kernel took no more: the session waits until it does.
    blocked: bool,
    /// Someone has promised to flush.
    pending_flush: bool,
    /// Boxed, because hardly any has one.
    end: Option<Box<End>>,
}

impl Connection {
    /// A connection over an upgraded socket. The kernel is to hold little that is not yet sent: what a
    /// client does not read is to be seen here, where it is bounded.
    pub(crate) fn new(
        number: u64,
        name: Arc<str>,
        user: Arc<str>,
        socket: TcpStream,
        outbox_limit: usize,
    ) -> Connection {
        // Where the system has no such option its own bounds must do.
        let _ = socket2::SockRef::from(&socket).set_tcp_notsent_lowat(NOTSENT_MOST);
        Connection {
            sending: Mutex::default(),
            socket,
            outbox_limit,
            number,
            name,
            user,
            wake: Notify::new(),
            rooms: Mutex::default(),
            status: Mutex::default(),
        }
    }

    /// The socket, for reading and for waiting.
    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Queues a frame. True: the caller must see to it that [`Connection::flush`] is called soon.
    #[must_use]
    pub(crate) fn push(&self, frame: Frame, class: Class) -> bool {
        let mut sending = self.sending.lock();
        if sending.end.is_some() {
            return false;
        }
        // A client that takes all it is given is not slow, however much comes at once.
        let much = BURST.min(self.outbox_limit / 2);
        if !sending.blocked && sending.outbox.bytes() + frame.len() > much {
            self.write(&mut sending);
        }
        match sending.outbox.push(frame, class, self.outbox_limit) {
            Pushed::Queued => {}
            Pushed::Dropped => {
                METRICS.ephemeral_dropped.increment(1);
                return false;
            }
            Pushed::Full => {
                self.finish(&mut sending, End::Close(close_code::SLOW), None);
                return false;
            }
        }
        if sending.outbox.bytes() > BURST && !sending.blocked {
            self.write(&mut sending);
        }
        !sending.blocked && !std::mem::replace(&mut sending.pending_flush, true)
    }

    /// Queues a ping or a pong and writes what the kernel takes.
    pub(crate) fn send_control(&self, frame: Frame) {
        if self.push(frame, Class::Control) {
            self.flush();
        }
    }

    /// The client has closed: what waits is forgotten, and `answer` is the last frame (RFC 6455,
    /// section 5.5.1).
    pub(crate) fn answer_close(&self, answer: Frame) {
        let mut sending = self.sending.lock();
        if sending.end.is_none() {
            sending.outbox.finish(answer);
            if !sending.blocked {
                self.write(&mut sending);
            }
        }
    }

    /// Queues a reply and writes what the kernel takes.
    pub(crate) fn send(&self, frame: Frame) {
        if self.push(frame, Class::Reply) {
            self.flush();
        }
    }

    /// Queues a text message of the relay's own.
    pub(crate) fn send_text(&self, text: &str) {
        self.send(frame::text(text.as_bytes()));
    }

    /// Lets frames wait aside until [`Connection::release`].
    pub(crate) fn hold(&self) {
        self.sending.lock().outbox.hold();
    }

    /// Sends `text` and then what has waited aside.
    pub(crate) fn release(&self, text: &str) {
        let mut sending = self.sending.lock();
        if sending.end.is_some() {
            return;
        }
        sending.outbox.release(Some(frame::text(text.as_bytes())));
        if !sending.blocked {
            self.write(&mut sending);
        }
    }

    /// Writes as much as the kernel takes now.
    pub(crate) fn flush(&self) {
        let mut sending = self.sending.lock();
        sending.pending_flush = false;
        if !sending.blocked {
            self.write(&mut sending);
        }
    }

    /// The socket, which took no more, has become writable: writes on. True: it took something. It
    /// was full, so the other side has read since.
    pub(crate) fn unblock(&self) -> bool {
        let mut sending = self.sending.lock();
        sending.blocked = false;
        let before = sending.outbox.bytes();
        self.write(&mut sending);
        sending.outbox.bytes() < before
    }

    /// Whether the session should wait for the socket to become writable.
    pub(crate) fn is_blocked(&self) -> bool {
        self.sending.lock().blocked
    }

    /// Bytes that wait for the client.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.sending.lock().outbox.bytes()
    }

    /// Whether so much waits that the client should read before it is served more.
    pub(crate) fn is_behind(&self) -> bool {
        self.waiting_bytes() > self.outbox_limit / 2
    }

    /// Ends the connection: what waits is forgotten, the close frame goes out. The first end counts.
    pub(crate) fn end(&self, end: End) {
        self.finish(&mut self.sending.lock(), end, None);
    }

    /// Ends the connection as [`Connection::end`] does, with a word for people.
    pub(crate) fn close(&self, close: CloseCode, message: Option<&str>) {
        self.finish(&mut self.sending.lock(), End::Close(close), message);
    }

    /// Why the connection ends, once it does.
    pub(crate) fn ended(&self) -> Option<End> {
        self.sending.lock().end.as_deref().copied()
    }

    fn finish(&self, sending: &mut Sending, end: End, message: Option<&str>) {
        if sending.end.is_some() {
            return;
        }
        sending.end = Some(Box::new(end));
        match end {
            End::Close(close) => {
                METRICS.closed(close.name);
                sending.outbox.finish(close::frame(close, message));
                if !sending.blocked {
                    self.write(sending);
                }
            }
            End::Lost => sending.outbox = Outbox::default(),
        }
        self.wake.notify_one();
    }

    fn write(&self, sending: &mut Sending) {
        while !sending.outbox.is_empty() {
            match self.write_front(&sending.outbox) {
                Ok(written) => sending.outbox.written(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    sending.blocked = true;
                    self.wake.notify_one();
                    return;
                }
                Err(_) => {
                    sending.outbox = Outbox::default();
                    sending.end.get_or_insert_with(|| Box::new(End::Lost));
                    self.wake.notify_one();
                    return;
                }
            }
        }
    }

    fn write_front(&self, outbox: &Outbox) -> io::Result<usize> {
        if let Some(frame) = outbox.only() {
            // Past tokio, which would look first whether it knows the socket to be ready. It does,
            // as long as we are not blocked; if the kernel says otherwise, tokio must hear of it.
            return send(&self.socket, frame, SendFlags::NOSIGNAL)
                .or_else(|_| self.socket.try_write(frame));
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let filled = outbox.slices(&mut slices);
        self.socket.try_write_vectored(&slices[..filled])
    }

    /// The names of the rooms it is in.
    pub(crate) fn rooms(&self) -> Vec<Arc<str>> {
        self.rooms.lock().clone()
    }

    /// Whether it is in the room of this name.
    pub(crate) fn is_in(&self, room: &str) -> bool {
        self.rooms.lock().iter().any(|known| **known == *room)
    }

    /// Adds a room, unless the connection is in it.
    pub(crate) fn add_room(&self, room: &Arc<str>) {
        let mut rooms = self.rooms.lock();
        if !rooms.contains(room) {
            rooms.reserve_exact(1);
            rooms.push(room.clone());
        }
    }

    /// Removes a room, if the connection is in it.
    pub(crate) fn remove_room(&self, room: &str) {
        self.rooms.lock().retain(|known| **known != *room);
    }

    /// Removes and returns all rooms.
    pub(crate) fn take_rooms(&self) -> Vec<Arc<str>> {
        std::mem::take(&mut *self.rooms.lock())
    }

    /// The user's chosen status on this connection.
    pub(crate) fn status(&self) -> Option<Box<str>> {
        self.status.lock().clone()
    }

    /// Sets the status told with the next presence.
    pub(crate) fn set_status(&self, status: &str) {
        *self.status.lock() = Some(status.into());
    }
}
