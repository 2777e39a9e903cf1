//! A plain subscriber of room channels: what any client of Redis would see.

use std::net::Shutdown;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::redis::Redis;
use crate::reply::Reply;
use crate::wait::{SOON, eventually, never};
use crate::wire::Wire;

/// Collects the messages of the channels it subscribed to (`SSUBSCRIBE`), in order.
pub struct Subscriber {
    seen: Arc<Mutex<Vec<(String, String)>>>,
    taken: usize,
    socket: std::net::TcpStream,
    reader: Option<JoinHandle<()>>,
}

impl Subscriber {
    /// Subscribes; returns when the server has confirmed every room.
    #[track_caller]
    pub fn new(redis: &Redis, rooms: &[&str]) -> Subscriber {
        Subscriber::on(redis.wire(), rooms)
    }

    /// As [`Subscriber::new`], on a connection that was prepared (AUTH, HELLO).
    #[track_caller]
    pub fn on(mut wire: Wire, rooms: &[&str]) -> Subscriber {
        for room in rooms {
            let reply = wire.call(&["SSUBSCRIBE", room]).ok();
            assert_eq!(reply.list()[0].text(), "ssubscribe");
        }
        let socket = wire.socket().try_clone().expect("a second handle");
        socket.set_read_timeout(None).expect("a socket option");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let reader = std::thread::spawn({
            let seen = Arc::clone(&seen);
            move || {
                while let Ok(reply) = wire.receive() {
                    let Reply::List(parts) = reply else { continue };
                    if parts[0].bytes() == b"smessage" {
                        let message = (parts[1].text().to_owned(), parts[2].text().to_owned());
                        seen.lock().unwrap_or_else(PoisonError::into_inner).push(message);
                    }
                }
            }
        });
        Subscriber { seen, taken: 0, socket, reader: Some(reader) }
    }

    /// All messages so far as channel and text.
    pub fn all(&self) -> Vec<(String, String)> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next message not yet taken.
    #[track_caller]
    pub fn next_text(&mut self) -> String {
        let message = eventually("a published event", SOON, || {
            let all = self.all();
            all.get(self.taken).cloned().ok_or_else(|| format!("{} before it", all.len()))
        });
        self.taken += 1;
        message.1
    }

    /// The next message not yet taken that is of `kind` (its `type`).
    #[track_caller]
    pub fn next_of(&mut self, kind: &str) -> serde_json::Value {
        loop {
            let text = self.next_text();
            let event: serde_json::Value =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            if event["type"] == kind {
                return event;
            }
        }
    }

    /// Checks that nothing more comes for `span`.
    #[track_caller]
    pub fn silent(&self, span: Duration) {
        never("a published event", span, || match &self.all()[self.taken..] {
            [] => Ok(()),
            more => Err(format!("{more:?}")),
        });
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // An error means that the server closed first.
        let _ = self.socket.shutdown(Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
