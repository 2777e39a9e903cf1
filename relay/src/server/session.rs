//! One connection from hello to its end: reads frames, carries out operations, keeps the socket
//! moving.
//!
//! Operations are carried out one after the other, so replies come in the order of the requests
//! and a client that asks faster than Redis answers is slowed down by its own socket; only sends
//! that wait for Redis are answered later. What is written is queued elsewhere; here the session
//! waits for the socket when the kernel takes no more, and pings. Whatever comes in, the session looks
//! at one frame in a turn and lets others go on; what it costs is the user's allowance. How it ends is
//! a value.

use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::{BufMut, Bytes};
use chat_protocol::close_code;
use rand::Rng;
use rustix::net::Shutdown;
use serde_json::value::RawValue;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tracing::debug;

use crate::client::connection::{Connection, End};
use crate::client::error::Error;
use crate::client::frame;
use crate::client::frame_reader::{Found, FrameReader, ReadError};
use crate::client::reply;
use crate::hub::{Hub, presence};
use crate::metrics::METRICS;
use crate::operations::{self, Context};
use crate::panics::catch_panic;
use crate::rate_limit::{Allowance, Verdict};

/// A client has this long to answer a ping, if the interval is not shorter.
const PONG_WITHIN: Duration = Duration::from_secs(10);
/// Alarms go off together at most so far apart.
const STEP: Duration = Duration::from_millis(500);
/// A closed connection has this long to take its close frame and to answer it.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// What is read at once of a client that is closed.
const PIECE: usize = 4 << 10;
/// What is read of it altogether: if nobody read what is on its way, TCP could lose the close frame.
const GOODBYE_MOST: usize = 4 << 20;

/// Serves a connection until it ends. `early` are bytes that came with the handshake.
pub(crate) async fn run(
    hub: Arc<Hub>,
    connection: Arc<Connection>,
    allowance: Allowance,
    early: Bytes,
) {
    debug!(connection = &*connection.name, user = &*connection.user, "connected");
    let mut session = Session::new(&hub, connection.clone(), &early);
    drop(early);
    let end = {
        let context = Context::new(hub.clone(), connection.clone(), allowance);
        let turn = AtomicU64::new(0);
        let mut served = pin!(session.serve(context, &turn));
        // By reference: a future that is passed on is kept in memory twice.
        let turns = poll_fn(|polled| {
            turn.fetch_add(1, Ordering::Relaxed);
            served.as_mut().poll(polled)
        });
        catch_panic("serving a connection", turns).await
    };
    connection.end(end.unwrap_or(End::Close(close_code::INTERNAL)));
    match end {
        Some(_) => presence::disconnect(&hub, &connection),
        None => presence::disconnect_everywhere(&hub, &connection),
    }
    if matches!(connection.ended(), Some(End::Close(_))) {
        let _ = tokio::time::timeout(CLOSE_WITHIN, session.say_goodbye()).await;
    }
    // Sends that still wait for Redis keep the socket from being dropped.
    let _ = rustix::net::shutdown(connection.socket(), Shutdown::Both);
    debug!(connection = &*connection.name, end = ?connection.ended(), "gone");
}

type Operation = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Session {
    connection: Arc<Connection>,
    reader: FrameReader,
    ping: Duration,
    /// When the client last sent anything.
    heard: Instant,
    /// Since when a message has been coming in that is not yet whole.
    midway_since: Option<Instant>,
    message_time: Duration,
    /// The client knows that it must slow down.
    is_warned: bool,
}

/// What one look at the input has found.
enum Look {
    /// A request.
    Text(Utf8Bytes),
    /// Something, already dealt with.
    Done,
    /// Nothing more for now.
    Nothing,
    End(End),
}

impl Session {
    fn new(hub: &Hub, connection: Arc<Connection>, early: &[u8]) -> Session {
        Session {
            connection,
            // A copy: the original would keep the whole buffer of the HTTP request alive.
            reader: FrameReader::new(hub.config.max_frame, early),
            ping: hub.config.ping,
            heard: Instant::now(),
            midway_since: None,
            message_time: hub.config.message_time,
            is_warned: false,
        }
    }

