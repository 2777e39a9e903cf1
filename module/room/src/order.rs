//! Users in the order in which they came: members by joining, the present by arriving.
//!
//! A place is given once and never again, so it serves as a cursor while people come and go.

use std::collections::BTreeMap;

use crate::users::UserNumber;

/// Users by place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    by_place: BTreeMap<u64, UserNumber>,
    next: u64,
}

impl Order {
    pub(crate) fn len(&self) -> usize {
        self.by_place.len()
    }

    /// Adds a user at the end; returns the place.
    pub(crate) fn add(&mut self, user: UserNumber) -> u64 {
        let place = self.next;
        self.next += 1;
        self.by_place.insert(place, user);
        place
    }

    pub(crate) fn remove(&mut self, place: u64) {
        self.by_place.remove(&place);
    }

    /// Users from `place` on.
    pub(crate) fn from(&self, place: u64) -> impl Iterator<Item = (u64, UserNumber)> {
        self.by_place.range(place..).map(|(place, user)| (*place, *user))
    }

    /// The place the next user gets.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Puts a user back in a stored place. False if the place is not after all others.
    pub(crate) fn restore(&mut self, place: u64, user: UserNumber) -> bool {
        let fits = place >= self.next && place < u64::MAX;
        if fits {
            self.by_place.insert(place, user);
            self.next = place + 1;
        }
        fits
    }

    /// Sets the next place from the stored form; never back.
    pub(crate) fn restore_next(&mut self, next: u64) {
        self.next = self.next.max(next);
    }
}
