//! One client's outbox and where it goes, shared by its session and by the rooms that send to it.
//!
//! A room queues a frame here, and the same task writes it to the socket: a delivery does not wake
//! the session. Only when the kernel accepts no more bytes is the session woken; it then waits for
//! the socket. A connection without a socket of its own ([`Connection::detached`]) is drained by
//! another task, which is woken instead (`payloads.rs`). Nothing here waits, and nothing here reads.

mod received;
mod user;
mod watching;

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use chat_protocol::close_code::{self, CloseCode};
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::auth::Identity;
use crate::client::close::{self, Detail};
use crate::client::frame::{self, Frame};
use crate::client::outbox::{Class, Outbox, Pushed};
use crate::client::sink::{Sink, write_front};
use crate::client::unannounced::Unannounced;
use crate::client::unanswered::Unanswered;
use crate::metrics::METRICS;
use received::Received;

/// An outbox beyond this many bytes is written at once, even in the middle of a batch. Otherwise a
/// batch could fill the outbox of a client that reads fast enough.
const WRITE_AT: usize = 64 << 10;

/// Live events beyond the limit of an outbox that may arrive for a connection without a socket before
/// the task that drains it runs. The kernel takes as much for a socket.
const DRAINED_BURST: usize = 1 << 20;

/// Unsent bytes that the kernel accepts for one client.
pub(crate) const NOTSENT_LOWAT: u32 = 64 << 10;

/// Why a connection's session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The relay closes it.
    Close(CloseCode),
    /// The socket failed.
    Lost,
}

impl End {
    /// The close code of a user who may not be here any more: nothing that waits is done, and
    /// presence ends without grace.
    pub(crate) fn expulsion(self) -> Option<CloseCode> {
        match self {
            End::Close(
                close @ (close_code::KICKED | close_code::EXPIRED | close_code::SUSPENDED),
            ) => Some(close),
            _ => None,
        }
    }
}

/// One client. The fields that every delivery uses come first, side by side: with many clients none
/// of them is in the processor's cache, and a delivery costs as much as it must load.
#[repr(C)]
pub(crate) struct Connection {
    sending: Mutex<Sending>,
    sink: Sink,
    outbox_limit: usize,
    /// Unique in this process and increasing. Subscribers are sorted by it.
    pub number: u64,
    /// The connection's name in presence, never used for another one.
    pub name: Arc<str>,
    /// The authenticated user.
    pub user: Arc<str>,
    /// What carried the credential, for the metric of logins.
    pub way: &'static str,
    /// Wakes the session: the socket is blocked, or the session must end. Without a socket: frames
    /// wait too.
    pub wake: Notify,
    /// The names of the connection's rooms. A room refers to its connections, never the other way
    /// round.
    rooms: Mutex<Vec<Arc<str>>>,
    status: Mutex<Option<Box<str>>>,
    /// What the user's token says; `None`: there are no tokens, and no bounds.
    identity: Mutex<Option<Arc<Identity>>>,
    /// The store has admitted the user, with this token.
    admitted: AtomicBool,
    /// The rooms in which the status could not be set.
    pub unannounced: Unannounced,
}

#[derive(Default)]
struct Sending {
    outbox: Outbox,
    /// The client accepts no more bytes now; the session waits for the socket.
    blocked: bool,
    /// A caller will flush.
    pending_flush: bool,
    unanswered: Unanswered,
    /// Boxed, because few connections have one.
    end: Option<Box<End>>,
    /// `None`: the connection watches no pattern of rooms.
    received: Option<Box<Received>>,
}

impl Sending {
    /// Drops everything that waits.
    fn clear(&mut self) {
        METRICS.sent_bytes.increment(self.outbox.take_sent());
        self.outbox = Outbox::default();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.count_sent();
    }
}

impl Connection {
    /// A connection over an upgraded socket. The kernel should hold few unsent bytes: what a client
    /// does not read must show in the outbox, where it is bounded.
    pub(crate) fn new(
        number: u64,
        name: Arc<str>,
        user: Arc<str>,
        socket: TcpStream,
        outbox_limit: usize,
    ) -> Connection {
        // On a system without this option, the system's own bounds apply.
        let _ = socket2::SockRef::from(&socket).set_tcp_notsent_lowat(NOTSENT_LOWAT);
        Connection::over(Sink::Socket(socket), number, name, user, outbox_limit)
    }

