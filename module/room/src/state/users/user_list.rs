//! Users in the order in which they came: members by joining, the present by arriving.
//!
//! A place is given once and never again, so it serves as a cursor while people come and go. Thirty-two
//! neighbouring places are kept together: four bytes for a user among many who stayed.

use std::collections::BTreeMap;

use crate::bytes::allocation::{allocated, of_tree};
use crate::collections::work;
use crate::state::numbers::UserNumber;

/// Places kept together.
const BLOCK: u64 = 32;
/// A place that nobody has. The backend comes and goes nowhere.
const NOBODY: UserNumber = UserNumber::BACKEND;

/// Users by place.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserList {
    /// By first place, divided by [`BLOCK`].
    blocks: BTreeMap<u64, Box<[UserNumber; BLOCK as usize]>>,
    len: usize,
    next: u64,
}

impl UserList {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds a user at the end; returns the place.
    pub(crate) fn add(&mut self, user: UserNumber) -> u64 {
        let place = self.next;
        self.next += 1;
        self.put(place, user);
        place
    }

    pub(crate) fn remove(&mut self, place: u64) {
        let Some(block) = self.blocks.get_mut(&(place / BLOCK)) else { return };
        let Some(there) = block.get_mut((place % BLOCK) as usize) else { return };
        if *there != NOBODY {
            *there = NOBODY;
            self.len -= 1;
        }
        if block.iter().all(|user| *user == NOBODY) {
            self.blocks.remove(&(place / BLOCK));
        }
    }

    /// Takes out a block of neighbouring places. False: there is none.
    pub(crate) fn pop_block(&mut self) -> bool {
        let block = self.blocks.pop_last();
        let users = block
            .as_ref()
            .map_or(0, |(_, block)| block.iter().filter(|user| **user != NOBODY).count());
        self.len -= users;
        block.is_some()
    }

    /// Users from `place` on.
    pub(crate) fn from(&self, place: u64) -> impl Iterator<Item = (u64, UserNumber)> {
        let blocks = self.blocks.range(place / BLOCK..);
        let blocks = blocks.inspect(|_| work::visit(1));
        let users = blocks.flat_map(move |(at, block)| {
            let places = (at * BLOCK..).zip(block.iter().copied());
            places.filter(move |(here, user)| *here >= place && *user != NOBODY)
        });
        users.inspect(|_| work::visit(1))
    }

    /// Bytes it takes on the heap, near enough.
    pub(crate) fn memory(&self) -> usize {
        const BYTES: usize = size_of::<[UserNumber; BLOCK as usize]>();
        const ENTRY: usize = size_of::<u64>() + size_of::<Box<[UserNumber; BLOCK as usize]>>();
        self.blocks.len() * allocated(BYTES) + of_tree(self.blocks.len(), ENTRY, 6)
    }

    /// The place the next user gets.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Puts a user back in a stored place. False if the place is not after all others.
    pub(crate) fn restore(&mut self, place: u64, user: UserNumber) -> bool {
        let fits = place >= self.next && place < u64::MAX;
        if fits {
            self.next = place + 1;
            self.put(place, user);
        }
        fits
    }

    /// Sets the next place from the stored form; never back.
    pub(crate) fn restore_next(&mut self, next: u64) {
        self.next = self.next.max(next);
    }

    fn put(&mut self, place: u64, user: UserNumber) {
        let empty = || Box::new([NOBODY; BLOCK as usize]);
        let block = self.blocks.entry(place / BLOCK).or_insert_with(empty);
        if let Some(there) = block.get_mut((place % BLOCK) as usize) {
            *there = user;
            self.len += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_last_while_users_come_and_go() {
        let mut order = UserList::default();
        let places: Vec<u64> = (0..100).map(|user| order.add(UserNumber(user))).collect();
        assert_eq!(places, (0..100).collect::<Vec<u64>>());
        (0..100).filter(|place| place % 7 > 0).for_each(|place| order.remove(place));
        order.remove(1);
        let rest: Vec<_> = order.from(20).map(|(place, user)| (place, user.0)).collect();
        let expected: Vec<_> = (21..100).step_by(7).map(|place| (place, place as u32)).collect();
        assert_eq!(rest, expected);
        assert_eq!((order.len(), order.next()), (15, 100));
        (0..100).for_each(|place| order.remove(place));
        assert_eq!((order.len(), order.blocks.len()), (0, 0));
        assert!(!order.restore(99, UserNumber(1)) && order.restore(200, UserNumber(1)));
        assert_eq!(order.from(0).collect::<Vec<_>>(), [(200, UserNumber(1))]);
    }
}