    /// Serves until the end. `turn` is another number each time this future is polled.
    async fn serve(&mut self, context: Arc<Context>, turn: &AtomicU64) -> End {
        let connection = self.connection.clone();
        let mut operation: Option<Operation> = Some(Box::pin(operations::login(context.clone())));
        let mut pinged: Option<Instant> = None;
        // The first one at a time of its own: else clients that came together would be pinged together
        // for ever. Not at once: there may be much to load first.
        let part = rand::rng().random_range(0.4..=1.0);
        let mut alarm = self.together(Instant::now() + self.ping.mul_f64(part));
        let mut looked_in = 0;
        loop {
            if let Some(end) = connection.ended() {
                return end;
            }
            let mut wants_input = false;
            let may_look = operation.is_none() && !connection.is_behind();
            let this_turn = turn.load(Ordering::Relaxed);
            // One look in each turn: however much a client sends, others have theirs in between.
            let has_looked = looked_in == this_turn;
            if may_look && !has_looked {
                looked_in = this_turn;
                match self.look(&context.allowance) {
                    Look::Text(text) => {
                        operation = Some(Box::pin(operations::execute(context.clone(), text)));
                    }
                    Look::Done => continue,
                    Look::Nothing => wants_input = true,
                    Look::End(end) => return end,
                }
            }
            let blocked = connection.is_blocked();
            tokio::select! {
                _ = connection.wake.notified() => {}
                _ = connection.socket().writable(), if blocked => {
                    // Who reads is there, also if its pong waits behind what it has yet to read.
                    if connection.unblock() {
                        self.heard = Instant::now();
                    }
                }
                _ = carried_out(&mut operation), if operation.is_some() => operation = None,
                _ = connection.socket().readable(), if wants_input => {}
                _ = yield_now(), if may_look && has_looked => {}
                _ = sleep_until(alarm) => match pinged.take() {
                    // While an operation runs the input is not read: the client is not to blame.
                    Some(at) if self.heard < at && operation.is_none() => {
                        return End::Close(close_code::PING);
                    }
                    Some(at) => alarm = self.together((at + self.ping).max(Instant::now())),
                    None => {
                        connection.send_control(frame::ping());
                        pinged = Some(alarm);
                        alarm = self.together(Instant::now() + PONG_WITHIN.min(self.ping));
                    }
                },
            }
        }
    }

    /// The next time, not before `at`, at which the alarms of many connections go off: waking a thread
    /// for each of them alone would cost more than its ping.
    fn together(&self, at: Instant) -> Instant {
        static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
        let step = (self.ping / 50).min(STEP).as_nanos().max(1);
        let steps = at.saturating_duration_since(*BEGINNING).as_nanos().div_ceil(step);
        *BEGINNING + Duration::from_nanos((steps * step) as u64)
    }

    /// Takes one frame from the input, or reads once.
    fn look(&mut self, allowance: &Allowance) -> Look {
        let socket = self.connection.socket();
        let step = self.reader.step(|buffer, most| socket.try_read_buf(&mut buffer.limit(most)));
        let step = match step {
            Ok(step) => step,
            Err(ReadError::Close(close)) => return Look::End(End::Close(close)),
            Err(ReadError::Socket(_)) => return Look::End(End::Lost),
        };
        match step.found {
            Found::Nothing => return Look::Nothing,
            Found::End => return Look::End(End::Close(close_code::EOF)),
            _ => {}
        }
        let now = Instant::now();
        self.heard = now;
        let frames = usize::from(step.found != Found::Bytes);
        METRICS.frames.increment(frames as u64);
        METRICS.bytes_received.increment(step.bytes as u64);
        match allowance.count(frames, step.bytes, now.into_std()) {
            Verdict::Fine => self.is_warned = false,
            Verdict::Slower(retry_ms) => {
                // A request is answered in any case.
                let is_request = matches!(step.found, Found::Text(_));
                if !std::mem::replace(&mut self.is_warned, true) && !is_request {
                    let error = Error::ratelimit(retry_ms);
                    self.connection.send_text(&reply::error(RawValue::NULL, &error));
                }
            }
            Verdict::Flood => return Look::End(End::Close(close_code::FLOOD)),
        }
        if let Some(end) = self.is_too_long(&step.found, now) {
            return Look::End(end);
        }
        match step.found {
            Found::Text(text) => Look::Text(text),
            Found::Ping(payload) => {
                self.connection.send_control(frame::pong(&payload));
                Look::Done
            }
            Found::Close(code) => {
                self.connection.answer_close(frame::close_answer(&code));
                Look::End(End::Lost)
            }
            _ => Look::Done,
        }
    }

    /// Whether a message has been coming in for too long. While its bytes come the client is not silent,
    /// but it must end some day.
    fn is_too_long(&mut self, found: &Found, now: Instant) -> Option<End> {
        if matches!(found, Found::Text(_)) || !self.reader.is_incomplete() {
            self.midway_since = None;
            return None;
        }
        let since = *self.midway_since.get_or_insert(now);
        (now.duration_since(since) >= self.message_time).then_some(End::Close(close_code::PING))
    }

    /// Waits until the close frame is written and the client has ended its side.
    async fn say_goodbye(&mut self) {
        loop {
            if self.connection.is_blocked() {
                if self.connection.socket().writable().await.is_err() {
                    return;
                }
                self.connection.unblock();
                continue;
            }
            if self.connection.waiting_bytes() == 0 {
                break;
            }
            self.connection.flush();
        }
        // On the heap: here it would be part of every connection for as long as it lasts.
        let mut rest = Vec::with_capacity(PIECE);
        let mut left = GOODBYE_MOST;
        while left > 0 {
            if self.connection.socket().readable().await.is_err() {
                return;
            }
            rest.clear();
            match self.connection.socket().try_read_buf(&mut rest) {
                // A close frame looks like this at its beginning; what else comes is not for us.
                Ok(length) if length == 0 || rest.first() == Some(&0x88) => return,
                Ok(length) => left = left.saturating_sub(length),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
            // Others have their turn, however much comes.
            yield_now().await;
        }
    }
}

async fn carried_out(operation: &mut Option<Operation>) {
    match operation {
        Some(operation) => operation.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
