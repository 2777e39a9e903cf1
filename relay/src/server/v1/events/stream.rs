//! The task of one stream: drains the outbox of its connection into the body of a response.
//!
//! It does what a session does for a socket: it logs in, carries out operations (here its own
//! `resume`), ends the stream when the token ends, and notices that the client has gone. The body
//! takes one piece at a time. While the client reads nothing, frames wait in the outbox, whose bound
//! closes the connection as that of a socket.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chat_protocol::close_code;
use chat_protocol::event_header::{EventHeader, Place};
use rand::Rng;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use crate::auth::LoginError;
use crate::client::connection::{Connection, End};
use crate::client::frame::Payload;
use crate::client::json;
use crate::client::payloads::Payloads;
use crate::client::request::Fields;
use crate::event;
use crate::hub::{Hub, presence};
use crate::operations::{self, Context};
use crate::panics::catch_panic;
use crate::rate_limit::Allowance;
use crate::server::v1::events::blocks::Blocks;
use crate::server::v1::events::pending::{Answered, Pending, REPLY};
use crate::server::v1::events::positions::Positions;
use crate::verification::OpenSession;

/// The time between comments. What is between relay and client must not take the stream for dead.
const COMMENT_INTERVAL: Duration = Duration::from_secs(15);
/// The time between two looks whether rooms can be read whose node was away.
const AWAY_INTERVAL: Duration = Duration::from_secs(1);
/// Positions are sent at most once in this time.
const POSITIONS_INTERVAL: Duration = Duration::from_secs(1);
/// Blocks of so many bytes are written before further frames are taken.
const WRITE_AT: usize = 16 << 10;
/// An ended stream has this long to take its last block.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// When a browser may come back by itself after an end that something must be done about first.
const RETRY_FINAL_MS: u64 = 60_000;

/// The body of the response: takes blocks, and is closed when the client has gone.
pub(super) type Body = mpsc::Sender<Bytes>;

/// Serves a stream until it ends. The connection has left the hub when this returns. `open` is the
/// session to renew.
pub(super) async fn run(
    hub: Arc<Hub>,
    connection: Arc<Connection>,
    allowance: Allowance,
    open: Option<OpenSession>,
    pending: Pending,
    body: Body,
) {
    debug!(connection = &*connection.name, user = &*connection.user, "stream begins");
    let mut stream = Stream {
        connection: connection.clone(),
        payloads: Payloads::of(connection.clone()),
        pending,
        blocks: Blocks::default(),
        positions: Positions::default(),
        positions_at: Instant::now(),
        // At a random time, so that streams which began together are not woken together.
        comment_at: Instant::now() + COMMENT_INTERVAL.mul_f64(rand::rng().random_range(0.2..=1.0)),
        body,
    };
    let end = {
        let context = Context::new(hub.clone(), connection.clone(), allowance);
        let _watch = operations::watch_bearer(&context);
        let _renewal = open.map(|open| operations::renew_session(&context, open));
        catch_panic("serving a stream of events", stream.serve(&hub, context)).await
    };
    connection.end(end.unwrap_or(End::Close(close_code::INTERNAL)));
    match end {
        Some(_) => presence::disconnect(&hub, &connection),
        None => presence::disconnect_everywhere(&hub, &connection),
    }
    if matches!(connection.ended(), Some(End::Close(_))) {
        stream.finish().await;
    }
    debug!(connection = &*connection.name, end = ?connection.ended(), "stream ended");
}

type Operation = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Stream {
    connection: Arc<Connection>,
    payloads: Payloads,
    pending: Pending,
    blocks: Blocks,
    positions: Positions,
    /// The earliest time to send positions again.
    positions_at: Instant,
    comment_at: Instant,
    body: Body,
}

impl Stream {
    async fn serve(&mut self, hub: &Arc<Hub>, context: Arc<Context>) -> End {
        let body = self.body.clone();
        let mut operation: Option<Operation> = Some(Box::pin(operations::login(context.clone())));
        loop {
            if let Some(end) = self.connection.ended() {
                return end;
            }
            let now = Instant::now();
            let expiry = context.expiry().map(Instant::from_std);
            if expiry.is_some_and(|expiry| expiry <= now) {
                self.connection.refuse(close_code::EXPIRED, LoginError::Expired.what());
                continue;
            }
            if now >= self.comment_at {
                self.comment_at = now + COMMENT_INTERVAL;
                self.blocks.comment();
            }
            let has_news = self.positions.has_changed();
            if has_news && now >= self.positions_at {
                self.send_positions();
                self.positions_at = now + POSITIONS_INTERVAL;
                continue;
            }
            // A page at a time: the next one is asked for when the client has taken the last one.
            if operation.is_none()
                && self.blocks.len() == 0
                && let Some((pause, request)) =
                    self.pending.request(|room| hub.upstream.state_of(room).can_read())
            {
                let context = context.clone();
                operation = Some(Box::pin(async move {
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                    operations::execute(context, request, Instant::now().into_std()).await;
                }));
            }
            let next = expiry.map_or(self.comment_at, |expiry| expiry.min(self.comment_at));
            let next = if has_news { next.min(self.positions_at) } else { next };
            let next = if self.pending.waits() { next.min(now + AWAY_INTERVAL) } else { next };
            let (waits, may_take) = (self.blocks.len() > 0, self.blocks.len() < WRITE_AT);
            self.connection.set_blocked(waits && body.capacity() == 0);
            tokio::select! {
                // What has arrived together is written together.
                biased;
                payload = self.payloads.next(), if may_take => match payload {
                    Some(Payload::Text(payload)) => self.take(&payload),
                    Some(Payload::Close(code, reason)) => self.close(code, &reason),
                    None => {}
                },
                permit = body.reserve(), if waits => match permit {
                    Ok(permit) => permit.send(self.blocks.take()),
                    Err(_) => return End::Lost,
                },
                () = body.closed() => return End::Lost,
                () = carried_out(&mut operation) => operation = None,
                () = sleep_until(next) => {}
            }
        }
    }

