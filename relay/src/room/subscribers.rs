//! The connections that receive a room's events.
//!
//! They are sorted by connection number, as new connections mostly come last. A frame is shared,
//! never copied. A subscriber may be ahead of the room: then it skips events until the room reaches
//! exactly its position. If the room passes that position without meeting the id, the subscriber
//! has events of another history and is removed.

use std::sync::Arc;

use chat_protocol::event_header::{EventHeader, Place};
use chat_protocol::id::Id;
use smallvec::SmallVec;

use crate::client::connection::Connection;
use crate::client::frame::{self, Frame};
use crate::client::outbox::Class;
use crate::metrics::METRICS;
use crate::room::batch::EncodedBatch;

/// Connections with queued frames that must be flushed.
pub(crate) type PendingFlush = SmallVec<[Arc<Connection>; 16]>;

/// All subscribers of one room.
#[derive(Default)]
pub(crate) struct Subscribers(Vec<Subscriber>);

/// One subscriber.
pub(crate) struct Subscriber {
    connection: Arc<Connection>,
    /// The subscriber's position, if it is ahead of the room.
    pub ahead: Option<Id>,
    /// Guests see no presence. Kept here, so that a delivery does not load it from the connection.
    is_guest: bool,
    /// The connection watches patterns of rooms too: it may have got an event already.
    is_watching: bool,
}

