//! Taking messages out of the outbox of a connection without a socket
//! ([`Connection::detached`]).
//!
//! One task drains a connection. It gets each message without its WebSocket header, in the order in
//! which a socket would have carried them; the bytes stay shared. A message that was taken no longer
//! counts towards the bound of the outbox, so the caller takes one when its client accepts more.

use std::sync::Arc;

use crate::client::connection::Connection;
use crate::client::frame::{self, Frame, Payload};

/// The messages that wait for one connection.
pub(crate) struct Payloads {
    connection: Arc<Connection>,
    /// The rest of a frame that holds several messages.
    taken: Frame,
    /// The end of the connection was noticed: what is taken now is the close frame.
    has_ended: bool,
}

impl Payloads {
    /// The messages of this connection, which nobody else drains.
    pub(crate) fn of(connection: Arc<Connection>) -> Payloads {
        Payloads { connection, taken: Frame::new(), has_ended: false }
    }

    /// The next message, if one waits.
    pub(crate) fn take(&mut self) -> Option<Payload> {
        // After its end a connection sends nothing but the close frame.
        if !self.has_ended && self.connection.ended().is_some() {
            self.has_ended = true;
            self.taken.clear();
        }
        loop {
            if let Some(payload) = frame::take_payload(&mut self.taken) {
                return Some(payload);
            }
            self.taken = self.connection.take_frame()?;
        }
    }

    /// Waits for the next message. `None`: the connection has ended, and nothing waits any more. If
    /// the future is dropped, no message is lost.
    pub(crate) async fn next(&mut self) -> Option<Payload> {
        loop {
            let has_ended = self.connection.ended().is_some();
            let taken = self.take();
            if taken.is_some() || has_ended {
                return taken;
            }
            self.connection.wake.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use chat_protocol::close_code;

    use super::*;
    use crate::client::connection::End;
    use crate::client::outbox::Class;

    fn detached(limit: usize) -> (Arc<Connection>, Payloads) {
        let connection = Arc::new(Connection::detached(1, "c".into(), "alice".into(), limit));
        (connection.clone(), Payloads::of(connection))
    }

    fn text(text: &str) -> Option<Payload> {
        Some(Payload::Text(text.to_owned().into()))
    }

    #[tokio::test]
    async fn messages_come_one_by_one_and_the_reason_of_the_end_last() {
        let (connection, mut payloads) = detached(1000);
        assert_eq!(payloads.take(), None);
        let batch = [frame::text(b"a"), frame::text(b"b")].concat();
        assert!(connection.push(batch.into(), Class::Live), "it must be flushed");
        connection.cork();
        connection.send_text("d");
        connection.uncork("c");
        for expected in ["a", "b", "c", "d"] {
            assert_eq!(payloads.next().await, text(expected));
        }
        assert_eq!(connection.waiting_bytes(), 0);
        connection.send_text("dropped");
        connection.end(End::Close(close_code::DRAIN));
        connection.send_text("too late");
        let Some(Payload::Close(4001, reason)) = payloads.next().await else {
            panic!("not the close frame")
        };
        assert!(reason.starts_with(br#"{"reason":"drain""#), "{reason:?}");
        assert_eq!(payloads.next().await, None);
    }

    #[tokio::test]
    async fn what_is_queued_wakes_the_task_that_drains() {
        let (connection, mut payloads) = detached(1000);
        let next = tokio::spawn(async move { (payloads.next().await, payloads.next().await) });
        tokio::task::yield_now().await;
        let must_flush = connection.push(frame::text(b"a"), Class::Live);
        assert!(must_flush && !connection.push(frame::text(b"b"), Class::Live), "once");
        connection.flush();
        assert_eq!(next.await.expect("no panic"), (text("a"), text("b")));
    }

    #[tokio::test]
    async fn a_reader_that_is_too_slow_is_closed_and_one_that_reads_is_not() {
        let (connection, mut payloads) = detached(100);
        for _ in 0..20 {
            assert!(connection.push(frame::text(&[b'a'; 58]), Class::Live));
            connection.flush();
            assert!(matches!(payloads.next().await, Some(Payload::Text(_))));
        }
        for _ in 0..20 {
            let _ = connection.push(frame::text(&[b'a'; 58]), Class::Live);
        }
        assert_eq!(connection.ended(), None, "it has not had its turn yet");
        while payloads.take().is_some() {}
        connection.set_blocked(true);
        let ephemeral = || {
            let before = connection.waiting_bytes();
            let _ = connection.push(frame::text(&[b'e'; 38]), Class::Ephemeral);
            connection.waiting_bytes() > before
        };
        assert!(ephemeral() && !ephemeral(), "over half of the outbox none is queued");
        for _ in 0..2 {
            let _ = connection.push(frame::text(&[b'a'; 58]), Class::Live);
        }
        assert_eq!(connection.ended(), Some(End::Close(close_code::SLOW)));
        assert!(matches!(payloads.next().await, Some(Payload::Close(4002, _))));
        assert_eq!(payloads.next().await, None);
    }

    #[tokio::test]
    async fn the_rest_of_a_batch_is_dropped_at_the_end() {
        let (connection, mut payloads) = detached(1000);
        let _ =
            connection.push([frame::text(b"a"), frame::text(b"b")].concat().into(), Class::Live);
        assert_eq!(payloads.take(), text("a"));
        connection.end(End::Lost);
        assert_eq!(payloads.next().await, None);
    }
}
