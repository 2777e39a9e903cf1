//! A batch of events that one request carries.
//!
//! The one idea: a batch is bounded in events and in bytes, and a single event always fits, so nothing
//! that a room stores can stop its queue. Which events go together is left to the queues.

use std::sync::Arc;

use bytes::Bytes;
use chat_protocol::id::Id;

use crate::webhook::place::Place;

/// The most events of one batch.
pub(crate) const EVENTS_MAX: usize = 100;
/// The most bytes of one body, except where one event alone is larger.
pub(crate) const BODY_MAX: usize = 256 * 1024;

const HEAD: &[u8] = b"{\"events\":[";
const TAIL: &[u8] = b"]}";

/// One event of a room, as it will be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// The room's name.
    pub(crate) room: Arc<str>,
    /// The event's id, `<ms>-<n>`; a word of its own where it tells of a loss.
    pub(crate) id: String,
    /// The id of the event before it in the room.
    pub(crate) after: Id,
    /// Where the room is to be read on when the receiver has the event.
    pub(crate) next: Place,
    /// The event's JSON, sent verbatim.
    pub(crate) json: Bytes,
}

/// Events that one request carries. Those of one room stand next to each other, in their order.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    events: Vec<Event>,
    /// Bytes of the events and of the commas between them.
    length: usize,
}

impl Batch {
    /// Adds an event if it still fits. The first one always does.
    pub(crate) fn add(&mut self, event: &Event) -> bool {
        let length = self.length + event.json.len() + usize::from(!self.events.is_empty());
        let is_full =
            self.events.len() == EVENTS_MAX || HEAD.len() + length + TAIL.len() > BODY_MAX;
        if is_full && !self.events.is_empty() {
            return false;
        }
        self.length = length;
        self.events.push(event.clone());
        true
    }

    /// The events, in the order in which they are sent.
    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }

    /// How many events of each room it carries.
    pub(crate) fn rooms(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        let runs = self.events.chunk_by(|one, next| one.room == next.room);
        runs.map(|run| (&run[0].room, run.len()))
    }

    /// The body of the request: `{"events":[…]}`.
    pub(crate) fn body(&self) -> Bytes {
        let mut body = Vec::with_capacity(HEAD.len() + self.length + TAIL.len());
        body.extend_from_slice(HEAD);
        for (at, event) in self.events.iter().enumerate() {
            if at > 0 {
                body.push(b',');
            }
            body.extend_from_slice(&event.json);
        }
        body.extend_from_slice(TAIL);
        body.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(room: &str, n: usize, length: usize) -> Event {
        let json = format!("\"{}\"", "x".repeat(length - 2));
        let (after, next) = (Id::ZERO, Place::At(Id::ZERO));
        Event { room: room.into(), id: format!("1-{n}"), after, next, json: json.into() }
    }

    #[test]
    fn batches_are_bounded_in_events_and_bytes() {
        // (description, lengths of the events, how many of them fit)
        let full = BODY_MAX - HEAD.len() - TAIL.len();
        let rows: &[(&str, Vec<usize>, usize)] = &[
            ("one", vec![10], 1),
            ("as many as one batch holds", vec![10; 100], 100),
            ("one more", vec![10; 101], 100),
            ("exactly the bytes of a body", vec![full - 11, 10], 2),
            ("one byte more", vec![full - 10, 10], 1),
            ("an event beyond the bound goes alone", vec![full + 1, 10], 1),
        ];
        for (description, lengths, expected) in rows {
            let mut batch = Batch::default();
            let events = lengths.iter().enumerate().map(|(n, length)| event("a", n, *length));
            let found = events.take_while(|event| batch.add(event)).count();
            assert_eq!((found, batch.events().len()), (*expected, *expected), "{description}");
            let is_bounded = batch.body().len() <= BODY_MAX;
            assert!(is_bounded || found == 1, "{description}");
            assert_eq!(batch.body().len(), HEAD.len() + batch.length + TAIL.len());
        }
    }

    #[test]
    fn the_body_is_an_object_of_the_events_verbatim() {
        let mut batch = Batch::default();
        for event in [event("a", 1, 4), event("a", 2, 4), event("b", 1, 3)] {
            assert!(batch.add(&event));
        }
        assert_eq!(batch.body(), "{\"events\":[\"xx\",\"xx\",\"x\"]}");
        let rooms: Vec<_> = batch.rooms().map(|(room, events)| (&**room, events)).collect();
        assert_eq!(rooms, [("a", 2), ("b", 1)]);
    }
}
