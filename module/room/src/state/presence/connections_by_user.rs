//! The connections of each user, so that removing a user does not visit the connections of all
//! users.
//!
//! Most users have one connection: its number is stored with the user. Only the connections of
//! users who have several are kept in a set.

use std::collections::BTreeSet;

use crate::collections::rare::{Rare, blank};
use crate::state::numbers::UserNumber;

/// The part that is stored with a user: no connection, the only one, or that there are several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnConnections(u32);

impl OwnConnections {
    const NONE: OwnConnections = OwnConnections(0);
    const SEVERAL: OwnConnections = OwnConnections(u32::MAX);

    fn only(number: u32) -> OwnConnections {
        OwnConnections(number + 1)
    }

    fn number(self) -> Option<u32> {
        if self == OwnConnections::SEVERAL { None } else { self.0.checked_sub(1) }
    }
}

/// The connections of users who have several, by user and number.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionsByUser(Rare<Set>);

type Set = BTreeSet<(UserNumber, u32)>;
blank!(Set);

impl ConnectionsByUser {
    /// Adds connection `number` to those of `user`.
    pub(crate) fn add(&mut self, user: UserNumber, own: &mut OwnConnections, number: u32) {
        if *own == OwnConnections::NONE {
            *own = OwnConnections::only(number);
            return;
        }
        self.0.extend(own.number().map(|other| (user, other)));
        self.0.insert((user, number));
        *own = OwnConnections::SEVERAL;
    }

    /// Removes connection `number` from those of `user`.
    pub(crate) fn remove(&mut self, user: UserNumber, own: &mut OwnConnections, number: u32) {
        if *own != OwnConnections::SEVERAL {
            *own = OwnConnections::NONE;
            return;
        }
        self.0.remove(&(user, number));
        let mut left = self.range(user);
        if let (Some(only), None) = (left.next(), left.next()) {
            drop(left);
            self.0.remove(&(user, only));
            *own = OwnConnections::only(only);
        }
    }

    /// Changes the number of a connection of `user`.
    pub(crate) fn renumber(
        &mut self,
        user: UserNumber,
        own: &mut OwnConnections,
        before: u32,
        now: u32,
    ) {
        if *own != OwnConnections::SEVERAL {
            *own = OwnConnections::only(now);
        } else if self.0.remove(&(user, before)) {
            self.0.insert((user, now));
        }
    }

    /// The numbers of the connections of `user`.
    pub(crate) fn of(&self, user: UserNumber, own: OwnConnections) -> impl Iterator<Item = u32> {
        let several = (own == OwnConnections::SEVERAL).then(|| self.range(user));
        own.number().into_iter().chain(several.into_iter().flatten())
    }

    /// Removes any one connection, while everything is freed. False: none is left.
    pub(crate) fn pop(&mut self) -> bool {
        self.0.present_mut().and_then(BTreeSet::pop_first).is_some()
    }

    /// Roughly how many bytes it takes on the heap.
    pub(crate) fn memory(&self) -> usize {
        const ENTRY: usize = 14;
        self.0.len() * ENTRY + self.0.own_memory()
    }

    fn range(&self, user: UserNumber) -> impl Iterator<Item = u32> {
        self.0.range((user, 0)..=(user, u32::MAX)).map(|(_, number)| *number)
    }
}