impl Subscribers {
    /// Whether there are no subscribers.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All connections.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.0.iter().map(|subscriber| &subscriber.connection)
    }

    /// Whether this connection is a subscriber.
    pub(crate) fn contains(&self, connection: &Connection) -> bool {
        self.find(connection.number).is_ok()
    }

    /// Adds a connection, or replaces it. `ahead`: its position, if the room has not reached it
    /// yet.
    pub(crate) fn attach(&mut self, connection: &Arc<Connection>, ahead: Option<Id>) {
        let (is_guest, is_watching) = (connection.is_guest(), connection.is_watching());
        let connection = connection.clone();
        let subscriber = Subscriber { connection, ahead, is_guest, is_watching };
        match self.find(subscriber.connection.number) {
            Ok(index) => self.0[index] = subscriber,
            Err(index) => {
                // Most rooms are personal ones, with one subscriber.
                if self.0.is_empty() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(index, subscriber);
            }
        }
    }

    /// The connection watches patterns of rooms from now on.
    pub(crate) fn note_watching(&mut self, connection: &Connection) {
        if let Ok(index) = self.find(connection.number) {
            self.0[index].is_watching = true;
        }
    }

    /// Removes a connection. None: it was no subscriber.
    pub(crate) fn remove(&mut self, connection: &Connection) -> Option<Subscriber> {
        let removed = self.0.remove(self.find(connection.number).ok()?);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        Some(removed)
    }

    /// Removes and returns the connections for which `pick` is true, each with its position if it
    /// is ahead of the room.
    pub(crate) fn remove_where(
        &mut self,
        pick: impl Fn(&Connection) -> bool,
    ) -> Vec<(Arc<Connection>, Option<Id>)> {
        let gone = self.0.extract_if(.., |subscriber| pick(&subscriber.connection));
        let gone = gone.map(|subscriber| (subscriber.connection, subscriber.ahead)).collect();
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        gone
    }

    /// Treats every subscriber as being at the room's position.
    pub(crate) fn forget_positions(&mut self) {
        for subscriber in &mut self.0 {
            subscriber.ahead = None;
        }
    }

    /// Queues durable events for every subscriber that does not have them yet. Removes and returns
    /// the subscribers that turn out to have another history.
    pub(crate) fn deliver(
        &mut self,
        room: &Arc<str>,
        events: &EncodedBatch,
        pending_flush: &mut PendingFlush,
    ) -> Vec<Arc<Connection>> {
        let mut count = 0;
        let mut diverged = Vec::new();
        self.0.retain_mut(|subscriber| {
            if subscriber.ahead.is_none() && !subscriber.is_watching {
                count += events.count();
                queue(&subscriber.connection, events.whole(), Class::Live, pending_flush);
                return true;
            }
            for (id, frame) in events.iter() {
                match subscriber.ahead {
                    None => {
                        let connection = &subscriber.connection;
                        count +=
                            usize::from(queue_once(connection, room, id, &frame, pending_flush));
                    }
                    Some(position) if id.n < position.n => {}
                    Some(position) if id == position => subscriber.ahead = None,
                    Some(_) => {
                        diverged.push(subscriber.connection.clone());
                        return false;
                    }
                }
            }
            true
        });
        METRICS.events_delivered.increment(count as u64);
        diverged
    }

    /// This user's connections that are not ahead of the room.
    pub(crate) fn not_ahead(&self, user: &str) -> Vec<Arc<Connection>> {
        let of_user = self.0.iter().filter(|subscriber| *subscriber.connection.user == *user);
        let of_user = of_user.filter(|subscriber| subscriber.ahead.is_none());
        of_user.map(|subscriber| subscriber.connection.clone()).collect()
    }

    /// Removes and returns the connections that are ahead of the room.
    pub(crate) fn remove_ahead(&mut self) -> Vec<Arc<Connection>> {
        let ahead = self.0.extract_if(.., |subscriber| subscriber.ahead.is_some());
        ahead.map(|subscriber| subscriber.connection).collect()
    }

    /// Queues an ephemeral event for the subscribers for which `pick` is true.
    pub(crate) fn queue_ephemeral(
        &self,
        frame: &Frame,
        pick: impl Fn(&Connection) -> bool,
        pending_flush: &mut PendingFlush,
    ) {
        let mut count = 0;
        for subscriber in &self.0 {
            if pick(&subscriber.connection) {
                count += 1;
                queue(&subscriber.connection, frame, Class::Ephemeral, pending_flush);
            }
        }
        METRICS.events_delivered.increment(count);
    }

    /// Queues a frame about presence for all subscribers but guests.
    pub(crate) fn queue_presence(
        &self,
        frame: &Frame,
        class: Class,
        pending_flush: &mut PendingFlush,
    ) {
        let mut count = 0;
        for subscriber in self.0.iter().filter(|subscriber| !subscriber.is_guest) {
            count += 1;
            queue(&subscriber.connection, frame, class, pending_flush);
        }
        METRICS.events_delivered.increment(count);
    }

    /// All connections but those of guests.
    pub(crate) fn users(&self) -> impl Iterator<Item = &Arc<Connection>> {
        let users = self.0.iter().filter(|subscriber| !subscriber.is_guest);
        users.map(|subscriber| &subscriber.connection)
    }

    /// Queues a frame for all subscribers; none may miss it.
    pub(crate) fn queue_live(&self, frame: &Frame, pending_flush: &mut PendingFlush) {
        for subscriber in &self.0 {
            queue(&subscriber.connection, frame, Class::Live, pending_flush);
        }
    }

    fn find(&self, number: u64) -> Result<usize, usize> {
        self.0.binary_search_by_key(&number, |subscriber| subscriber.connection.number)
    }
}

/// Queues a frame for one connection, and notes it if it must be flushed.
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

/// Queues a durable event for a connection that may have got it already, because it watches. False:
/// it has.
fn queue_once(
    connection: &Arc<Connection>,
    room: &Arc<str>,
    id: Id,
    frame: &Frame,
    pending_flush: &mut PendingFlush,
) -> bool {
    let queued = connection.push_once(room, id, frame.clone());
    if queued == Some(true) {
        pending_flush.push(connection.clone());
    }
    queued.is_some()
}

/// Queues a durable event that a connection missed while it was joining or paused.
pub(crate) fn queue_missed(
    connection: &Arc<Connection>,
    room: &Arc<str>,
    frame: &Frame,
    pending_flush: &mut PendingFlush,
) {
    let place = || EventHeader::parse(frame::payload(frame)).map(|header| header.place);
    match connection.is_watching().then(place).flatten() {
        Some(Place::Durable { id, .. }) => {
            queue_once(connection, room, id, frame, pending_flush);
        }
        _ => queue(connection, frame, Class::Live, pending_flush),
    }
}
