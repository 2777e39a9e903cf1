//! A chat client as a program would write it: operations, replies, events.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::clients::frames::{Close, Frame, Frames, Peer};
use crate::wait::{SOON, eventually};

/// One connection to a relay.
pub struct Client {
    /// The user it connected as.
    pub user: String,
    /// The first frame, `hello`.
    pub hello: Value,
    frames: Frames,
    next_ref: AtomicU64,
    taken: Mutex<HashMap<String, usize>>,
}

impl Client {
    /// Connects and waits for `hello`.
    #[track_caller]
    pub fn connect(relay: SocketAddr, user: &str) -> Client {
        Client::try_connect(relay, user)
            .unwrap_or_else(|status| panic!("{user} is not let in: HTTP status {status}"))
    }

    /// As [`Client::connect`]; the error is the HTTP status, or 0 if nothing answers.
    pub fn try_connect(relay: SocketAddr, user: &str) -> Result<Client, u16> {
        Client::open(relay, format!("ws://{relay}/ws?user={user}"), user)
    }

    /// As [`Client::connect`], with a token in the header `Authorization`.
    #[track_caller]
    pub fn connect_with_token(relay: SocketAddr, user: &str, token: &str) -> Client {
        let mut request = format!("ws://{relay}/ws").into_client_request().expect("an address");
        let bearer = format!("Bearer {token}").parse().expect("a header");
        request.headers_mut().insert("authorization", bearer);
        Client::open(relay, request, user)
            .unwrap_or_else(|status| panic!("{user} is not let in: HTTP status {status}"))
    }

