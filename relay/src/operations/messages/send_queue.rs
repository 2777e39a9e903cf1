//! The waiting sends of one connection.
//!
//! The sends to one room wait in a lane, in order. Each lane is submitted by a task of its own, so
//! that a send never waits for another room, whose node may be away.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use serde_json::value::RawValue;
use tracing::Span;

use crate::client::frame::Frame;
use crate::operations::messages::judgement::Judgement;
use crate::upstream::Command;

/// The most waiting sends of one connection.
const SENDS_MAX: usize = 64;

/// The sends of one connection that wait for Redis. A list, as there are few lanes, and mostly none.
#[derive(Default)]
pub(in crate::operations) struct SendQueue {
    lanes: Vec<Lane>,
}

/// The sends to one room, in order. There is at least one.
struct Lane {
    room: String,
    waiting: VecDeque<Arc<PendingSend>>,
}

/// What became of a send that was to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::operations) enum Queued {
    /// It is the first one of its lane: the caller starts a task that submits the lane.
    First,
    /// It waits behind others.
    Behind,
    /// Too many wait: it does not.
    Full,
}

impl SendQueue {
    /// Whether no send to this room waits.
    pub(in crate::operations) fn is_free(&self, room: &str) -> bool {
        !self.lanes.iter().any(|lane| lane.room == room)
    }

    /// Whether no more sends may wait.
    fn is_full(&self) -> bool {
        self.lanes.iter().map(|lane| lane.waiting.len()).sum::<usize>() >= SENDS_MAX
    }

    /// Appends a send to the lane of its room.
    #[must_use]
    pub(in crate::operations) fn push(&mut self, send: Arc<PendingSend>) -> Queued {
        if self.is_full() {
            return Queued::Full;
        }
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.room == send.room) {
            lane.waiting.push_back(send);
            return Queued::Behind;
        }
        self.lanes.push(Lane { room: send.room.clone(), waiting: VecDeque::from([send]) });
        Queued::First
    }

    /// The first send of the room's lane. It stays there until [`SendQueue::pop`].
    pub(in crate::operations) fn first(&self, room: &str) -> Option<Arc<PendingSend>> {
        let lane = self.lanes.iter().find(|lane| lane.room == room)?;
        lane.waiting.front().cloned()
    }

    /// Removes the first send of the room's lane. The last one takes the lane with it.
    pub(in crate::operations) fn pop(&mut self, room: &str) {
        let Some(index) = self.lanes.iter().position(|lane| lane.room == room) else { return };
        if let Some(lane) = self.lanes.get_mut(index) {
            lane.waiting.pop_front();
            if lane.waiting.is_empty() {
                self.remove(index);
            }
        }
    }

    /// Removes the room's lane. Returns how many sends were in it.
    pub(in crate::operations) fn remove_lane(&mut self, room: &str) -> usize {
        let index = self.lanes.iter().position(|lane| lane.room == room);
        index.map_or(0, |index| self.remove(index))
    }

    fn remove(&mut self, index: usize) -> usize {
        let lane = self.lanes.swap_remove(index);
        if self.lanes.is_empty() {
            self.lanes = Vec::new();
        }
        lane.waiting.len()
    }
}

/// A message that is being submitted.
pub(in crate::operations) struct PendingSend {
    pub(in crate::operations) reference: Box<RawValue>,
    pub(in crate::operations) room: String,
    pub(in crate::operations) command: Command,
    /// What a service has to judge, and has judged. `None`: there is no service.
    pub(in crate::operations) judged: Option<Judgement>,
    pub(in crate::operations) mentions: Vec<String>,
    pub(in crate::operations) nonce: String,
    /// When it was requested.
    pub(in crate::operations) begun: Instant,
    /// The span of its request, with the trace that it belongs to.
    pub(in crate::operations) span: Span,
    /// The last time at which it may be submitted.
    pub(in crate::operations) until: Instant,
    /// The frame that shows it to this relay's clients while it waits (`--offline local`).
    pub(in crate::operations) local_frame: Option<Frame>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::commands;

    fn send(room: &str, nonce: usize) -> Arc<PendingSend> {
        Arc::new(PendingSend {
            reference: RawValue::NULL.to_owned(),
            room: room.to_owned(),
            command: commands::online(room),
            judged: None,
            mentions: Vec::new(),
            nonce: nonce.to_string(),
            begun: Instant::now(),
            span: Span::none(),
            until: Instant::now(),
            local_frame: None,
        })
    }

    #[test]
    fn each_room_has_a_lane_of_its_own_in_order() {
        let mut queue = SendQueue::default();
        let pushes = [("a", Queued::First), ("b", Queued::First), ("a", Queued::Behind)];
        for (nonce, (room, expected)) in pushes.into_iter().enumerate() {
            assert_eq!(queue.push(send(room, nonce)), expected, "{nonce}");
        }
        let first = |queue: &SendQueue, room| queue.first(room).map(|send| send.nonce.clone());
        assert_eq!(first(&queue, "a").as_deref(), Some("0"));
        queue.pop("a");
        assert_eq!(first(&queue, "a").as_deref(), Some("2"));
        assert_eq!(first(&queue, "b").as_deref(), Some("1"));
        queue.pop("a");
        assert!(queue.is_free("a") && !queue.is_free("b"));
        queue.pop("a");
        assert_eq!((first(&queue, "a"), queue.remove_lane("b")), (None, 1));
        assert!(queue.is_free("b") && queue.remove_lane("b") == 0);
        assert_eq!(queue.push(send("a", 3)), Queued::First, "a new task is needed");
    }

    #[test]
    fn all_lanes_together_are_bounded() {
        let mut queue = SendQueue::default();
        for nonce in 0..SENDS_MAX {
            assert_ne!(queue.push(send(["a", "b", "c"][nonce % 3], nonce)), Queued::Full);
        }
        for room in ["a", "d"] {
            assert_eq!(queue.push(send(room, 99)), Queued::Full, "{room}");
        }
        assert!(queue.is_free("d"), "nothing of it stays");
        queue.pop("b");
        assert_eq!(queue.push(send("d", 99)), Queued::First);
    }
}
