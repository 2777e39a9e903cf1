//! The connections of a room by the time of their expiry: a binary heap of connection numbers, four
//! bytes each.
//!
//! Written by hand because of a memory promise: heaps of other crates hold the time and a second
//! copy of the key.
//!
//! Each connection is queued at a time not later than its deadline. A beat only moves the deadline,
//! so it does not touch the heap; a connection that is reached before its deadline is requeued
//! then. Each connection stores its index in the heap, so removal needs no search.

use crate::collections::chunked_vec::ChunkedVec;
use crate::collections::work;
use crate::state::presence::connection::Connection;

/// Connection numbers; each is queued no earlier than its parent, the one at half its index.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExpiryHeap {
    heap: ChunkedVec<u32>,
}

impl ExpiryHeap {
    /// The connection that is queued first.
    pub(crate) fn first(&self) -> Option<u32> {
        self.heap.get(0).copied()
    }

    /// At most `most` of the connections that are queued up to `time`.
    pub(crate) fn due_by(&self, time: u64, most: usize, all: &ChunkedVec<Connection>) -> Vec<u32> {
        let is_until = |number: &u32| queued_at(all, *number) <= time;
        let until = |index: &u32| self.heap.get(*index).is_some_and(is_until);
        let mut indexes: Vec<u32> = [0].into_iter().filter(until).collect();
        let mut looked_at = 0;
        while indexes.len() < most
            && let Some(index) = indexes.get(looked_at).copied()
        {
            indexes.extend(children(index).into_iter().filter(until));
            looked_at += 1;
        }
        work::visit(indexes.len());
        indexes.iter().take(most).filter_map(|index| self.heap.get(*index).copied()).collect()
    }

    /// Queues a new connection.
    pub(crate) fn add(&mut self, number: u32, all: &mut ChunkedVec<Connection>) {
        let index = self.heap.push(number);
        self.sift_up(index, number, all);
    }

    /// Restores the order after the queued time of a connection changed.
    pub(crate) fn requeue(&mut self, number: u32, all: &mut ChunkedVec<Connection>) {
        if let Some(connection) = all.get(number) {
            self.sift_down(connection.heap_index, number, all);
        }
    }

    /// Removes a connection, which must still be stored.
    pub(crate) fn remove(&mut self, number: u32, all: &mut ChunkedVec<Connection>) {
        let Some(connection) = all.get(number) else { return };
        let index = connection.heap_index;
        if let Some(last) = self.heap.pop().filter(|last| *last != number) {
            self.sift_down(index, last, all);
        }
    }

    /// Changes the number of the connection at `index`.
    pub(crate) fn renumber(&mut self, index: u32, number: u32) {
        if let Some(there) = self.heap.get_mut(index) {
            *there = number;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.heap = ChunkedVec::default();
    }

    /// Bytes it takes on the heap.
    pub(crate) fn memory(&self) -> usize {
        self.heap.memory()
    }

    /// Puts a connection at or below the free `index`: moves the earlier child up along the path to
    /// the bottom and sifts the connection up from there, as most belong near the bottom.
    fn sift_down(&mut self, mut index: u32, number: u32, all: &mut ChunkedVec<Connection>) {
        while let Some((child, other)) = self.earlier_child(index, all) {
            self.put(index, other, all);
            index = child;
        }
        self.sift_up(index, number, all);
    }

    /// Puts a connection into the free `index`, or above it.
    fn sift_up(&mut self, mut index: u32, number: u32, all: &mut ChunkedVec<Connection>) {
        let own = queued_at(all, number);
        while let Some(parent) = index.checked_sub(1).map(|before| before / 2)
            && let Some(other) = self.heap.get(parent).copied()
            && queued_at(all, other) > own
        {
            self.put(index, other, all);
            index = parent;
        }
        self.put(index, number, all);
    }

    fn earlier_child(&self, index: u32, all: &ChunkedVec<Connection>) -> Option<(u32, u32)> {
        let [left, right] = children(index);
        let first = *self.heap.get(left)?;
        match self.heap.get(right) {
            Some(second) if queued_at(all, *second) < queued_at(all, first) => {
                Some((right, *second))
            }
            _ => Some((left, first)),
        }
    }

    fn put(&mut self, index: u32, number: u32, all: &mut ChunkedVec<Connection>) {
        if let (Some(there), Some(connection)) = (self.heap.get_mut(index), all.get_mut(number)) {
            *there = number;
            connection.heap_index = index;
        }
    }
}

/// The indexes of the two children.
fn children(index: u32) -> [u32; 2] {
    [2 * index + 1, 2 * index + 2]
}

fn queued_at(all: &ChunkedVec<Connection>, number: u32) -> u64 {
    all.get(number).map_or(0, Connection::queued_at)
}
