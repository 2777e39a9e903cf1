//! A reader of `/v1/events`: a stream of events as a browser's `EventSource` reads it (HTML Living
//! Standard, section 9.2.6), over a real HTTP client.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::asyncapi::{Channel, Contract};
use crate::clients::frames::runtime;
use crate::wait::{SOON, eventually};

/// Types of frames whose blocks bear their names.
const NAMED: [&str; 5] = ["hello", "reload", "reset", "gone", "upstream"];
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// One block of a stream.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its name; `message` if it has none.
    pub event: String,
    /// Its data; `None`: it has only an id, so it is no event.
    pub data: Option<String>,
    /// The data parsed as JSON.
    pub json: Value,
    /// Its id.
    pub id: Option<String>,
    /// When it arrived.
    pub at: Instant,
}

/// All that has arrived.
#[derive(Debug, Default)]
pub struct Inbox {
    /// The lines, in order.
    pub lines: Vec<String>,
    /// The blocks, in order.
    pub blocks: Vec<Block>,
    /// The last id.
    pub last_id: Option<String>,
    /// The last `retry`.
    pub retry_ms: Option<u64>,
    /// How many comments came.
    pub comments: usize,
    /// Why the stream ended, if it has: `end` if the response is complete.
    pub ended: Option<String>,
    /// The first block that is not as `docs/asyncapi.yaml` describes it, and why not.
    fault: Option<String>,
}

impl Inbox {
    /// What arrived last, for failure messages. A wait asks for it often, and meanwhile nobody reads.
    pub fn story(&self) -> String {
        let first = self.lines.len().saturating_sub(40);
        let counts = (self.lines.len(), self.comments, &self.last_id, &self.ended);
        let mut story = format!("(lines, comments, last id, end) {counts:?}, the last:");
        for line in &self.lines[first..] {
            story.push_str("\n    ");
            story.extend(line.chars().take(400));
        }
        story
    }
}

/// A request for a stream.
#[derive(Clone, Debug)]
pub struct Wanted {
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

/// A request that was refused.
#[derive(Debug)]
pub struct Refused {
    /// The status; 0: there was no response.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as JSON.
    pub problem: Value,
}

/// An open stream. Dropping it closes its TCP connection.
pub struct EventStream {
    /// The headers of the response.
    pub headers: HeaderMap,
    inbox: Arc<Mutex<Inbox>>,
    reading: watch::Sender<bool>,
    task: AbortHandle,
}

impl Wanted {
    /// `GET` of a path with its query.
    pub fn get(target: &str) -> Wanted {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Wanted { method: Method::GET, target: target.to_owned(), headers, body }
    }

    /// `POST` of a JSON value.
    pub fn post(target: &str, body: &Value) -> Wanted {
        let wanted = Wanted {
            method: Method::POST,
            body: body.to_string().into_bytes().into(),
            ..Wanted::get(target)
        };
        wanted.with("content-type", "application/json")
    }

    /// The same, with a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Wanted {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header");
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    /// The same, without a header.
    #[must_use]
    pub fn without(mut self, name: &'static str) -> Wanted {
        self.headers.remove(name);
        self
    }

    /// The same, by another method.
    #[must_use]
    pub fn by(mut self, method: &str) -> Wanted {
        self.method = Method::from_bytes(method.as_bytes()).expect("a method");
        self
    }

    /// Opens the stream at this relay.
    pub fn open(self, relay: SocketAddr) -> Result<EventStream, Box<Refused>> {
        runtime().block_on(async {
            let answer = tokio::time::timeout(ANSWER_WITHIN, self.answer(relay)).await;
            let refused = |status, headers, problem| Box::new(Refused { status, headers, problem });
            let none = || refused(0, HeaderMap::new(), Value::Null);
            let (response, serving) = answer.ok().flatten().ok_or_else(none)?;
            let status = response.status().as_u16();
            let (head, body) = response.into_parts();
            if status != 200 {
                let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                let problem = serde_json::from_slice(&body).unwrap_or_default();
                serving.abort();
                return Err(refused(status, head.headers, problem));
            }
            let inbox = Arc::new(Mutex::new(Inbox::default()));
            let (reading, hold) = watch::channel(true);
            let task = tokio::spawn(read(body, hold, inbox.clone(), Guard(serving)));
            Ok(EventStream { headers: head.headers, inbox, reading, task: task.abort_handle() })
        })
    }

    async fn answer(self, relay: SocketAddr) -> Option<(Response<Incoming>, AbortHandle)> {
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.target)
            .body(Full::new(self.body))
            .ok()?;
        *request.headers_mut() = self.headers;
        let host = HeaderValue::from_str(&relay.to_string()).ok()?;
        request.headers_mut().entry("host").or_insert(host);
        let socket = TcpStream::connect(relay).await.ok()?;
        let mut http = hyper::client::conn::http1::Builder::new();
        // Little, so that a reader who stops is noticed.
        http.max_buf_size(16 << 10);
        let (mut sender, connection) = http.handshake(TokioIo::new(socket)).await.ok()?;
        let serving = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Some((sender.send_request(request).await.ok()?, serving))
    }
}

