//! What clients know of the state of Redis: the frame `upstream`.
//!
//! One state is about all rooms, and is what works of Redis as a whole. Rooms whose node differs
//! from that are exceptions, and the connections in them are told. A frame about all rooms ends all
//! exceptions before it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::client::frame::Frame;
use crate::client::relay_frame::RelayFrame;
use crate::upstream::{Overview, State};

/// The state of Redis, or of a room's node, in the words of the frame `upstream`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum UpstreamStatus {
    #[default]
    Back,
    WritesRefused,
    Away,
}

impl UpstreamStatus {
    /// The state of all rooms: what works anywhere.
    pub(super) fn of(overview: &Overview) -> UpstreamStatus {
        match (overview.readable_slots(), overview.open_slots()) {
            (0, _) => UpstreamStatus::Away,
            (_, 0) => UpstreamStatus::WritesRefused,
            _ => UpstreamStatus::Back,
        }
    }

    /// The state of the rooms of one node.
    pub(super) fn of_node(state: &State) -> UpstreamStatus {
        match state {
            State::Open => UpstreamStatus::Back,
            State::WritesRefused(_) => UpstreamStatus::WritesRefused,
            State::Unavailable(_) => UpstreamStatus::Away,
        }
    }

    fn word(self) -> &'static str {
        match self {
            UpstreamStatus::Back => "back",
            UpstreamStatus::WritesRefused => "writes_refused",
            UpstreamStatus::Away => "away",
        }
    }

    /// The frame about these rooms, or about all if none is named.
    pub(super) fn frame(self, rooms: &[&str]) -> Frame {
        RelayFrame::Upstream { state: self.word(), rooms }.encode()
    }
}

/// What clients were last told.
#[derive(Default)]
pub(super) struct Told(Mutex<Statuses>);

/// The state of all rooms, and the rooms that differ from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Statuses {
    pub(super) whole: UpstreamStatus,
    pub(super) exceptions: HashMap<Arc<str>, UpstreamStatus>,
}

impl Statuses {
    /// What is to be told after `before`: the state of all rooms, if that has changed, and rooms
    /// with their states.
    pub(super) fn since(
        &self,
        before: &Statuses,
    ) -> (Option<UpstreamStatus>, Vec<(Arc<str>, UpstreamStatus)>) {
        let whole = (self.whole != before.whole).then_some(self.whole);
        let known = |room: &str| match whole {
            Some(whole) => whole,
            None => before.exceptions.get(room).copied().unwrap_or(before.whole),
        };
        let new = self.exceptions.iter().map(|(room, status)| (room, *status));
        let over = before.exceptions.keys().filter(|room| !self.exceptions.contains_key(*room));
        let all = new.chain(over.map(|room| (room, self.whole)));
        let rooms = all.filter(|(room, status)| known(room) != *status);
        (whole, rooms.map(|(room, status)| (room.clone(), status)).collect())
    }
}

impl Told {
    /// All of it.
    pub(super) fn get(&self) -> Statuses {
        self.0.lock().clone()
    }

    /// The state of all rooms.
    pub(super) fn whole(&self) -> UpstreamStatus {
        self.0.lock().whole
    }

    /// The state of this room, if it differs from that of all.
    pub(super) fn exception(&self, room: &str) -> Option<UpstreamStatus> {
        self.0.lock().exceptions.get(room).copied()
    }

    pub(super) fn set(&self, statuses: Statuses) {
        *self.0.lock() = statuses;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_what_differs_from_what_they_know() {
        use UpstreamStatus::{Away, Back, WritesRefused};
        let statuses = |whole, exceptions: &[(&str, UpstreamStatus)]| Statuses {
            whole,
            exceptions: exceptions.iter().map(|(room, status)| ((*room).into(), *status)).collect(),
        };
        let (well, all_away) = (statuses(Back, &[]), statuses(Away, &[]));
        let a_away = statuses(Back, &[("a", Away)]);
        let b_away = statuses(Back, &[("b", Away)]);
        let a_refuses = statuses(Back, &[("a", WritesRefused)]);
        type Row<'a> =
            (&'a Statuses, &'a Statuses, Option<UpstreamStatus>, &'a [(&'a str, UpstreamStatus)]);
        let rows: &[Row<'_>] = &[
            (&well, &well, None, &[]),
            (&well, &a_away, None, &[("a", Away)]),
            (&a_away, &a_away, None, &[]),
            (&a_away, &a_refuses, None, &[("a", WritesRefused)]),
            (&a_away, &b_away, None, &[("a", Back), ("b", Away)]),
            (&a_away, &well, None, &[("a", Back)]),
            (&a_away, &all_away, Some(Away), &[]),
            (&all_away, &a_away, Some(Back), &[("a", Away)]),
            (&all_away, &well, Some(Back), &[]),
        ];
        for (before, after, whole, rooms) in rows {
            let (told_whole, mut told) = after.since(before);
            told.sort_by(|(one, _), (other, _)| one.cmp(other));
            let told: Vec<_> = told.iter().map(|(room, status)| (&**room, *status)).collect();
            assert_eq!((told_whole, &*told), (*whole, *rooms), "{before:?} to {after:?}");
        }
    }
}
