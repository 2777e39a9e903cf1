//! A plain subscriber of room channels: what any client of Redis receives.

use std::time::Duration;

use crate::clients::listener::Listener;
use crate::clients::reply::Reply;
use crate::clients::wire::Wire;
use crate::servers::redis::Redis;
use crate::wait::{SOON, eventually, never};

/// Collects the messages of the channels it subscribed to (`SSUBSCRIBE`), in order.
pub struct Subscriber {
    messages: Listener<(String, String)>,
    taken: usize,
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
        Subscriber { messages: Listener::on(wire, message), taken: 0 }
    }

    /// All messages so far as channel and text.
    pub fn all(&self) -> Vec<(String, String)> {
        self.messages.all()
    }

    /// The next message that was not yet returned.
    #[track_caller]
    pub fn next_text(&mut self) -> String {
        let message = eventually("a published event", SOON, || {
            let all = self.all();
            all.get(self.taken).cloned().ok_or_else(|| format!("{} before it", all.len()))
        });
        self.taken += 1;
        message.1
    }

    /// The next message of `kind` (its `type`) that was not yet returned.
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

    /// Checks that nothing more arrives for `span`.
    #[track_caller]
    pub fn silent(&self, span: Duration) {
        never("a published event", span, || match &self.all()[self.taken..] {
            [] => Ok(()),
            more => Err(format!("{more:?}")),
        });
    }
}

/// Channel and text of a message.
fn message(reply: &Reply) -> Option<(String, String)> {
    let Reply::List(parts) = reply else { return None };
    let is_message = parts[0].bytes() == b"smessage";
    is_message.then(|| (parts[1].text().to_owned(), parts[2].text().to_owned()))
}
