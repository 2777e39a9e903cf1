//! A list of users in the order in which they were added: members by joining, users online by
//! arrival.
//!
//! A place is assigned once and never reused, so it is a valid cursor while users are added and
//! removed. Blocks of 32 neighbouring places take four bytes per user when most places are in use;
//! a block is as long as its last place needs.
//! Written by hand because of that memory promise.

use std::ops::Bound;

use crate::bytes::allocation::allocated;
use crate::collections::ordered_map::OrderedMap;
use crate::collections::work;
use crate::state::numbers::UserNumber;

/// Places of a block.
const BLOCK: u64 = 32;
/// Marks a vacant place. The backend is never in a list.
const VACANT: UserNumber = UserNumber::BACKEND;

/// Users by place.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserList {
    /// By their first place, divided by [`BLOCK`].
    blocks: OrderedMap<u64, Vec<UserNumber>>,
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
        if *there != VACANT {
            *there = VACANT;
            self.len -= 1;
        }
        if block.iter().all(|user| *user == VACANT) {
            self.blocks.remove(&(place / BLOCK));
        }
    }

    /// Removes one block of places. False: there is none.
    pub(crate) fn pop_block(&mut self) -> bool {
        let block = self.blocks.pop_last();
        let users = block
            .as_ref()
            .map_or(0, |(_, block)| block.iter().filter(|user| **user != VACANT).count());
        self.len -= users;
        block.is_some()
    }

    /// Users from `place` on.
    pub(crate) fn from(&self, place: u64) -> impl Iterator<Item = (u64, UserNumber)> {
        let blocks = self.blocks.from(Bound::Included(&(place / BLOCK)));
        let blocks = blocks.inspect(|_| work::visit(1));
        let users = blocks.flat_map(move |(at, block)| {
            let places = (at * BLOCK..).zip(block.iter().copied());
            places.filter(move |(here, user)| *here >= place && *user != VACANT)
        });
        users.inspect(|_| work::visit(1))
    }

    /// Roughly how many bytes it takes on the heap.
    pub(crate) fn memory(&self) -> usize {
        const FULL: usize = BLOCK as usize * size_of::<UserNumber>();
        let mut first = self.blocks.from::<u64>(Bound::Unbounded);
        let users = match (first.next(), first.next()) {
            (Some((_, only)), None) => allocated(only.capacity() * size_of::<UserNumber>()),
            _ => self.blocks.len() * FULL,
        };
        users + self.blocks.memory()
    }

    /// The place of the next user.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Restores a user at a stored place. False: the place is not after all others.
    pub(crate) fn restore(&mut self, place: u64, user: UserNumber) -> bool {
        let fits = place >= self.next && place < u64::MAX;
        if fits {
            self.next = place + 1;
            self.put(place, user);
        }
        fits
    }

    /// Sets the next place, if it is greater.
    pub(crate) fn restore_next(&mut self, next: u64) {
        self.next = self.next.max(next);
    }

    fn put(&mut self, place: u64, user: UserNumber) {
        let (number, offset) = (place / BLOCK, (place % BLOCK) as usize);
        if self.blocks.get(&number).is_none() {
            self.blocks.insert(number, Vec::new());
        }
        let Some(block) = self.blocks.get_mut(&number) else { return };
        if offset >= block.capacity() {
            let wanted = (offset + 1).next_power_of_two().min(BLOCK as usize);
            block.reserve_exact(wanted - block.len());
        }
        // A new place is after all others.
        block.resize(offset, VACANT);
        block.push(user);
        self.len += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_stable_while_users_are_added_and_removed() {
        let mut list = UserList::default();
        let places: Vec<u64> = (0..100).map(|user| list.add(UserNumber(user))).collect();
        assert_eq!(places, (0..100).collect::<Vec<u64>>());
        (0..100).filter(|place| place % 7 > 0).for_each(|place| list.remove(place));
        list.remove(1);
        let rest: Vec<_> = list.from(20).map(|(place, user)| (place, user.0)).collect();
        let expected: Vec<_> = (21..100).step_by(7).map(|place| (place, place as u32)).collect();
        assert_eq!(rest, expected);
        assert_eq!((list.len(), list.next()), (15, 100));
        (0..100).for_each(|place| list.remove(place));
        assert_eq!((list.len(), list.blocks.len()), (0, 0));
        assert!(!list.restore(99, UserNumber(1)) && list.restore(200, UserNumber(1)));
        assert_eq!(list.from(0).collect::<Vec<_>>(), [(200, UserNumber(1))]);
    }
}