/// Closes the TCP connection when dropped.
struct Guard(AbortHandle);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl EventStream {
    /// What has arrived.
    ///
    /// # Panics
    /// If a block is not as `docs/asyncapi.yaml` describes it.
    #[track_caller]
    pub fn inbox(&self) -> MutexGuard<'_, Inbox> {
        let inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fault) = inbox.fault.clone() {
            drop(inbox);
            panic!("docs/asyncapi.yaml: {fault}");
        }
        inbox
    }

    /// The blocks from the position `from` on.
    pub fn blocks_from(&self, from: usize) -> Vec<Block> {
        self.inbox().blocks.get(from..).unwrap_or_default().to_vec()
    }

    /// Stops or continues reading.
    pub fn read(&self, on: bool) {
        self.reading.send_replace(on);
    }

    /// Waits for a block for which `wanted` is true, the first one that there is.
    #[track_caller]
    pub fn wait(&self, what: &str, wanted: impl Fn(&Block) -> bool) -> Block {
        eventually(what, SOON, || {
            let inbox = self.inbox();
            let found = inbox.blocks.iter().find(|block| wanted(block)).cloned();
            found.ok_or_else(|| inbox.story())
        })
    }

    /// Waits for the block of this name.
    #[track_caller]
    pub fn wait_named(&self, event: &str) -> Block {
        self.wait(&format!("the event {event}"), |block| block.event == event)
    }

    /// Waits for the message with this text.
    #[track_caller]
    pub fn wait_text(&self, text: &str) -> Block {
        let what = format!("the message {text}");
        self.wait(&what, |block| block.event == "message" && block.json["text"] == text)
    }

    /// Waits for positions that say this.
    #[track_caller]
    pub fn wait_position(&self, position: &str) -> String {
        eventually(&format!("the position {position}"), SOON, || {
            let inbox = self.inbox();
            let last = inbox.last_id.clone().unwrap_or_default();
            let is_there = last.split('&').any(|one| one == position);
            if is_there { Ok(last) } else { Err(inbox.story()) }
        })
    }

    /// Waits for the end of the stream.
    #[track_caller]
    pub fn wait_ended(&self, deadline: Duration) -> String {
        eventually("the end of the stream", deadline, || {
            let inbox = self.inbox();
            inbox.ended.clone().ok_or_else(|| inbox.story())
        })
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.task.abort();
        // A scenario that has looked at other things fails too.
        if !std::thread::panicking() {
            drop(self.inbox());
        }
    }
}

async fn read(
    mut body: Incoming,
    mut reading: watch::Receiver<bool>,
    inbox: Arc<Mutex<Inbox>>,
    _serving: Guard,
) {
    let mut text = Text::default();
    let end = loop {
        let hold = !*reading.borrow_and_update();
        tokio::select! {
            changed = reading.changed() => if changed.is_err() {
                return;
            },
            frame = body.frame(), if !hold => match frame {
                Some(Ok(frame)) => {
                    let piece = frame.into_data().unwrap_or_default();
                    text.feed(&piece, &mut inbox.lock().unwrap_or_else(PoisonError::into_inner));
                }
                Some(Err(error)) => break error.to_string(),
                None => break "end".to_owned(),
            },
        }
    };
    inbox.lock().unwrap_or_else(PoisonError::into_inner).ended = Some(end);
}

/// The text of a stream, as far as it has arrived.
#[derive(Default)]
struct Text {
    line: Vec<u8>,
    after_cr: bool,
    event: String,
    data: Option<String>,
    id: Option<String>,
}

impl Text {
    fn feed(&mut self, bytes: &[u8], inbox: &mut Inbox) {
        for &byte in bytes {
            let ends = match byte {
                b'\n' => !std::mem::take(&mut self.after_cr),
                b'\r' => {
                    self.after_cr = true;
                    true
                }
                byte => {
                    self.after_cr = false;
                    self.line.push(byte);
                    false
                }
            };
            if ends {
                let line = std::mem::take(&mut self.line);
                self.take(&String::from_utf8(line).expect("UTF-8"), inbox);
            }
        }
    }

    fn take(&mut self, line: &str, inbox: &mut Inbox) {
        inbox.lines.push(line.to_owned());
        if line.is_empty() {
            return self.dispatch(inbox);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => inbox.comments += 1,
            "event" => self.event = value.to_owned(),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "retry" => inbox.retry_ms = value.parse().ok(),
            other => panic!("the field {other} in a stream of events"),
        }
    }

    fn dispatch(&mut self, inbox: &mut Inbox) {
        let (event, data, id) = (std::mem::take(&mut self.event), self.data.take(), self.id.take());
        if data.is_none() && id.is_none() {
            return;
        }
        if let Some(id) = &id {
            inbox.last_id = Some(id.clone());
        }
        let json = data.as_deref().and_then(|data| serde_json::from_str(data).ok());
        let event = if event.is_empty() { "message".to_owned() } else { event };
        let (json, at) = (json.unwrap_or_default(), Instant::now());
        if let Some(data) = &data
            && let Err(fault) = check(&event, &json)
        {
            inbox.fault.get_or_insert(format!("{fault}\nthe block {event}: {data:.2000}"));
        }
        inbox.blocks.push(Block { event, data, json, id, at });
    }
}

/// Compares a block with `docs/asyncapi.yaml`.
fn check(event: &str, json: &Value) -> Result<(), String> {
    let contract = Contract::of(Channel::Stream);
    if event == "close" {
        return contract.check("StreamClose", json).map(drop);
    }
    let kind = json["type"].as_str().unwrap_or_default();
    let name = if NAMED.contains(&kind) { kind } else { "message" };
    if name != event {
        return Err(format!("a block with a frame {kind} is named {name}"));
    }
    contract.describe(json).map(drop)
}