    /// As [`Client::connect`], without a credential: the first frame says so.
    #[track_caller]
    pub fn connect_as_guest(relay: SocketAddr) -> Client {
        let frames =
            Frames::open(relay, format!("ws://{relay}/ws"), Peer::Relay).expect("an upgrade");
        frames.send(Message::text(r#"{"op":"auth"}"#));
        Client::greeted(frames, "guest", 1).expect("guests are let in")
    }

    fn open(
        relay: SocketAddr,
        request: impl IntoClientRequest + Send + Unpin + 'static,
        user: &str,
    ) -> Result<Client, u16> {
        Client::greeted(Frames::open(relay, request, Peer::Relay)?, user, 0)
    }

    /// Waits for `hello`, which comes after so many frames.
    fn greeted(frames: Frames, user: &str, before: usize) -> Result<Client, u16> {
        let hello = eventually("hello", SOON, || {
            let inbox = frames.inbox();
            match (inbox.frames.get(before), &inbox.closed) {
                (Some(frame), _) => Ok(Some(frame.json.clone())),
                (None, Some(_)) => Ok(None),
                (None, None) => Err("nothing".into()),
            }
        });
        let hello = hello.ok_or(0_u16)?;
        assert_eq!(hello["type"], "hello", "the first frame");
        Ok(Client {
            user: user.into(),
            hello,
            frames,
            next_ref: AtomicU64::new(1),
            taken: Mutex::default(),
        })
    }

    /// Sends an operation and waits for its reply: the value of `ok`, or that of `error`.
    #[track_caller]
    pub fn call(&self, op: Value) -> Result<Value, Value> {
        let reference = self.ask(op.clone());
        let what = format!("the reply to {op}");
        eventually(&what, SOON, || self.reply(reference).ok_or_else(|| self.arrived()))
    }

    /// As [`Client::call`]; panics unless the reply is `ok`.
    #[track_caller]
    pub fn ok(&self, op: Value) -> Value {
        self.call(op.clone()).unwrap_or_else(|error| panic!("{op} is refused: {error}"))
    }

    /// As [`Client::call`]; returns the code and panics unless the reply is an `error`.
    #[track_caller]
    pub fn refused(&self, op: Value) -> String {
        match self.call(op.clone()) {
            Ok(ok) => panic!("{op} is accepted: {ok}"),
            Err(error) => error["code"].as_str().unwrap_or_default().to_owned(),
        }
    }

    /// Sends an operation without waiting; [`Client::reply`] takes the returned number.
    pub fn ask(&self, mut op: Value) -> u64 {
        let reference = self.next_ref.fetch_add(1, Ordering::Relaxed);
        op["ref"] = reference.into();
        self.send(Message::text(op.to_string()));
        reference
    }

    /// The reply to [`Client::ask`], if it has arrived.
    pub fn reply(&self, reference: u64) -> Option<Result<Value, Value>> {
        let inbox = self.frames.inbox();
        let place = *inbox.answers.get(&reference)?;
        let json = &inbox.frames[place].json;
        Some(match json.get("ok") {
            Some(ok) => Ok(ok.clone()),
            None => Err(json["error"].clone()),
        })
    }

    /// Sends a frame unchanged.
    pub fn send(&self, message: Message) {
        self.frames.send(message);
    }

    /// Stops or continues reading; while stopped, no pong is sent either.
    pub fn read(&self, on: bool) {
        self.frames.read(on);
    }

    /// The next event of `room` (durable or not) that was not yet returned.
    #[track_caller]
    pub fn next_event(&self, room: &str) -> Frame {
        self.next_where(room, &format!("an event of {room} for {}", self.user), |_| true)
    }

    /// The next event of `room` whose `type` is `kind`, skipping others.
    #[track_caller]
    pub fn next_of(&self, room: &str, kind: &str) -> Frame {
        let what = format!("an event {kind} of {room} for {}", self.user);
        self.next_where(room, &what, |event| event["type"] == kind)
    }

    /// The next event of `room` for which `wanted` is true, skipping others.
    #[track_caller]
    pub fn next_where(&self, room: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Frame {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let from = taken.entry(room.into()).or_default();
        eventually(what, SOON, || {
            let found = {
                let inbox = self.frames.inbox();
                let new = inbox.frames.get(*from..).unwrap_or_default();
                let fits = |frame: &Frame| is_event_of(frame, room) && wanted(&frame.json);
                new.iter().position(fits).map(|place| (place, new[place].clone()))
            };
            let (place, frame) = found.ok_or_else(|| self.arrived())?;
            *from += place + 1;
            Ok(frame)
        })
    }

    /// The first of all frames so far for which `wanted` is true.
    #[track_caller]
    pub fn wait_frame(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Frame {
        eventually(&format!("{what} for {}", self.user), SOON, || {
            let found = self.frames_from(0).into_iter().find(|frame| wanted(&frame.json));
            found.ok_or_else(|| self.arrived())
        })
    }

    /// All events of `room` so far.
    pub fn events(&self, room: &str) -> Vec<Frame> {
        let inbox = self.frames.inbox();
        inbox.frames.iter().filter(|frame| is_event_of(frame, room)).cloned().collect()
    }

    /// All frames from the position `from` on.
    pub fn frames_from(&self, from: usize) -> Vec<Frame> {
        self.frames.inbox().frames.get(from..).unwrap_or_default().to_vec()
    }

    /// How the relay closed the connection, if it has.
    pub fn closed(&self) -> Option<Close> {
        self.frames.inbox().closed.clone()
    }

    /// Waits for the relay to close the connection.
    #[track_caller]
    pub fn wait_closed(&self, deadline: std::time::Duration) -> Close {
        eventually("the end of the connection", deadline, || {
            self.closed().ok_or_else(|| self.arrived())
        })
    }

    /// What arrived, for failure messages.
    pub fn arrived(&self) -> String {
        let inbox = self.frames.inbox();
        let first = inbox.frames.len().saturating_sub(20);
        let mut story =
            format!("{} frames, closed: {:?}, the last:", inbox.frames.len(), inbox.closed);
        for frame in &inbox.frames[first..] {
            story.push_str("\n    ");
            story.extend(frame.text.chars().take(400));
        }
        story
    }
}

fn is_event_of(frame: &Frame, room: &str) -> bool {
    // Replies have a `ref`, as some events do, but no type.
    frame.json["room"] == room && frame.json["type"].is_string()
}
