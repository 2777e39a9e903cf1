//! Durable events of one room that arrive together and leave together.
//!
//! Each event is a frame of its own, but the frames lie one after the other in the same bytes, so a
//! subscriber queues all of them as one reference. An event that is alone stays as it is. A batch is
//! not a queue: it is filled and flushed while the room is locked.

use bytes::BytesMut;
use chat_protocol::id::Id;
use smallvec::SmallVec;

use crate::client::frame::Frame;

/// A longer batch is split. A slow client's outbox counts and frees bytes by whole batches.
const MOST_BYTES: usize = 16 << 10;

/// Consecutive events, in order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    ends: Ends,
    /// The frame, while it is the only one.
    only: Option<Frame>,
    /// The frames, if they are several.
    bytes: BytesMut,
}

/// Each event's id and where its frame ends.
type Ends = SmallVec<[(Id, usize); 2]>;

impl Batch {
    /// Adds an event.
    pub(super) fn add(&mut self, id: Id, frame: &Frame) {
        if self.ends.is_empty() {
            self.only = Some(frame.clone());
        } else {
            let first = self.only.take().unwrap_or_default();
            self.bytes.reserve(first.len() + frame.len());
            self.bytes.extend_from_slice(&first);
            self.bytes.extend_from_slice(frame);
        }
        self.ends.push((id, self.length() + frame.len()));
    }

    /// Bytes before the last event that was added.
    fn length(&self) -> usize {
        self.ends.last().map_or(0, |(_, end)| *end)
    }

    /// Whether this event fits. If not, the batch must be flushed first.
    pub(super) fn has_room_for(&self, frame: &Frame) -> bool {
        self.ends.is_empty() || self.length() + frame.len() <= MOST_BYTES
    }

    /// Takes all events. None: there are none.
    pub(super) fn take(&mut self) -> Option<EncodedBatch> {
        let ends = std::mem::take(&mut self.ends);
        let whole = self.only.take().unwrap_or_else(|| self.bytes.split().freeze());
        (!ends.is_empty()).then_some(EncodedBatch { ends, whole })
    }
}

/// A complete batch.
#[derive(Debug)]
pub(crate) struct EncodedBatch {
    ends: Ends,
    whole: Frame,
}

impl EncodedBatch {
    /// The number of events.
    pub(crate) fn count(&self) -> usize {
        self.ends.len()
    }

    /// All frames, one after the other.
    pub(crate) fn whole(&self) -> &Frame {
        &self.whole
    }

    /// Each event's id with its own frame.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, Frame)> {
        let mut start = 0;
        self.ends.iter().map(move |&(id, end)| {
            let frame = self.whole.slice(start..end);
            start = end;
            (id, frame)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::frame;

    fn framed(byte: u8, length: usize) -> Frame {
        frame::text(&vec![byte; length])
    }

    #[test]
    fn a_batch_is_its_frames_one_after_the_other() {
        let payloads = ["a".to_owned(), "b".repeat(300), String::new(), "c".repeat(70_000)];
        let mut batch = Batch::default();
        assert!(batch.take().is_none());
        for (n, payload) in (1..).zip(&payloads) {
            let frame = frame::text(payload.as_bytes());
            assert_eq!(batch.has_room_for(&frame), n < 4);
            batch.add(Id { ms: n, n }, &frame);
        }
        let events = batch.take().expect("four events");
        assert!(batch.take().is_none(), "it is empty again");
        assert!(batch.has_room_for(&framed(b'd', 70_000)), "a large one goes alone");
        // The smallest outbox holds a batch of several events, with their headers.
        let half = framed(b'e', MOST_BYTES / 2);
        batch.add(Id::ZERO, &half);
        assert!(!batch.has_room_for(&framed(b'e', MOST_BYTES / 2 - 4)), "two headers");
        let alone = batch.take().expect("one event");
        assert_eq!(alone.whole().as_ptr(), half.as_ptr(), "not copied");
        assert_eq!(alone.iter().collect::<Vec<_>>(), [(Id::ZERO, half)]);
        let frames: Vec<_> = events.iter().collect();
        assert_eq!((events.count(), frames.len()), (4, 4));
        for ((n, payload), (id, one)) in (1..).zip(&payloads).zip(&frames) {
            assert_eq!((*id, one), (Id { ms: n, n }, &frame::text(payload.as_bytes())));
        }
        let joined: Vec<u8> = frames.iter().flat_map(|(_, one)| one.to_vec()).collect();
        assert_eq!(events.whole()[..], joined);
    }
}
