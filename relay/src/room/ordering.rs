//! The delivery rule of one room on this relay, as pure logic.
//!
//! The one idea: an event goes out only if its `prev` is the last id that went out. Anything else,
//! whether it sorts before or after, waits for one `CHAT.SYNC` from that last id, whose answer
//! decides. Recovered: its events are delivered, and what had waited when the question was asked
//! is settled: it was among them, or a duplicate, or an event of a past that the room no longer
//! knows. Refused: the past of this relay and that of the room differ, everybody starts anew.
//!
//! No event is dropped because of how its id sorts. The ids that a sync or page has just brought
//! are remembered, exactly, until the channel has caught up, so that their late twins cost no
//! second sync.
//!
//! This file does no I/O and knows no connections: it says what to deliver and when to ask.

use std::collections::VecDeque;

use chat_protocol::id::Id;

/// EncodedBatch that may wait for one sync, and their bytes. What finds no place is fetched later.
const WAITING_EVENTS: usize = 1024;
const WAITING_BYTES: usize = 1 << 20;
/// Ids remembered against late twins.
const RECENT_IDS: usize = 1024;

/// What to do with an event that has just come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Deliver it now.
    Deliver,
    /// It has been delivered already.
    Duplicate,
    /// It waits; an answer is on its way.
    Waits,
    /// It waits; ask now.
    WaitsForSync,
}

/// What the answer to a sync brings.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settled<F> {
    /// To deliver, in order.
    pub deliver: Vec<(Id, F)>,
    /// Ask again: there is more, or something new does not fit.
    pub again: bool,
}

/// What `CHAT.BEAT`'s newest id says about our position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// Nothing is known to be missing.
    UpToDate,
    /// The room is behind what we had seen when we asked: its past changed. Sync now.
    WentBack,
    /// The room is ahead; if it still is in a second, sync.
    Ahead,
}

#[derive(Debug)]
struct Waiting<F> {
    id: Id,
    prev: Id,
    size: usize,
    frame: F,
}

/// The position of one room and what waits to continue it.
#[derive(Debug)]
pub(super) struct EventOrder<F> {
    last: Option<Id>,
    syncing: bool,
    waiting: VecDeque<Waiting<F>>,
    waiting_bytes: usize,
    /// How many of `waiting` were there when the running sync was sent.
    asked: usize,
    /// An event found no place in `waiting`.
    overflowed: bool,
    /// Greatest `last` heard since the running sync was sent.
    heard: Option<Id>,
    recent: VecDeque<Id>,
}

impl<F> Default for EventOrder<F> {
    fn default() -> Self {
        EventOrder {
            last: None,
            syncing: false,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            asked: 0,
            overflowed: false,
            heard: None,
            recent: VecDeque::new(),
        }
    }
}

impl<F> EventOrder<F> {
    /// Id of the last event delivered; None: no position yet, everything waits.
    pub(super) fn last(&self) -> Option<Id> {
        self.last
    }

    /// Whether a sync is running.
    pub(super) fn is_syncing(&self) -> bool {
        self.syncing
    }

    /// A durable event has come from the channel. `frame` makes its bytes if they must wait.
    pub(super) fn durable(
        &mut self,
        id: Id,
        prev: Id,
        size: usize,
        frame: impl FnOnce() -> F,
    ) -> Verdict {
        let Some(last) = self.last else {
            self.wait(id, prev, size, frame());
            return Verdict::Waits;
        };
        if self.syncing {
            self.wait(id, prev, size, frame());
            return Verdict::Waits;
        }
        if prev == last {
            self.last = Some(id);
            // The channel keeps its order: no twin of anything earlier can follow.
            self.recent.clear();
            return Verdict::Deliver;
        }
        if id == last || self.recent.contains(&id) {
            return Verdict::Duplicate;
        }
        self.wait(id, prev, size, frame());
        Verdict::WaitsForSync
    }

    /// An ephemeral event says that `newest` was the newest id; true: ask now.
    pub(super) fn note_newest(&mut self, newest: Id) -> bool {
        let Some(last) = self.last else { return false };
        if self.syncing {
            self.heard = self.heard.max(Some(newest));
            return false;
        }
        newest > last
    }

    /// Compares the newest id that `CHAT.BEAT` answered with the position at the time it was sent.
    pub(super) fn compare(&self, at_sending: Id, newest: Id) -> Compared {
        match self.last {
            _ if self.syncing => Compared::UpToDate,
            Some(_) if newest < at_sending => Compared::WentBack,
            Some(last) if newest > last => Compared::Ahead,
            _ => Compared::UpToDate,
        }
    }