    /// A connection without a socket: [`Payloads`](crate::client::payloads::Payloads) takes what is
    /// queued. Its bounds are those of a socket.
    pub(crate) fn detached(
        number: u64,
        name: Arc<str>,
        user: Arc<str>,
        outbox_limit: usize,
    ) -> Connection {
        Connection::over(Sink::Drained, number, name, user, outbox_limit)
    }

    fn over(
        sink: Sink,
        number: u64,
        name: Arc<str>,
        user: Arc<str>,
        outbox_limit: usize,
    ) -> Connection {
        Connection {
            sending: Mutex::default(),
            sink,
            outbox_limit,
            number,
            name,
            user,
            way: "",
            wake: Notify::new(),
            rooms: Mutex::default(),
            status: Mutex::default(),
            identity: Mutex::default(),
            admitted: AtomicBool::new(false),
            unannounced: Unannounced::default(),
        }
    }

    /// Where the frames go, for reading and for waiting.
    pub(crate) fn sink(&self) -> &Sink {
        &self.sink
    }

    /// Queues a frame. True: the caller must call [`Connection::flush`] soon.
    #[must_use]
    pub(crate) fn push(&self, frame: Frame, class: Class) -> bool {
        self.push_to(&mut self.sending.lock(), frame, class)
    }

    fn push_to(&self, sending: &mut Sending, frame: Frame, class: Class) -> bool {
        if sending.end.is_some() {
            return false;
        }
        // A client that accepts everything is not slow, however much arrives at once.
        let much = WRITE_AT.min(self.outbox_limit / 2);
        if !sending.blocked && sending.outbox.bytes() + frame.len() > much {
            self.write(sending);
        }
        let limit = match self.sink {
            Sink::Drained if !sending.blocked => self.outbox_limit + DRAINED_BURST,
            _ => self.outbox_limit,
        };
        match sending.outbox.push(frame, class, limit) {
            Pushed::Queued => {}
            Pushed::Dropped => {
                METRICS.ephemeral_dropped.increment(1);
                return false;
            }
            Pushed::Full => {
                self.finish(sending, End::Close(close_code::SLOW), Detail::default());
                return false;
            }
        }
        if sending.outbox.bytes() > WRITE_AT && !sending.blocked {
            self.write(sending);
        }
        !sending.blocked && !std::mem::replace(&mut sending.pending_flush, true)
    }

    /// Queues a ping or a pong and writes what the kernel takes.
    pub(crate) fn send_control(&self, frame: Frame) {
        if self.push(frame, Class::Control) {
            self.flush();
        }
    }

    /// The client has closed: drops everything that waits and sends `answer` as the last frame (RFC
    /// 6455, section 5.5.1).
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

    /// Queues a text message made by the relay.
    pub(crate) fn send_text(&self, text: &str) {
        self.send(frame::text(text.as_bytes()));
    }

    /// A request with this `ref` waits and will be answered by [`Connection::answer_waiting`].
    pub(crate) fn wait_for_answer(&self, reference: &RawValue) {
        self.sending.lock().unanswered.push(reference);
    }

    /// The request with this `ref` is answered at once after all.
    pub(crate) fn forget_waiting(&self, reference: &RawValue) {
        self.sending.lock().unanswered.remove(reference);
    }

    /// Answers a request that waits, the first one with this `ref`.
    pub(crate) fn answer_waiting(&self, reference: &RawValue, text: &str) {
        self.sending.lock().unanswered.remove(reference);
        self.send_text(text);
    }

    /// Corks the outbox: frames wait until [`Connection::uncork`].
    pub(crate) fn cork(&self) {
        self.sending.lock().outbox.cork();
    }

    /// Uncorks the outbox: sends `text`, then the frames that have waited.
    pub(crate) fn uncork(&self, text: &str) {
        let mut sending = self.sending.lock();
        if sending.end.is_some() {
            return;
        }
        sending.outbox.uncork(Some(frame::text(text.as_bytes())));
        if !sending.blocked {
            self.write(&mut sending);
        }
    }

    /// As [`Connection::uncork`], without a frame of its own.
    pub(crate) fn release(&self) {
        let mut sending = self.sending.lock();
        if sending.end.is_none() {
            sending.outbox.uncork(None);
            if !sending.blocked {
                self.write(&mut sending);
            }
        }
    }

