//! What faults did to those who used the relays meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// Which losses are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing acknowledged may be missing.
    Nothing,
    /// Acknowledged messages may be lost (asynchronous disk or replica, a deleted room, an older
    /// copy) if every reader of the room is told to reload.
    Reported,
}

/// Effects of the faults on senders and readers.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// New connections after a lost one.
    pub reconnects: usize,
    /// Rooms that readers had to reload.
    pub reloads: usize,
    /// Events `drop` that readers received.
    pub drops: usize,
    /// Acknowledged messages that the rooms no longer hold.
    pub lost: usize,
    /// The rooms that no longer hold something that was acknowledged or delivered.
    pub rooms_that_lost: BTreeSet<String>,
    /// The rooms that a reader had to reload.
    pub rooms_reloaded: BTreeSet<String>,
    /// Operations that were answered with `UNAVAILABLE`.
    pub refusals: Refusals,
    /// The longest time from a send to its acknowledgement.
    pub slowest: Slowest,
}

/// What was refused.
#[derive(Clone, Default)]
pub struct Refusals(pub Vec<String>);

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.0.len(), &self.0[..self.0.len().min(10)])
    }
}

/// The longest time of each room.
#[derive(Clone, Default)]
pub struct Slowest(BTreeMap<String, Duration>);

impl Slowest {
    /// Counts one.
    pub fn count(&mut self, room: &str, took: Duration) {
        let longest = self.0.entry(room.to_owned()).or_default();
        *longest = took.max(*longest);
    }

    /// Counts all of `other` too.
    pub fn add(&mut self, other: &Slowest) {
        other.0.iter().for_each(|(room, took)| self.count(room, *took));
    }

    /// Of all rooms.
    pub fn of_all(&self) -> Duration {
        self.0.values().copied().max().unwrap_or_default()
    }

    /// Of the rooms for which `wanted` is true.
    pub fn of(&self, wanted: impl Fn(&str) -> bool) -> Duration {
        let wanted = self.0.iter().filter(|(room, _)| wanted(room));
        wanted.map(|(_, took)| *took).max().unwrap_or_default()
    }
}

impl fmt::Debug for Slowest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = self.0.iter().max_by_key(|(_, took)| **took);
        write!(f, "{longest:.3?} of {} rooms", self.0.len())
    }
}
