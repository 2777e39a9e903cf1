//! The queue between the task that reads events from Redis and the one that dispatches them.
//!
//! Events are dispatched once everything that arrived with them has been read: a room that receives
//! ten events at once then writes once to each socket. One task at a time dispatches, so the order
//! is kept. The queue is bounded in bytes: when it is full, the reading task must dispatch too.

use std::collections::VecDeque;
use std::sync::Arc;

use chat_protocol::event_header::EventHeader;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::room::Room;

/// The queue is full beyond this many bytes.
const BYTES_MAX: usize = 1 << 20;
/// Events taken at a time, so that other tasks can run in between.
pub(super) const TAKE_MAX: usize = 64;

/// One event as it arrived.
pub(super) struct QueuedEvent {
    /// The room on whose channel it arrived.
    pub room: Arc<Room>,
    payload: Vec<u8>,
}

impl QueuedEvent {
    /// The event's header. None: the module has not made this event.
    pub(super) fn head(&self) -> Option<EventHeader<'_>> {
        let text = std::str::from_utf8(&self.payload).ok()?;
        EventHeader::parse(text.as_bytes())
    }
}

/// The queue.
#[derive(Default)]
pub(super) struct EventQueue {
    waiting: Mutex<Waiting>,
    /// Held while events are dispatched.
    turn: Mutex<()>,
    added: Notify,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<QueuedEvent>,
    bytes: usize,
}

impl EventQueue {
    /// Appends an event. False: the queue is full.
    #[must_use]
    pub(super) fn push(&self, room: Arc<Room>, payload: Vec<u8>) -> bool {
        let mut waiting = self.waiting.lock();
        waiting.bytes += payload.len();
        waiting.events.push_back(QueuedEvent { room, payload });
        let (is_first, is_full) = (waiting.events.len() == 1, waiting.bytes > BYTES_MAX);
        drop(waiting);
        if is_first {
            self.added.notify_one();
        }
        !is_full
    }

    /// Returns once events may have been added. For one task only.
    pub(super) async fn wait(&self) {
        self.added.notified().await;
    }

    /// Takes some events and dispatches them; no other task does so meanwhile. Returns how many
    /// there were.
    pub(super) fn take(&self, dispatch: impl FnOnce(&[QueuedEvent])) -> usize {
        let _turn = self.turn.lock();
        let events: Vec<QueuedEvent> = {
            let mut waiting = self.waiting.lock();
            let count = waiting.events.len().min(TAKE_MAX);
            let events: Vec<QueuedEvent> = waiting.events.drain(..count).collect();
            waiting.bytes -= events.iter().map(|event| event.payload.len()).sum::<usize>();
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
                    assert!(event_queue.push(room.clone(), payload(n)));
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
                    assert_eq!(event.head().expect("an event").bytes(), payload(seen));
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
    fn it_says_when_it_is_full() {
        let (event_queue, room) = (EventQueue::default(), Arc::new(Room::new("r".into())));
        assert!(event_queue.push(room.clone(), vec![0; BYTES_MAX]));
        assert!(!event_queue.push(room.clone(), vec![0; 1]));
        assert_eq!(
            event_queue.take(|events| assert!(events.iter().all(|event| event.head().is_none()))),
            2
        );
        assert!(event_queue.push(room, vec![0; 1]), "there is room again");
    }
}
