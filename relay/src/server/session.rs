//! The session of one connection: reads frames, executes operations, pings, and waits for the
//! socket.
//!
//! Operations run one after the other, so replies are in the order of the requests, and a client
//! that sends faster than Redis answers is slowed down by its own socket. Only sends that wait for
//! Redis are answered later. Frames are queued and written elsewhere; the session waits when the
//! kernel accepts no more. In each turn of the event loop the session takes one frame and then
//! yields; the cost counts against the user's rate limit. The end of a session is a value.

use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::Poll;
use std::time::Duration;

use chat_protocol::close_code;
use rand::Rng;
use serde_json::value::RawValue;
use tokio::io::Interest;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use crate::auth::LoginError;
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
use crate::verification::OpenSession;

/// The longest time for a client to answer a ping.
const PONG_WITHIN: Duration = Duration::from_secs(10);
/// Timer granularity: ping deadlines are rounded up to this.
const PING_GRANULARITY: Duration = Duration::from_millis(500);
/// A closed connection has this long to receive its close frame and to answer it.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Bytes read at once from a connection that is closing.
const DISCARD_READ: usize = 4 << 10;
/// The most bytes that are read and dropped from a closing connection. If nothing read them, TCP
/// could lose the close frame.
const DISCARD_MAX: usize = 4 << 20;

/// A session that can begin. Its owner keeps it, because what is moved into a future takes its memory
/// there twice.
pub(crate) struct Prepared {
    session: Session,
    /// None: it has been served.
    context: Option<Arc<Context>>,
    renewal: Option<JoinSet<()>>,
}

/// Prepares the session of a connection. `early` are bytes that arrived with the handshake, `open` is
/// the session to renew.
pub(crate) fn prepare(
    hub: &Arc<Hub>,
    connection: &Arc<Connection>,
    allowance: Allowance,
    early: &[u8],
    open: Option<OpenSession>,
) -> Prepared {
    let context = Context::new(hub.clone(), connection.clone(), allowance);
    let renewal = open.map(|open| operations::renew_session(&context, open));
    Prepared {
        session: Session::new(hub, connection.clone(), early),
        context: Some(context),
        renewal,
    }
}

/// Serves a connection until it ends.
pub(crate) async fn run(hub: &Arc<Hub>, prepared: &mut Prepared) {
    let Prepared { session, context, renewal } = prepared;
    let Some(context) = context.take() else { return };
    let connection = session.connection.clone();
    debug!(connection = &*connection.name, user = &*connection.user, "connected");
    let end = {
        let turn = AtomicU64::new(0);
        let mut served = pin!(session.serve(context, &turn));
        // By reference: a future that is moved takes its memory twice.
        let turns = poll_fn(|polled| {
            turn.fetch_add(1, Ordering::Relaxed);
            served.as_mut().poll(polled)
        });
        catch_panic("serving a connection", turns).await
    };
    *renewal = None;
    connection.end(end.unwrap_or(End::Close(close_code::INTERNAL)));
    match end {
        Some(_) => presence::disconnect(hub, &connection),
        None => presence::disconnect_everywhere(hub, &connection),
    }
    if matches!(connection.ended(), Some(End::Close(_))) {
        // Boxed: only the end of a session needs it.
        let closing = tokio::time::timeout(CLOSE_WITHIN, session.finish_close());
        let _ = Box::pin(closing).await;
    }
    // Explicitly, as sends that still wait for Redis keep the connection alive.
    connection.sink().shutdown();
    debug!(connection = &*connection.name, end = ?connection.ended(), "gone");
}

type Operation = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Session {
    connection: Arc<Connection>,
    reader: FrameReader,
    ping: Duration,
    /// When the client last sent something.
    last_received: Instant,
    /// When the message that is still incomplete began to arrive.
    message_since: Option<Instant>,
    message_time: Duration,
    /// The client has received a `RATELIMIT` error.
    is_warned: bool,
}

