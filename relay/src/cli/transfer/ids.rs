//! Which message of the room has become of a message of the file, for replies to it.
//!
//! Only hashes of the file's names are kept: the names of the newest half a million messages take some 60 MB.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;

use chat_protocol::id::Id;

/// Messages to which replies are found: the newest ones of the room.
const KEPT_MAX: usize = 500_000;

/// The messages of a room.
#[derive(Debug)]
pub(super) struct Ids {
    /// `None`: it is sent, and not answered yet.
    found: HashMap<u64, Option<Id>>,
    order: VecDeque<u64>,
    most: usize,
    hasher: RandomState,
}

/// What is known of the message of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// The room never had it, or no longer.
    Nothing,
    /// It is on its way.
    Sent,
    /// It is stored under this id.
    Stored(Id),
}

impl Default for Ids {
    fn default() -> Ids {
        let (found, order, hasher) = (HashMap::new(), VecDeque::new(), RandomState::new());
        Ids { found, order, most: KEPT_MAX, hasher }
    }
}

impl Ids {
    /// The room keeps so many messages: replies to older ones are refused.
    pub(super) fn keep(&mut self, most: u64) {
        self.most = usize::try_from(most).unwrap_or(KEPT_MAX).min(KEPT_MAX);
    }

    /// Notes that the message of this name is sent. Returns what [`Ids::stored`] takes.
    pub(super) fn sent(&mut self, name: &str) -> u64 {
        let key = self.hasher.hash_one(name);
        self.found.insert(key, None);
        self.order.push_back(key);
        while self.order.len() > self.most {
            if let Some(oldest) = self.order.pop_front() {
                self.found.remove(&oldest);
            }
        }
        key
    }

    /// Notes that it is stored, or that it is not kept.
    pub(super) fn stored(&mut self, key: u64, id: Option<Id>) {
        match (id, self.found.get_mut(&key)) {
            (Some(id), Some(found)) => *found = Some(id),
            (None, Some(_)) => drop(self.found.remove(&key)),
            (_, None) => {}
        }
    }

    /// The message of this name.
    pub(super) fn of(&self, name: &str) -> Known {
        match self.found.get(&self.hasher.hash_one(name)) {
            None => Known::Nothing,
            Some(None) => Known::Sent,
            Some(Some(id)) => Known::Stored(*id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_messages_are_found_by_their_names() {
        let mut ids = Ids::default();
        ids.keep(2);
        let id = |n| Id { ms: 1, n };
        assert_eq!(ids.of("a"), Known::Nothing);
        let a = ids.sent("a");
        assert_eq!(ids.of("a"), Known::Sent);
        ids.stored(a, Some(id(1)));
        assert_eq!(ids.of("a"), Known::Stored(id(1)));
        let (b, c) = (ids.sent("b"), ids.sent("c"));
        ids.stored(b, None);
        ids.stored(c, Some(id(3)));
        assert_eq!([ids.of("a"), ids.of("b")], [Known::Nothing; 2], "not kept");
        assert_eq!(ids.of("c"), Known::Stored(id(3)));
        ids.stored(a, Some(id(1)));
        assert_eq!(ids.of("a"), Known::Nothing, "answered too late");
        assert_eq!(ids.found.len(), 1);
    }
}
