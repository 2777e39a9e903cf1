//! The events of one room that the receiver does not have yet.
//!
//! The one idea: a refused batch is split by sending less next time, not by cutting the batch up. A
//! room whose events were refused together with others is sent alone; if that is refused, event by
//! event, until those of the refused batch are through. So an order can never be broken by a split,
//! and what is refused alone is always the first event of its room.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::batch::{Batch, Event};

/// The wait after the first refusal of an event alone; each further one doubles it.
pub(super) const WAIT_FIRST: Duration = Duration::from_secs(1);
/// The longest wait that is not the receiver's own.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(60);

/// How much of a room one batch may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    /// What fits, beside events of other rooms.
    Shared,
    /// What fits, without events of other rooms.
    Room,
    /// One event, for as many events as the refused batch had.
    Event { left: usize },
}

/// The events of one room. The first ones may be on their way.
#[derive(Debug)]
pub(super) struct RoomQueue {
    events: VecDeque<Event>,
    width: Width,
    /// Refusals of the first event alone, in a row.
    refusals: u32,
    /// When the first of them was.
    refused_since: Option<Instant>,
}

/// What a refusal leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Less is sent, at once.
    Narrower,
    /// The same event is sent again after this time.
    Wait(Duration),
    /// The event has been refused alone for too long.
    GiveUp(Event),
}

impl RoomQueue {
    pub(super) fn new() -> RoomQueue {
        RoomQueue {
            events: VecDeque::new(),
            width: Width::Shared,
            refusals: 0,
            refused_since: None,
        }
    }

    pub(super) fn push(&mut self, events: impl IntoIterator<Item = Event>) {
        self.events.extend(events);
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// Drops all events but the first, and returns it.
    pub(super) fn keep_first(&mut self) -> Option<&Event> {
        self.events.truncate(1);
        self.events.front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Whether its events may stand beside those of other rooms.
    pub(super) fn is_shared(&self) -> bool {
        self.width == Width::Shared
    }

    /// Adds the first events to a batch, as many as may and fit. Returns how many.
    pub(super) fn fill(&self, batch: &mut Batch) -> usize {
        let most = if matches!(self.width, Width::Event { .. }) { 1 } else { self.events.len() };
        self.events.iter().take(most).take_while(|event| batch.add(event)).count()
    }

    /// The first `count` events are with the receiver, or given up. Returns the last one.
    pub(super) fn through(&mut self, count: usize) -> Option<Event> {
        self.width = match self.width {
            Width::Event { left } if left > count => Width::Event { left: left - count },
            _ => Width::Shared,
        };
        (self.refusals, self.refused_since) = (0, None);
        self.events.drain(..count.min(self.events.len())).next_back()
    }

    /// A batch with the first `count` events was refused, with or without events of other rooms.
    pub(super) fn refused(
        &mut self,
        count: usize,
        with_others: bool,
        give_up: Duration,
        now: Instant,
    ) -> Next {
        if with_others {
            self.width = Width::Room;
            return Next::Narrower;
        }
        if count > 1 {
            self.width = Width::Event { left: count };
            return Next::Narrower;
        }
        let since = *self.refused_since.get_or_insert(now);
        if now.duration_since(since) >= give_up
            && let Some(event) = self.events.front()
        {
            return Next::GiveUp(event.clone());
        }
        let wait = doubled(self.refusals);
        self.refusals = self.refusals.saturating_add(1);
        Next::Wait(wait)
    }
}

/// The wait after so many failures before: 1, 2, 4 … 60 seconds.
pub(super) fn doubled(before: u32) -> Duration {
    // OK because six doublings are beyond the longest wait.
    (WAIT_FIRST * 2u32.pow(before.min(6))).min(WAIT_MAX)
}