    /// Writes the block of one frame.
    fn take(&mut self, payload: &[u8]) {
        if payload.starts_with(REPLY) {
            return self.answer(payload);
        }
        let Some(kind) = payload.strip_prefix(br#"{"type":""#.as_slice()) else {
            return self.event(payload);
        };
        let is_end = |byte: &u8| *byte == b'"';
        let kind = kind.split(is_end).next().unwrap_or_default();
        let name = match kind {
            b"hello" => "hello",
            b"reset" => "reset",
            b"upstream" => "upstream",
            b"reload" | b"gone" => return self.change(payload, kind == b"gone"),
            // In the place of an event: they have its members.
            _ => return self.blocks.data(payload),
        };
        self.blocks.named(name, payload);
    }

    fn event(&mut self, payload: &[u8]) {
        let Some(head) = EventHeader::parse(payload) else { return };
        if let (Place::Durable { id, .. }, Some(room)) = (head.place, event::text(&head, "room")) {
            if self.pending.holds(&room) {
                return;
            }
            self.positions.set(&room, id);
        }
        self.blocks.data(payload);
    }

    /// A frame `reload` or `gone`: the position in its room changes.
    fn change(&mut self, payload: &[u8], is_gone: bool) {
        let fields = Fields::of(payload);
        let Ok(room) = fields.text("room") else { return };
        if is_gone
            && matches!(fields.optional_text("code"), Ok(Some(code)) if code == "UNAVAILABLE")
        {
            // A socket would ask for the room again.
            return self.pending.add_lost(&room, self.positions.of(&room));
        }
        if self.pending.holds(&room) {
            return;
        }
        if let Ok(Some(last)) = fields.id("last") {
            self.positions.set(&room, last);
        }
        self.blocks.named(if is_gone { "gone" } else { "reload" }, payload);
    }

    /// The answer to the stream's own `resume`.
    fn answer(&mut self, reply: &[u8]) {
        for (room, asked, answered) in self.pending.answered(reply) {
            match answered {
                Answered::Events { events, last, more } => {
                    for event in events {
                        self.blocks.data(event.as_bytes());
                    }
                    if let Some(last) = last {
                        self.positions.set(&room, last);
                    }
                    if !more {
                        // Presence may have changed since the client was here.
                        self.made_here("reset", &room, "}");
                    }
                }
                Answered::Page { members, last } => {
                    if let Some(last) = last {
                        self.positions.set(&room, last);
                    }
                    if !(asked.is_unnamed && asked.cursor.is_none()) {
                        self.made_here("reload", &room, &format!(",{members}"));
                    }
                }
                Answered::Refused { members } => {
                    self.made_here("gone", &room, &format!(",{members}"));
                }
                Answered::Later => {}
            }
        }
    }

    /// A block that is named as the type of its object.
    fn made_here(&mut self, name: &str, room: &str, rest: &str) {
        let object = format!(r#"{{"type":"{name}","room":{}{rest}"#, json::write(room));
        self.blocks.named(name, object.as_bytes());
    }

    fn send_positions(&mut self) {
        if let Some(text) = self.positions.send() {
            self.blocks.positions(&text);
        }
    }

    /// The last blocks: the connection was closed with this code.
    fn close(&mut self, code: u16, reason: &[u8]) {
        if self.positions.has_changed() {
            self.send_positions();
        }
        let members = reason.strip_prefix(b"{").unwrap_or(b"}");
        let object = [format!(r#"{{"code":{code},"#).as_bytes(), members].concat();
        let retry_ms = Fields::of(reason).number("retry_ms").ok().flatten();
        self.blocks.close(&object, retry_ms.unwrap_or(RETRY_FINAL_MS));
    }

    /// Writes what is left, if the client takes it in time.
    async fn finish(&mut self) {
        while let Some(Payload::Close(code, reason)) = self.payloads.take() {
            self.close(code, &reason);
        }
        if self.blocks.len() > 0 {
            let _ = timeout(CLOSE_WITHIN, self.body.send(self.blocks.take())).await;
        }
    }
}

async fn carried_out(operation: &mut Option<Operation>) {
    match operation {
        Some(operation) => operation.await,
        None => pending().await,
    }
}
