//! The connections that receive a room, and handing the same bytes to all of them.
//!
//! Kept sorted by connection number: newcomers mostly come last. A frame is shared, never copied.
//! A receiver placed ahead of the room skips what it has, until the room comes by at exactly the
//! id where it stands. If the room takes another way, the receiver has seen a past that is lost.

use std::sync::Arc;

use chat_protocol::id::Id;

use crate::client::connection::Connection;
use crate::client::frame::Frame;
use crate::client::outbox::Class;
use crate::metrics::METRICS;
use crate::room::batch::EncodedBatch;

/// Connections with something to write.
pub(crate) type PendingFlush = Vec<Arc<Connection>>;

/// All receivers of one room.
#[derive(Default)]
pub(crate) struct Subscribers(Vec<Subscriber>);

/// One of them.
pub(crate) struct Subscriber {
    connection: Arc<Connection>,
    /// It is ahead of the room and has already what comes up to here.
    pub ahead: Option<Id>,
}

impl Subscribers {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All connections.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.0.iter().map(|receiver| &receiver.connection)
    }

    /// Whether this connection is one of them.
    pub(crate) fn contains(&self, connection: &Connection) -> bool {
        self.find(connection.number).is_ok()
    }

    /// Adds a connection, or sets it anew. `ahead`: where it stands, if the room is not there yet.
    pub(crate) fn attach(&mut self, connection: &Arc<Connection>, ahead: Option<Id>) {
        let receiver = Subscriber { connection: connection.clone(), ahead };
        match self.find(connection.number) {
            Ok(index) => self.0[index] = receiver,
            Err(index) => self.0.insert(index, receiver),
        }
    }

    /// Removes a connection, if it was one of them.
    pub(crate) fn remove(&mut self, connection: &Connection) -> Option<Subscriber> {
        let removed = self.0.remove(self.find(connection.number).ok()?);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        Some(removed)
    }

    /// Removes and returns the connections for which `whom` is true, each with where it stands if it
    /// is ahead of the room.
    pub(crate) fn remove_where(
        &mut self,
        whom: impl Fn(&Connection) -> bool,
    ) -> Vec<(Arc<Connection>, Option<Id>)> {
        let gone = self.0.extract_if(.., |receiver| whom(&receiver.connection));
        let gone = gone.map(|receiver| (receiver.connection, receiver.ahead)).collect();
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        gone
    }

    /// Everybody starts anew: nobody is ahead of the room any more.
    pub(crate) fn forget_positions(&mut self) {
        for receiver in &mut self.0 {
            receiver.ahead = None;
        }
    }

    /// Queues durable events for all who do not have them. Removes and returns those who turn out to
    /// have seen another past.
    pub(crate) fn deliver(
        &mut self,
        events: &EncodedBatch,
        pending_flush: &mut PendingFlush,
    ) -> Vec<Arc<Connection>> {
        let mut count = 0;
        let mut diverged = Vec::new();
        self.0.retain_mut(|receiver| {
            if receiver.ahead.is_none() {
                count += events.count();
                queue(&receiver.connection, events.whole(), Class::Live, pending_flush);
                return true;
            }
            for (id, frame) in events.iter() {
                match receiver.ahead {
                    None => {
                        count += 1;
                        queue(&receiver.connection, &frame, Class::Live, pending_flush);
                    }
                    Some(stands) if id.n < stands.n => {}
                    Some(stands) if id == stands => receiver.ahead = None,
                    Some(_) => {
                        diverged.push(receiver.connection.clone());
                        return false;
                    }
                }
            }
            true
        });
        METRICS.events_delivered.increment(count as u64);
        diverged
    }

    /// The connections of this user that stand where the room does.
    pub(crate) fn not_ahead(&self, user: &str) -> Vec<Arc<Connection>> {
        let theirs = self.0.iter().filter(|receiver| *receiver.connection.user == *user);
        let theirs = theirs.filter(|receiver| receiver.ahead.is_none());
        theirs.map(|receiver| receiver.connection.clone()).collect()
    }

    /// Removes and returns those who are ahead of the room.
    pub(crate) fn remove_ahead(&mut self) -> Vec<Arc<Connection>> {
        let ahead = self.0.extract_if(.., |receiver| receiver.ahead.is_some());
        ahead.map(|receiver| receiver.connection).collect()
    }

    /// Queues an ephemeral event for all but the connections of `except`.
    pub(crate) fn queue_ephemeral(
        &self,
        frame: &Frame,
        except: Option<&str>,
        pending_flush: &mut PendingFlush,
    ) {
        let mut count = 0;
        for receiver in &self.0 {
            if except != Some(&*receiver.connection.user) {
                count += 1;
                queue(&receiver.connection, frame, Class::Ephemeral, pending_flush);
            }
        }
        METRICS.events_delivered.increment(count);
    }

    /// Queues a frame that nobody may miss for all.
    pub(crate) fn queue_live(&self, frame: &Frame, pending_flush: &mut PendingFlush) {
        for receiver in &self.0 {
            queue(&receiver.connection, frame, Class::Live, pending_flush);
        }
    }

    fn find(&self, number: u64) -> Result<usize, usize> {
        self.0.binary_search_by_key(&number, |receiver| receiver.connection.number)
    }
}

/// Queues a frame for one connection.
pub(crate) fn queue(
    connection: &Arc<Connection>,
    frame: &Frame,
    class: Class,
    pending_flush: &mut PendingFlush,
) {
    if connection.push(frame.clone(), class) {
        pending_flush.push(connection.clone());
    }
}
