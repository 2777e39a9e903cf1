//! The patterns of rooms that a connection watches, and events that it may get in two ways.

use std::sync::Arc;
use std::time::Instant;

use chat_protocol::id::Id;

use super::Connection;
use super::received::Received;
use crate::client::frame::Frame;
use crate::client::outbox::Class;

impl Connection {
    /// Adds a pattern, if the connection does not watch it yet. False: it watches `most` others.
    pub(crate) fn add_pattern(&self, pattern: &Arc<str>, most: usize) -> bool {
        let mut sending = self.sending.lock();
        let received =
            sending.received.get_or_insert_with(|| Box::new(Received::new(Instant::now())));
        if received.patterns.contains(pattern) {
            return true;
        }
        let fits = received.patterns.len() < most;
        if fits {
            received.patterns.push(pattern.clone());
        }
        fits
    }

    /// Removes a pattern. False: the connection does not watch it.
    pub(crate) fn remove_pattern(&self, pattern: &str) -> bool {
        let mut sending = self.sending.lock();
        let Some(received) = &mut sending.received else { return false };
        let Some(at) = received.patterns.iter().position(|known| **known == *pattern) else {
            return false;
        };
        received.patterns.swap_remove(at);
        if received.patterns.is_empty() {
            sending.received = None;
        }
        true
    }

    /// The patterns that the connection watches.
    pub(crate) fn patterns(&self) -> Vec<Arc<str>> {
        let sending = self.sending.lock();
        let received = sending.received.as_ref();
        received.map(|received| received.patterns.clone()).unwrap_or_default()
    }

    /// Whether the connection watches any pattern.
    pub(crate) fn is_watching(&self) -> bool {
        self.sending.lock().received.is_some()
    }

    /// Queues a durable event. `None`: the connection watches and has received it already. True: the
    /// caller must call [`Connection::flush`] soon.
    #[must_use]
    pub(crate) fn push_once(&self, room: &Arc<str>, id: Id, frame: Frame) -> Option<bool> {
        let mut sending = self.sending.lock();
        let is_new = match &mut sending.received {
            Some(received) => received.note(room, id, Instant::now()),
            None => true,
        };
        is_new.then(|| self.push_to(&mut sending, frame, Class::Live))
    }
}
