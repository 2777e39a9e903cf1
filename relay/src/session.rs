//! One connection from hello to its end: reads frames, carries out operations, keeps the socket
//! moving.
//!
//! Operations are carried out one after the other, so replies come in the order of the requests
//! and a client that asks faster than Redis answers is slowed down by its own socket; only sends
//! that wait for Redis are answered later. What is written is queued elsewhere; here the session
//! waits for the socket when the kernel takes no more, and pings. How it ends is a value.

use std::future::Future;
use std::io::{self, ErrorKind, Read, Write};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::{Buf, Bytes};
use rand::Rng;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, WebSocket};
use tracing::debug;

use crate::close;
use crate::connection::{Connection, End};
use crate::fetch;
use crate::frame;
use crate::hub::Hub;
use crate::operations::{self, Context};
use crate::outbox::Class;
use crate::protocol;
use crate::replies::PAGE_BYTES;

/// A client has this long to answer a ping, if the interval is not shorter.
const PONG_WITHIN: Duration = Duration::from_secs(10);
/// Alarms go off together at most so far apart.
const STEP: Duration = Duration::from_millis(500);
/// A closed connection has this long to take its close frame and to answer it.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// The read buffer kept per connection: most frames are small, and there are many connections.
const READ_BUFFER: usize = 512;

/// Serves a connection until it ends. `early` are bytes that came with the handshake.
pub async fn run(hub: Arc<Hub>, connection: Arc<Connection>, early: Bytes) {
    debug!(connection = &*connection.name, user = &*connection.user, "connected");
    let mut session = Session::new(&hub, connection.clone(), early);
    let end = session.serve(hub.clone()).await;
    connection.end(end);
    hub.disconnect(&connection);
    if matches!(connection.ended(), Some(End::Close(_))) {
        let _ = tokio::time::timeout(CLOSE_WITHIN, session.say_goodbye()).await;
    }
    debug!(connection = &*connection.name, end = ?connection.ended(), "gone");
}

type Operation = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Session {
    connection: Arc<Connection>,
    frames: WebSocket<Inbound>,
    ping: Duration,
    heard: Instant,
}

/// What one look at the input has found.
enum Found {
    Text(tokio_tungstenite::tungstenite::Utf8Bytes),
    /// A control frame, already dealt with.
    Control,
    /// Nothing more for now.
    Nothing,
    End(End),
}

