//! The client side of a WebSocket for scenarios that are plain threads: a task owns the socket,
//! every frame it receives is kept. Frames of a relay are compared with `docs/asyncapi.yaml`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::asyncapi::Exchange;

/// Frames handed to the socket's task that it has not sent yet.
const OUTBOX: usize = 4096;
const HANDSHAKE: Duration = Duration::from_secs(20);

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A relay: replies have a `ref`.
    Relay,
    /// A browser's DevTools: replies have an `id`.
    Browser,
}

/// A text frame and its JSON.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The payload's bytes.
    pub text: String,
    /// The payload parsed as JSON.
    pub json: Value,
    /// The name of the schema that describes it; empty for a browser's.
    pub schema: &'static str,
}

/// How a connection was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The close code; 1006 if the socket ended without one.
    pub code: u16,
    /// The close reason or the error.
    pub reason: String,
}

/// All that arrived on one socket.
#[derive(Default)]
pub struct Inbox {
    /// Text frames in order.
    pub frames: Vec<Frame>,
    /// Positions in `frames` of the replies, by the number of the request.
    pub answers: HashMap<u64, usize>,
    /// How it was closed, if it was.
    pub closed: Option<Close>,
    /// The first frame that is not as `docs/asyncapi.yaml` describes it, and why not.
    fault: Option<String>,
}

/// One socket.
pub struct Frames {
    outbox: mpsc::Sender<Message>,
    inbox: Arc<Mutex<Inbox>>,
    reading: watch::Sender<bool>,
}

impl Frames {
    /// Opens `url` at `address`. The error is the HTTP status, or 0 if there was no HTTP response.
    pub fn open(
        address: SocketAddr,
        request: impl IntoClientRequest + Send + Unpin + 'static,
        peer: Peer,
    ) -> Result<Frames, u16> {
        let inbox = Arc::new(Mutex::new(Inbox::default()));
        let (outbox, queue) = mpsc::channel(OUTBOX);
        let (reading, hold) = watch::channel(true);
        let socket = runtime().block_on(async {
            let handshake = async {
                let stream = TcpStream::connect(address).await.map_err(|_| 0_u16)?;
                stream.set_nodelay(true).map_err(|_| 0_u16)?;
                let config = WebSocketConfig::default()
                    .read_buffer_size(4096)
                    .max_message_size(None)
                    .max_frame_size(None);
                match client_async_with_config(request, stream, Some(config)).await {
                    Ok((socket, _)) => Ok(socket),
                    Err(Error::Http(response)) => Err(response.status().as_u16()),
                    Err(_) => Err(0),
                }
            };
            tokio::time::timeout(HANDSHAKE, handshake).await.unwrap_or(Err(0))
        })?;
        runtime().spawn(serve(socket, queue, hold, Arc::clone(&inbox), peer));
        Ok(Frames { outbox, inbox, reading })
    }

    /// Sends a frame; nothing happens on a closed socket.
    pub fn send(&self, message: Message) {
        // The receiver is gone when the socket is closed, which `inbox` records.
        let _ = self.outbox.blocking_send(message);
    }

    /// What has arrived.
    ///
    /// # Panics
    /// If a frame of a relay is not as `docs/asyncapi.yaml` describes it.
    #[track_caller]
    pub fn inbox(&self) -> MutexGuard<'_, Inbox> {
        let inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fault) = inbox.fault.clone() {
            drop(inbox);
            panic!("docs/asyncapi.yaml: {fault}");
        }
        inbox
    }

    /// Stops or continues reading from the socket; while stopped, no pong is sent either.
    pub fn read(&self, on: bool) {
        self.reading.send_replace(on);
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        // A scenario that has looked at other things fails too.
        if !std::thread::panicking() {
            drop(self.inbox());
        }
    }
}

async fn serve(
    socket: WebSocketStream<TcpStream>,
    mut queue: mpsc::Receiver<Message>,
    mut reading: watch::Receiver<bool>,
    inbox: Arc<Mutex<Inbox>>,
    peer: Peer,
) {
    let mut exchange = (peer == Peer::Relay).then(Exchange::new);
    let answers = if peer == Peer::Relay { "ref" } else { "id" };
    let (mut sink, mut stream) = socket.split();
    let close = loop {
        let hold = !*reading.borrow_and_update();
        tokio::select! {
            message = queue.recv() => match message {
                // An error also appears on the reading side.
                Some(message) => {
                    if let (Some(exchange), Message::Text(text)) = (&mut exchange, &message) {
                        exchange.sent(text);
                    }
                    drop(sink.send(message).await);
                }
                // The owner was dropped.
                None => break Close { code: 1006, reason: "dropped".into() },
            },
            changed = reading.changed() => if changed.is_err() {
                break Close { code: 1006, reason: "dropped".into() };
            },
            message = stream.next(), if !hold => match message {
                Some(Ok(Message::Text(text))) => {
                    let text = text.as_str().to_owned();
                    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
                    let checked = exchange.as_mut().map(|exchange| exchange.received(&json));
                    let mut inbox = inbox.lock().unwrap_or_else(PoisonError::into_inner);
                    let place = inbox.frames.len();
                    let schema = match checked {
                        Some(Ok(schema)) => schema,
                        Some(Err(fault)) => {
                            inbox.fault.get_or_insert(format!("{fault}\nthe frame: {text:.2000}"));
                            ""
                        }
                        None => "",
                    };
                    if let Some(number) = json[answers].as_u64() {
                        inbox.answers.insert(number, place);
                    }
                    inbox.frames.push(Frame { text, json, schema });
                }
                Some(Ok(Message::Close(frame))) => break match frame {
                    Some(frame) => Close {
                        code: frame.code.into(),
                        reason: frame.reason.as_str().to_owned(),
                    },
                    None => Close { code: 1005, reason: String::new() },
                },
                Some(Ok(_)) => {}
                Some(Err(error)) => break Close { code: 1006, reason: error.to_string() },
                None => break Close { code: 1006, reason: "ended".into() },
            },
        }
    };
    let fault = exchange.and_then(|exchange| exchange.closed(close.code, &close.reason).err());
    {
        let mut inbox = inbox.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fault) = fault {
            inbox.fault.get_or_insert(format!("{fault}\nthe close frame: {close:?}"));
        }
        inbox.closed = Some(close);
    }
    // Answers the peer's close frame.
    let _ = sink.close().await;
}

/// The runtime of all sockets and proxies of this process.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().expect("a runtime")
    })
}