    /// Writes as much as the kernel accepts now.
    pub(crate) fn flush(&self) {
        let mut sending = self.sending.lock();
        sending.pending_flush = false;
        if !sending.blocked {
            self.write(&mut sending);
        }
    }

    /// The socket has become writable again: continues to write. Returns whether the kernel
    /// accepted bytes; then the client has read since.
    pub(crate) fn unblock(&self) -> bool {
        let mut sending = self.sending.lock();
        sending.blocked = false;
        let before = sending.outbox.bytes();
        self.write(&mut sending);
        sending.outbox.bytes() < before
    }

    /// For the task that drains a connection without a socket: whether the client accepts no more now.
    /// Until it does, nothing wakes the task but the end.
    pub(crate) fn set_blocked(&self, blocked: bool) {
        self.sending.lock().blocked = blocked;
    }

    /// Whether the session should wait for the socket to become writable.
    pub(crate) fn is_blocked(&self) -> bool {
        self.sending.lock().blocked
    }

    /// Bytes that wait for the client.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.sending.lock().outbox.bytes()
    }

    /// Counts what was sent since the last call, so that a delivery need not. Returns the bytes that
    /// wait.
    pub(crate) fn count_sent(&self) -> usize {
        let mut sending = self.sending.lock();
        METRICS.sent_bytes.increment(sending.outbox.take_sent());
        sending.outbox.bytes()
    }

    /// Whether so much waits that the client should read before it gets more.
    pub(crate) fn is_behind(&self) -> bool {
        self.look().1
    }

    /// Ends the connection: drops everything that waits and sends the close frame. Only the first
    /// end counts.
    pub(crate) fn end(&self, end: End) {
        self.finish(&mut self.sending.lock(), end, Detail::default());
    }

    /// As [`Connection::end`], with a message for people.
    pub(crate) fn close(&self, close: CloseCode, message: Option<&str>) {
        let detail = Detail { message, ..Detail::default() };
        self.finish(&mut self.sending.lock(), End::Close(close), detail);
    }

    /// As [`Connection::end`] with a close code, and `what` is wrong in one word.
    pub(crate) fn refuse(&self, close: CloseCode, what: Option<&'static str>) {
        let detail = Detail { what, ..Detail::default() };
        self.finish(&mut self.sending.lock(), End::Close(close), detail);
    }

    /// Ends the connection of a user who is suspended until then, milliseconds since the epoch; 0:
    /// for ever.
    pub(crate) fn suspend(&self, until_ms: u64) {
        let detail = Detail { until_ms: Some(until_ms), ..Detail::default() };
        self.finish(&mut self.sending.lock(), End::Close(close_code::SUSPENDED), detail);
    }

    /// [`Connection::ended`] and [`Connection::is_behind`] at one look.
    pub(crate) fn look(&self) -> (Option<End>, bool) {
        let sending = self.sending.lock();
        (sending.end.as_deref().copied(), sending.outbox.bytes() > self.outbox_limit / 2)
    }

    /// Why the connection ends, once it does.
    pub(crate) fn ended(&self) -> Option<End> {
        self.look().0
    }

    fn finish(&self, sending: &mut Sending, end: End, detail: Detail<'_>) {
        if sending.end.is_some() {
            return;
        }
        sending.end = Some(Box::new(end));
        match end {
            End::Close(close) => {
                METRICS.closed(close.name);
                let mut last = close::frame(close, detail);
                if end.expulsion().is_some() {
                    last = sending.unanswered.refuse(last);
                }
                sending.outbox.finish(last);
                if !sending.blocked {
                    self.write(sending);
                }
            }
            End::Lost => sending.clear(),
        }
        self.wake.notify_one();
    }

    /// Takes the first waiting frame, which may hold several messages: for the task that drains a
    /// connection without a socket.
    pub(super) fn take_frame(&self) -> Option<Frame> {
        self.sending.lock().outbox.take_first()
    }

    fn write(&self, sending: &mut Sending) {
        let Sink::Socket(socket) = &self.sink else { return self.wake.notify_one() };
        while !sending.outbox.is_empty() {
            match write_front(socket, &sending.outbox) {
                Ok(written) => sending.outbox.written(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    sending.blocked = true;
                    self.wake.notify_one();
                    return;
                }
                Err(_) => {
                    sending.clear();
                    sending.end.get_or_insert_with(|| Box::new(End::Lost));
                    self.wake.notify_one();
                    return;
                }
            }
        }
    }
}