/// The result of reading the input once.
enum Input {
    /// A request.
    Text(String),
    /// Something that is already handled.
    Done,
    /// Nothing more for now.
    Nothing,
    End(End),
}

impl Session {
    fn new(hub: &Hub, connection: Arc<Connection>, early: &[u8]) -> Session {
        Session {
            connection,
            // Copied: the original would keep the whole buffer of the HTTP request alive.
            reader: FrameReader::new(hub.config.max_frame, early),
            ping: hub.config.ping,
            last_received: Instant::now(),
            message_since: None,
            message_time: hub.config.message_time,
            is_warned: false,
        }
    }

    /// Serves until the end. `turn` has another value each time this future is polled.
    async fn serve(&mut self, context: Arc<Context>, turn: &AtomicU64) -> End {
        let connection = self.connection.clone();
        let mut operation: Option<Operation> = Some(Box::pin(operations::login(context.clone())));
        let mut pinged: Option<Instant> = None;
        // The first ping is at a random time, so that clients which arrived together are not pinged
        // together forever. Not at once, as a client has much to load first.
        let part = rand::rng().random_range(0.4..=1.0);
        let mut alarm = self.aligned(Instant::now() + self.ping.mul_f64(part));
        let mut read_in = 0;
        let (mut timer, mut is_set) = (pin!(sleep_until(alarm)), false);
        loop {
            let (ended, is_behind) = connection.look();
            if let Some(end) = ended {
                return end;
            }
            let expiry = context.expiry().map(Instant::from_std);
            if expiry.is_some_and(|expiry| expiry <= Instant::now()) {
                connection.refuse(close_code::EXPIRED, LoginError::Expired.what());
                continue;
            }
            // One timer for both.
            let next = expiry.map_or(alarm, |expiry| expiry.min(alarm));
            let mut wants_input = false;
            let may_look = operation.is_none() && !is_behind;
            let this_turn = turn.load(Ordering::Relaxed);
            // One read per turn: however much one client sends, others are served in between.
            let has_read = read_in == this_turn;
            if may_look && !has_read {
                read_in = this_turn;
                match self.read_input(&context.allowance) {
                    Input::Text(text) => {
                        let arrived = self.last_received.into_std();
                        let executed = operations::execute(context.clone(), text, arrived);
                        operation = Some(Box::pin(executed));
                    }
                    Input::Done => continue,
                    Input::Nothing => wants_input = true,
                    Input::End(end) => return end,
                }
            }
            if timer.deadline() != next {
                timer.as_mut().reset(next);
                is_set = false;
            }
            let due = poll_fn(|polled| {
                // Once polled, it wakes this task by itself.
                if std::mem::replace(&mut is_set, true) && !timer.is_elapsed() {
                    return Poll::Pending;
                }
                timer.as_mut().poll(polled)
            });
            let blocked = connection.is_blocked();
            let interest = match (blocked, wants_input) {
                (true, true) => Some(Interest::READABLE | Interest::WRITABLE),
                (true, false) => Some(Interest::WRITABLE),
                (false, true) => Some(Interest::READABLE),
                (false, false) => None,
            };
            tokio::select! {
                biased;
                _ = connection.wake.notified() => {}
                _ = carried_out(&mut operation), if operation.is_some() => operation = None,
                ready = connection.sink().ready(interest.unwrap_or(Interest::READABLE)),
                    if interest.is_some() =>
                {
                    let is_writable = ready.map_or(true, |ready| ready.is_writable());
                    // A client that reads is alive, even if its pong is still behind what it has to
                    // read.
                    if blocked && is_writable && connection.unblock() {
                        self.last_received = Instant::now();
                    }
                }
                _ = yield_now(), if may_look && has_read => {}
                _ = due => match pinged.take() {
                    before if next < alarm => pinged = before,
                    // While an operation runs the input is not read, so the client is not to blame
                    // for silence.
                    Some(at) if self.last_received < at && operation.is_none() => {
                        return End::Close(close_code::PING);
                    }
                    Some(at) => alarm = self.aligned((at + self.ping).max(Instant::now())),
                    None => {
                        connection.send_control(frame::ping());
                        pinged = Some(alarm);
                        alarm = self.aligned(Instant::now() + PONG_WITHIN.min(self.ping));
                    }
                },
            }
        }
    }

