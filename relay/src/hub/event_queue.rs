//! The queue between the task that reads events from Redis and the one that dispatches them.
//!
//! Events are dispatched once everything that arrived with them has been read: a room that receives
//! ten events at once then writes once to each socket. The reading task dispatches some itself, and
//! leaves what is more to a task of its own. One task at a time dispatches, so the order is kept. The
//! queue is bounded in bytes: when it is full, the reading task dispatches before it reads on.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;
use tokio::sync::Notify;

use crate::client::frame::{self, Frame};
use crate::room::{Arrived, Room};

/// The queue is full beyond this many bytes.
const BYTES_MAX: usize = 1 << 20;
/// Events taken at a time, so that other tasks can run in between.
pub(super) const TAKE_MAX: usize = 64;

/// One event as it arrived.
pub(super) struct QueuedEvent {
    /// The room on whose channel it arrived.
    pub room: Arc<Room>,
    frame: Frame,
}

impl QueuedEvent {
    /// The event. None: the module has not made this event.
    pub(super) fn read(&self) -> Option<Arrived<'_>> {
        std::str::from_utf8(frame::payload(&self.frame)).ok()?;
        Arrived::read(&self.frame)
    }
}

/// The queue.
#[derive(Default)]
pub(super) struct EventQueue {
    waiting: Mutex<Waiting>,
    /// Held while events are dispatched.
    turn: Mutex<()>,
    /// Notified when events are left to the waiting task.
    left: Notify,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<QueuedEvent>,
    bytes: usize,
}

impl EventQueue {
    /// Appends an event. False: the queue is full.
    #[must_use]
    pub(super) fn push(&self, room: Arc<Room>, payload: &[u8]) -> bool {
        let frame = frame::text(payload);
        let mut waiting = self.waiting.lock();
        waiting.bytes += frame.len();
        waiting.events.push_back(QueuedEvent { room, frame });
        waiting.bytes <= BYTES_MAX
    }

    /// Leaves what is in the queue to the task that waits.
    pub(super) fn wake(&self) {
        self.left.notify_one();
    }

    /// Returns once events are left in the queue. For one task only.
    pub(super) async fn wait(&self) {
        self.left.notified().await;
    }

    /// Takes some events and dispatches them; no other task does so meanwhile. Returns how many
    /// there were.
    pub(super) fn take(&self, dispatch: impl FnOnce(&[QueuedEvent])) -> usize {
        let turn = self.turn.lock();
        self.take_in_turn(turn, dispatch)
    }

    /// Like [`EventQueue::take`]. None: another task dispatches now; nothing was taken.
    pub(super) fn try_take(&self, dispatch: impl FnOnce(&[QueuedEvent])) -> Option<usize> {
        let turn = self.turn.try_lock()?;
        Some(self.take_in_turn(turn, dispatch))
    }

    fn take_in_turn(
        &self,
        _turn: MutexGuard<'_, ()>,
        dispatch: impl FnOnce(&[QueuedEvent]),
    ) -> usize {
        let events: SmallVec<[QueuedEvent; 4]> = {
            let mut waiting = self.waiting.lock();
            let count = waiting.events.len().min(TAKE_MAX);
            let events: SmallVec<_> = waiting.events.drain(..count).collect();
            let bytes = |event: &QueuedEvent| event.frame.len();
            waiting.bytes -= events.iter().map(bytes).sum::<usize>();
            events
        };
        if !events.is_empty() {
            dispatch(&events);
        }
        events.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(n: u64) -> Vec<u8> {
        format!(r#"{{"last":"{n}-{n}","room":"r","type":"signal","ts":1}}"#).into_bytes()
    }

    #[tokio::test]
    async fn events_are_taken_once_and_in_order() {
        let (event_queue, room) =
            (Arc::new(EventQueue::default()), Arc::new(Room::new("r".into())));
        let all = 10 * TAKE_MAX as u64;
        let putting = tokio::spawn({
            let (event_queue, room) = (event_queue.clone(), room.clone());
            async move {
                for n in 0..all {
                    assert!(event_queue.push(room.clone(), &payload(n)));
                    event_queue.wake();
                    if n % 7 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            }
        });
        let mut seen = 0;
        while seen < all {
            let taken = event_queue.take(|events| {
                for event in events {
                    let event = event.read().expect("an event");
                    assert_eq!(event.head.bytes(), payload(seen));
                    seen += 1;
                }
            });
            assert!(taken <= TAKE_MAX);
            if taken == 0 {
                event_queue.wait().await;
            }
        }
        putting.await.expect("all put");
        assert_eq!(event_queue.take(|_| unreachable!("empty")), 0);
    }

    #[test]
    fn who_finds_another_dispatching_takes_nothing() {
        let (event_queue, room) = (EventQueue::default(), Arc::new(Room::new("r".into())));
        assert!(event_queue.push(room, &payload(1)));
        event_queue.take(|_| assert_eq!(event_queue.try_take(|_| unreachable!("busy")), None));
        assert_eq!(event_queue.try_take(|_| unreachable!("empty")), Some(0));
    }

    #[test]
    fn it_says_when_it_is_full() {
        let (event_queue, room) = (EventQueue::default(), Arc::new(Room::new("r".into())));
        assert!(event_queue.push(room.clone(), &vec![0; BYTES_MAX - 10]));
        assert!(!event_queue.push(room.clone(), &[0]));
        assert_eq!(
            event_queue.take(|events| assert!(events.iter().all(|event| event.read().is_none()))),
            2
        );
        assert!(event_queue.push(room, &[0]), "there is room again");
    }
}
