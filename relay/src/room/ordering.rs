//! The rule that keeps a room's events in order, as pure logic.
//!
//! The one idea: an event is delivered only if its `prev` is the last delivered id. Any other event
//! waits for one `CHAT.SYNC` from that last id, whether its own id is smaller or greater. If the
//! sync recovers, its events are delivered, and the events that waited when it was sent are
//! dropped: they were among the recovered events, or duplicates, or belong to a history that the
//! room no longer has. If the sync is refused, the histories of relay and room differ, and every
//! connection reloads.
//!
//! No event is dropped because of the order of its id. The ids that a sync or a page has brought
//! are remembered exactly until the channel has caught up, so that their late duplicates do not
//! cause another sync.
//!
//! This file does no I/O and knows no connections: it decides what to deliver and when to sync.

use std::collections::VecDeque;

use chat_protocol::id::Id;

/// Bounds of the events that wait for a sync. Events beyond them are fetched later.
const WAITING_EVENTS: usize = 1024;
const WAITING_BYTES: usize = 1 << 20;
/// Number of ids remembered to recognise late duplicates.
const RECENT_IDS: usize = 1024;

/// What to do with an event that has just arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Deliver it now.
    Deliver,
    /// It has already been delivered.
    Duplicate,
    /// It waits for a sync that is in progress.
    Waits,
    /// It waits; the caller must start a sync.
    WaitsForSync,
}

/// The result of applying an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Applied<F> {
    /// The events to deliver, in order.
    pub deliver: Vec<(Id, F)>,
    /// Another sync is needed: there are more events, or a waiting event does not connect.
    pub again: bool,
}

/// How the newest id from `CHAT.BEAT` compares with our position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// No event is known to be missing.
    UpToDate,
    /// The room is behind the position that we had when we asked: its history changed. Sync now.
    WentBack,
    /// The room is ahead. If it still is after a second, sync.
    Ahead,
}

#[derive(Debug)]
struct Waiting<F> {
    id: Id,
    prev: Id,
    size: usize,
    frame: F,
}

/// The position of one room, and the events that wait.
#[derive(Debug)]
pub(super) struct EventOrder<F> {
    last: Option<Id>,
    syncing: bool,
    waiting: VecDeque<Waiting<F>>,
    waiting_bytes: usize,
    /// How many of `waiting` were there when the current sync was sent.
    asked: usize,
    /// An event did not fit into `waiting`.
    overflowed: bool,
    /// The greatest newest id seen since the current sync was sent.
    newest_seen: Option<Id>,
    /// Another sync must follow the current one, whatever it brings.
    again: bool,
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
            newest_seen: None,
            again: false,
            recent: VecDeque::new(),
        }
    }
}

impl<F> EventOrder<F> {
    /// The id of the last delivered event. None: no position yet, so every event waits.
    pub(super) fn last(&self) -> Option<Id> {
        self.last
    }

    /// Whether a sync is in progress.
    pub(super) fn is_syncing(&self) -> bool {
        self.syncing
    }

    /// Decides about a durable event from the channel. `frame` makes its bytes if it must wait.
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
            // A node's messages are ordered: no duplicate of an earlier event can follow. While a
            // room moves, the late event of the other node costs one more sync.
            self.recent.clear();
            return Verdict::Deliver;
        }
        if id == last || self.recent.contains(&id) {
            return Verdict::Duplicate;
        }
        self.wait(id, prev, size, frame());
        Verdict::WaitsForSync
    }

    /// Notes the newest id that an ephemeral event carries. Returns whether to sync now.
    pub(super) fn note_newest(&mut self, newest: Id) -> bool {
        let Some(last) = self.last else { return false };
        if self.syncing {
            self.newest_seen = self.newest_seen.max(Some(newest));
            return false;
        }
        newest > last
    }

    /// Compares the newest id from `CHAT.BEAT` with the position `at_sending`, at which the beat
    /// was sent.
    pub(super) fn compare(&self, at_sending: Id, newest: Id) -> Compared {
        match self.last {
            _ if self.syncing => Compared::UpToDate,
            Some(_) if newest < at_sending => Compared::WentBack,
            Some(last) if newest > last => Compared::Ahead,
            _ => Compared::UpToDate,
        }
    }

    /// Starts a sync and returns the id to sync from. None: no sync is possible, as one is in
    /// progress or there is no position.
    pub(super) fn begin_sync(&mut self) -> Option<Id> {
        let last = self.last.filter(|_| !self.syncing)?;
        self.syncing = true;
        self.again = false;
        self.note_asked();
        Some(last)
    }

    /// Something has happened that a sync finds out, and that the current one may not know of:
    /// another must follow it. Without a current one the caller starts one.
    pub(super) fn sync_again(&mut self) {
        self.again = self.syncing;
    }

    /// Continues the current sync with its next page and returns the id to sync from.
    pub(super) fn continue_sync(&mut self) -> Option<Id> {
        let last = self.last.filter(|_| self.syncing)?;
        self.note_asked();
        Some(last)
    }

    fn note_asked(&mut self) {
        self.asked = self.waiting.len();
        self.overflowed = false;
        self.newest_seen = None;
    }

    /// Applies a recovered answer: the events after the position that was asked from. With `more`
    /// the sync continues: call [`EventOrder::continue_sync`].
    pub(super) fn recovered(
        &mut self,
        events: impl IntoIterator<Item = (Id, F)>,
        more: bool,
    ) -> Applied<F> {
        let mut deliver = Vec::new();
        for (id, frame) in events {
            if Some(id) > self.last {
                self.last = Some(id);
                self.remember(id);
                deliver.push((id, frame));
            }
        }
        if more {
            return Applied { deliver, again: true };
        }
        self.syncing = false;
        self.drop_asked();
        let again = self.deliver_waiting(&mut deliver);
        Applied { deliver, again }
    }

    /// Applies a refused sync: every connection continues from `newest`.
    pub(super) fn reloaded(&mut self, newest: Id) -> Applied<F> {
        self.recent.clear();
        self.last = Some(newest);
        self.remember(newest);
        self.syncing = false;
        self.drop_asked();
        let mut deliver = Vec::new();
        let again = self.deliver_waiting(&mut deliver);
        Applied { deliver, again }
    }

    /// The sync got no answer. Waiting events wait for the next one.
    pub(super) fn sync_failed(&mut self) {
        self.syncing = false;
    }

    /// Sets the first position: a page or a sync for one connection ended at `newest`. `known` are
    /// the ids in that page. Does nothing if there is a position.
    pub(super) fn start_at(
        &mut self,
        newest: Id,
        known: impl IntoIterator<Item = Id>,
    ) -> Applied<F> {
        let mut deliver = Vec::new();
        if self.last.is_some() {
            return Applied { deliver, again: false };
        }
        self.last = Some(newest);
        for id in known {
            self.remember(id);
        }
        self.remember(newest);
        let again = self.deliver_waiting(&mut deliver);
        Applied { deliver, again }
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

    /// Drops the events that waited when the sync was sent: the answer holds them, or the room no
    /// longer has them.
    fn drop_asked(&mut self) {
        for _ in 0..std::mem::take(&mut self.asked) {
            self.take_waiting();
        }
    }

    /// Delivers the waiting events that connect to the position. Returns whether some remain that
    /// do not.
    fn deliver_waiting(&mut self, deliver: &mut Vec<(Id, F)>) -> bool {
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
        let newest_ahead = self.newest_seen.take() > self.last;
        let again = std::mem::take(&mut self.again) || newest_ahead;
        !self.waiting.is_empty() || std::mem::take(&mut self.overflowed) || again
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