    /// The first time from `at` on at which timers of many connections expire together. Waking a
    /// thread for each one alone would cost more than its ping.
    fn aligned(&self, at: Instant) -> Instant {
        static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
        let step = (self.ping / 50).min(PING_GRANULARITY).as_nanos().max(1);
        let steps = at.saturating_duration_since(*BEGINNING).as_nanos().div_ceil(step);
        *BEGINNING + Duration::from_nanos((steps * step) as u64)
    }

    /// Takes one frame from the input, or reads once.
    fn read_input(&mut self, allowance: &Allowance) -> Input {
        let sink = self.connection.sink();
        let step = self.reader.step(|space| sink.try_read(space));
        let step = match step {
            Ok(step) => step,
            Err(ReadError::Close(close)) => return Input::End(End::Close(close)),
            Err(ReadError::Socket(_)) => return Input::End(End::Lost),
        };
        match step.found {
            Found::Nothing => return Input::Nothing,
            Found::End => return Input::End(End::Close(close_code::EOF)),
            _ => {}
        }
        let now = Instant::now();
        self.last_received = now;
        let frames = usize::from(step.found != Found::Bytes);
        METRICS.frames.increment(frames as u64);
        METRICS.received_bytes.increment(step.bytes as u64);
        match allowance.count(frames, step.bytes, now.into_std()) {
            Verdict::Fine => self.is_warned = false,
            Verdict::Slower(retry_ms) => {
                // A request gets an answer in any case.
                let is_request = matches!(step.found, Found::Text(_));
                if !std::mem::replace(&mut self.is_warned, true) && !is_request {
                    let error = Error::ratelimit(retry_ms);
                    self.connection.send_text(&reply::error(RawValue::NULL, &error));
                }
            }
            Verdict::Flood => return Input::End(End::Close(close_code::FLOOD)),
        }
        if let Some(end) = self.check_message_time(&step.found, now) {
            return Input::End(end);
        }
        match step.found {
            Found::Text(text) => Input::Text(text),
            Found::Ping(payload) => {
                self.connection.send_control(frame::pong(&payload));
                Input::Done
            }
            Found::Close(code) => {
                self.connection.answer_close(frame::close_answer(&code));
                Input::End(End::Lost)
            }
            _ => Input::Done,
        }
    }

    /// Ends the connection if a message has been arriving for too long. While bytes arrive the
    /// client is not silent, but a message must be complete within the time.
    fn check_message_time(&mut self, found: &Found, now: Instant) -> Option<End> {
        if matches!(found, Found::Text(_)) || !self.reader.is_incomplete() {
            self.message_since = None;
            return None;
        }
        let since = *self.message_since.get_or_insert(now);
        (now.duration_since(since) >= self.message_time).then_some(End::Close(close_code::PING))
    }

    /// Waits until the close frame is written and the client has closed its side.
    async fn finish_close(&mut self) {
        loop {
            if self.connection.is_blocked() {
                if self.connection.sink().writable().await.is_err() {
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
        // On the heap: on the stack it would be part of every session's future.
        let mut rest = vec![0; DISCARD_READ];
        let mut left = DISCARD_MAX;
        while left > 0 {
            if self.connection.sink().readable().await.is_err() {
                return;
            }
            match self.connection.sink().try_read(&mut rest) {
                // 0x88 is the first byte of a close frame. Other bytes are dropped.
                Ok(length) if length == 0 || rest.first() == Some(&0x88) => return,
                Ok(length) => left = left.saturating_sub(length),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
            // Yield, however much arrives.
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
