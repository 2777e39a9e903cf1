//! The events that a room delivered recently, recorded while connections are joining or paused.
//!
//! A joining connection whose position is exactly one of these ids receives the frames after it.
//! The record is bounded: a connection with an older position asks Redis again.

use std::collections::VecDeque;

use chat_protocol::id::Id;

use crate::client::frame::Frame;

const EVENTS_MAX: usize = 512;
const BYTES_MAX: usize = 512 << 10;

/// The frames after the position `floor` in the order of delivery, each with its id.
pub(super) struct RecentEvents {
    floor: Option<Id>,
    frames: VecDeque<(Id, Frame)>,
    bytes: usize,
}

impl RecentEvents {
    /// An empty record from this position on. None: the room has no position yet.
    pub(super) fn starting_at(floor: Option<Id>) -> RecentEvents {
        RecentEvents { floor, frames: VecDeque::new(), bytes: 0 }
    }

    /// The frames after `position`. None: the record does not know exactly this id.
    pub(super) fn after(&self, position: Id) -> Option<impl Iterator<Item = &Frame>> {
        let start = if self.floor == Some(position) {
            0
        } else {
            self.frames.iter().position(|(id, _)| *id == position)? + 1
        };
        Some(self.frames.range(start..).map(|(_, frame)| frame))
    }

    /// Appends an event that has just been delivered.
    pub(super) fn push(&mut self, id: Id, frame: Frame) {
        self.bytes += frame.len();
        self.frames.push_back((id, frame));
        while self.frames.len() > EVENTS_MAX || self.bytes > BYTES_MAX {
            let Some((id, frame)) = self.frames.pop_front() else { return };
            self.bytes -= frame.len();
            self.floor = Some(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> Id {
        Id { ms: n, n }
    }

    fn count_from(recent: &RecentEvents, position: Id) -> Option<usize> {
        recent.after(position).map(Iterator::count)
    }

    #[test]
    fn the_record_continues_exactly_the_positions_it_knows() {
        let mut recent = RecentEvents::starting_at(Some(id(5)));
        for n in 6..=8 {
            recent.push(id(n), Frame::from_static(b"x"));
        }
        let rows = [(id(5), Some(3)), (id(6), Some(2)), (id(8), Some(0)), (id(4), None)];
        for (position, expected) in rows {
            assert_eq!(count_from(&recent, position), expected, "{position}");
        }
        assert_eq!(count_from(&recent, Id { ms: 7, n: 6 }), None, "another past");
    }

    #[test]
    fn the_record_is_bounded_in_events_and_bytes() {
        let mut recent = RecentEvents::starting_at(Some(id(0)));
        for n in 1..=2000 {
            recent.push(id(n), Frame::from_static(b"x"));
        }
        assert_eq!(count_from(&recent, id(2000 - 512)), Some(512), "the floor has moved up");
        assert_eq!(count_from(&recent, id(1000)), None);
        recent.push(id(2001), Frame::from(vec![0; BYTES_MAX]));
        assert_eq!(count_from(&recent, id(2000)), Some(1));
        assert_eq!(count_from(&recent, id(1999)), None);
    }
}