    /// A sync is about to be sent; returns the id to ask from. None: it would be of no use, one is
    /// running or there is no position.
    pub(super) fn begin_sync(&mut self) -> Option<Id> {
        let last = self.last.filter(|_| !self.syncing)?;
        self.syncing = true;
        self.note_asked();
        Some(last)
    }

    /// The next page of the running sync is about to be sent; returns the id to ask from.
    pub(super) fn continue_sync(&mut self) -> Option<Id> {
        let last = self.last.filter(|_| self.syncing)?;
        self.note_asked();
        Some(last)
    }

    fn note_asked(&mut self) {
        self.asked = self.waiting.len();
        self.overflowed = false;
        self.heard = None;
    }

    /// The sync answered `recovered` with these events after the position asked from. With `more`
    /// the sync goes on: call [`EventOrder::continue_sync`].
    pub(super) fn recovered(
        &mut self,
        events: impl IntoIterator<Item = (Id, F)>,
        more: bool,
    ) -> Settled<F> {
        let mut deliver = Vec::new();
        for (id, frame) in events {
            if Some(id) > self.last {
                self.last = Some(id);
                self.remember(id);
                deliver.push((id, frame));
            }
        }
        if more {
            return Settled { deliver, again: true };
        }
        self.syncing = false;
        self.drop_asked();
        let again = self.settle(&mut deliver);
        Settled { deliver, again }
    }

    /// The sync was refused and `newest` is where everybody starts anew.
    pub(super) fn reloaded(&mut self, newest: Id) -> Settled<F> {
        self.recent.clear();
        self.last = Some(newest);
        self.remember(newest);
        self.syncing = false;
        self.drop_asked();
        let mut deliver = Vec::new();
        let again = self.settle(&mut deliver);
        Settled { deliver, again }
    }

    /// The sync got no answer; what waits goes on waiting for the next one.
    pub(super) fn sync_failed(&mut self) {
        self.syncing = false;
    }

    /// The first position: a page or sync for one connection ended at `newest`. `known` are ids
    /// that the page holds. Does nothing if there is a position already.
    pub(super) fn start_at(
        &mut self,
        newest: Id,
        known: impl IntoIterator<Item = Id>,
    ) -> Settled<F> {
        let mut deliver = Vec::new();
        if self.last.is_some() {
            return Settled { deliver, again: false };
        }
        self.last = Some(newest);
        for id in known {
            self.remember(id);
        }
        self.remember(newest);
        let again = self.settle(&mut deliver);
        Settled { deliver, again }
    }

    fn wait(&mut self, id: Id, prev: Id, size: usize, frame: F) {
        if self.waiting.len() >= WAITING_EVENTS || self.waiting_bytes + size > WAITING_BYTES {
            self.overflowed = true;
            return;
        }
        self.waiting_bytes += size;
        self.waiting.push_back(Waiting { id, prev, size, frame });
    }

    fn take_waiting(&mut self) -> Option<Waiting<F>> {
        let first = self.waiting.pop_front()?;
        self.waiting_bytes -= first.size;
        Some(first)
    }

    /// What waited when the question was asked is settled by the answer.
    fn drop_asked(&mut self) {
        for _ in 0..std::mem::take(&mut self.asked) {
            self.take_waiting();
        }
    }

    /// Delivers what continues the position; true: something is left that does not.
    fn settle(&mut self, deliver: &mut Vec<(Id, F)>) -> bool {
        while let Some(front) = self.waiting.front() {
            let continues = Some(front.prev) == self.last;
            let twin = Some(front.id) == self.last || self.recent.contains(&front.id);
            if !continues && !twin {
                break;
            }
            let Some(front) = self.take_waiting() else { break };
            if continues {
                self.last = Some(front.id);
                self.recent.clear();
                deliver.push((front.id, front.frame));
            }
        }
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
        let heard_ahead = self.heard.take() > self.last;
        !self.waiting.is_empty() || std::mem::take(&mut self.overflowed) || heard_ahead
    }

    fn remember(&mut self, id: Id) {
        if self.recent.len() == RECENT_IDS {
            self.recent.pop_front();
        }
        self.recent.push_back(id);
    }
}

#[cfg(test)]
mod tests;