impl Session {
    fn new(hub: &Hub, connection: Arc<Connection>, early: Bytes) -> Session {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(hub.config.max_frame))
            .max_frame_size(Some(hub.config.max_frame));
        // A copy: the original would keep the whole buffer of the HTTP request alive.
        let early = Bytes::copy_from_slice(&early);
        let inbound = Inbound { connection: connection.clone(), early, answers: Vec::new() };
        Session {
            frames: WebSocket::from_raw_socket(inbound, Role::Server, Some(config)),
            connection,
            ping: hub.config.ping,
            heard: Instant::now(),
        }
    }

    async fn serve(&mut self, hub: Arc<Hub>) -> End {
        let connection = self.connection.clone();
        connection.send_text(&hello(&hub, &connection));
        let context = Context::new(hub, connection.clone());
        let mut operation: Option<Operation> = Some(Box::pin(operations::login(context.clone())));
        let mut pinged: Option<Instant> = None;
        // The first one at a time of its own: else clients that came together would be pinged together
        // for ever. Not at once: there may be much to load first.
        let part = rand::rng().random_range(0.4..=1.0);
        let mut alarm = self.together(Instant::now() + self.ping.mul_f64(part));
        loop {
            if let Some(end) = connection.ended() {
                return end;
            }
            let mut wants_input = false;
            if operation.is_none() && !connection.is_behind() {
                match self.look() {
                    Found::Text(text) => {
                        operation = Some(Box::pin(operations::carry_out(context.clone(), text)));
                    }
                    Found::Control => continue,
                    Found::Nothing => wants_input = true,
                    Found::End(end) => return end,
                }
            }
            let blocked = connection.is_blocked();
            tokio::select! {
                _ = connection.wake.notified() => {}
                _ = connection.socket().writable(), if blocked => connection.unblock(),
                _ = carried_out(&mut operation), if operation.is_some() => operation = None,
                _ = connection.socket().readable(), if wants_input => {}
                _ = sleep_until(alarm) => match pinged.take() {
                    // While an operation runs the input is not read: the client is not to blame.
                    Some(at) if self.heard < at && operation.is_none() => {
                        return End::Close(close::PING);
                    }
                    Some(at) => alarm = self.together((at + self.ping).max(Instant::now())),
                    None => {
                        connection.send(frame::ping());
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

    /// Takes the next message from the input, if a whole one is there.
    fn look(&mut self) -> Found {
        let read = self.frames.read();
        self.pass_answers();
        match read {
            Ok(Message::Text(text)) => {
                self.heard = Instant::now();
                Found::Text(text)
            }
            Ok(Message::Ping(_) | Message::Pong(_)) => {
                self.heard = Instant::now();
                Found::Control
            }
            Ok(Message::Binary(_)) => Found::End(End::Close(close::BINARY)),
            Ok(Message::Close(_)) => {
                // The answer to it is made by the next look.
                let _ = self.frames.read();
                self.pass_answers();
                Found::End(End::Lost)
            }
            Ok(Message::Frame(_)) => Found::Control,
            Err(Error::Io(error)) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted => Found::Nothing,
                _ => Found::End(End::Lost),
            },
            Err(error) => Found::End(why(error)),
        }
    }

    /// Queues what tungstenite answers by itself: pongs and close frames.
    fn pass_answers(&mut self) {
        let answers = std::mem::take(&mut self.frames.get_mut().answers);
        if !answers.is_empty() && self.connection.push(answers.into(), Class::Reply) {
            self.connection.flush();
        }
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
        let mut rest = [0; 1024];
        loop {
            if self.connection.socket().readable().await.is_err() {
                return;
            }
            match self.connection.socket().try_read(&mut rest) {
                // A close frame looks like this at its beginning; what else comes is not for us.
                Ok(length) if length == 0 || rest.first() == Some(&0x88) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

async fn carried_out(operation: &mut Option<Operation>) {
    match operation {
        Some(operation) => operation.await,
        None => std::future::pending().await,
    }
}

fn why(error: Error) -> End {
    use tokio_tungstenite::tungstenite::error::ProtocolError;
    End::Close(match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => close::TOOBIG,
        Error::Utf8(_) => close::UTF8,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => close::EOF,
        Error::ConnectionClosed | Error::AlreadyClosed => return End::Lost,
        _ => close::PROTOCOL,
    })
}

fn hello(hub: &Hub, connection: &Connection) -> String {
    let config = &hub.config;
    let mut out = String::from(r#"{"type":"hello","v":1,"relay":"#);
    protocol::string(&mut out, &config.name);
    out.push_str(",\"connection\":");
    protocol::string(&mut out, &connection.name);
    out.push_str(",\"user\":");
    protocol::string(&mut out, &connection.user);
    let (ping_ms, grace_ms) = (config.ping.as_millis(), config.grace.as_millis());
    out.push_str(&format!(
        r#","ping_ms":{ping_ms},"grace_ms":{grace_ms},"limits":{{"frame":{},"rooms":{},"operations_per_second":{},"page_events":{},"page_bytes":{PAGE_BYTES},"nonce_window_ms":{}}}"#,
        config.max_frame,
        config.max_rooms,
        config.operations_per_second,
        fetch::PAGE_EVENTS,
        config.nonce_window.as_millis(),
    ));
    if !config.auto_join.is_empty() {
        out.push_str(",\"joined\":[");
        for (index, room) in config.auto_join.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            protocol::string(&mut out, room);
        }
        out.push(']');
    }
    out.push('}');
    out
}

/// The socket as tungstenite reads it. What it writes is collected: answers to control frames,
/// which must not break into a frame that is half written.
struct Inbound {
    connection: Arc<Connection>,
    early: Bytes,
    answers: Vec<u8>,
}

impl Read for Inbound {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.early.is_empty() {
            let length = buffer.len().min(self.early.len());
            self.early.copy_to_slice(&mut buffer[..length]);
            return Ok(length);
        }
        self.connection.socket().try_read(buffer)
    }
}

impl Write for Inbound {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.answers.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
