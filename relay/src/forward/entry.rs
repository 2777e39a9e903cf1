//! What is written: one entry per event, and one where something was lost or a room is gone.

use chat_protocol::event_header::{EventHeader, Place};
use chat_protocol::id::Id;

/// What is written to the sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The room.
    pub(super) room: String,
    /// The type of the event, or `lost`, `gone`.
    pub(super) kind: String,
    /// The id of the event. Of a `lost` entry: what was known before.
    pub(super) id: Id,
    /// The event as the module has written it.
    pub(super) event: Option<Vec<u8>>,
}

impl Entry {
    /// An event of a room. `None`: it is no durable event.
    pub(super) fn of_event(room: &str, event: Vec<u8>) -> Option<Entry> {
        let header = EventHeader::parse(&event)?;
        let Place::Durable { id, .. } = header.place else { return None };
        let kind = header.kind.to_owned();
        Some(Entry { room: room.to_owned(), kind, id, event: Some(event) })
    }

    /// Events between `after` and what follows in this room are lost, or were trimmed.
    pub(super) fn lost(room: &str, after: Id) -> Entry {
        Entry { room: room.to_owned(), kind: "lost".to_owned(), id: after, event: None }
    }

    /// The room is gone; `last` is the last event that was read.
    pub(super) fn gone(room: &str, last: Id) -> Entry {
        Entry { room: room.to_owned(), kind: "gone".to_owned(), id: last, event: None }
    }

    /// Whether it is an event that was imported from elsewhere.
    pub(super) fn is_imported(&self) -> bool {
        let header = self.event.as_deref().and_then(EventHeader::parse);
        header.is_some_and(|header| header.raw("imported") == Some(b"true"))
    }

    /// When it happened, milliseconds since the epoch.
    pub(super) fn ts(&self) -> Option<u64> {
        EventHeader::parse(self.event.as_deref()?)?.ts
    }

    /// Bytes that it takes, about.
    pub(super) fn size(&self) -> usize {
        64 + self.room.len() + self.event.as_ref().map_or(0, Vec::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_apart_and_others_left_out() {
        let event = br#"{"id":"20-2","prev":"20-1","room":"a","type":"edit","ts":21,"user":"x"}"#;
        let entry = Entry::of_event("a", event.to_vec()).expect("an entry");
        let expected = ("edit", Id { ms: 20, n: 2 }, Some(21), false);
        assert_eq!((&*entry.kind, entry.id, entry.ts(), entry.is_imported()), expected);
        let old =
            br#"{"id":"20-2","prev":"20-1","room":"a","type":"message","ts":2,"imported":true}"#;
        assert!(Entry::of_event("a", old.to_vec()).expect("an entry").is_imported());
        let ephemeral = br#"{"last":"20-2","room":"a","type":"signal","ts":21,"user":"x"}"#;
        assert_eq!(Entry::of_event("a", ephemeral.to_vec()), None);
        assert_eq!(Entry::of_event("a", b"no event".to_vec()), None);
    }
}
