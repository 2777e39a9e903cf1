//! Connections in the order of their ends: a heap of their numbers, four bytes for each.
//!
//! A connection is filed under a time not later than its end. A beat only moves the end, so it costs
//! nothing here; who comes to a connection early files it again. Each connection knows its place in
//! the heap, so one that goes is taken out without a search.

use crate::collections::chunked_vec::ChunkedVec;
use crate::collections::work;
use crate::state::presence::connection::Connection;

/// Numbers of connections; each is filed no earlier than the one at half its place.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExpiryHeap {
    heap: ChunkedVec<u32>,
}

impl ExpiryHeap {
    /// The connection that is filed first.
    pub(crate) fn first(&self) -> Option<u32> {
        self.heap.get(0).copied()
    }

    /// Of the connections that are filed up to `time`, `most` at most.
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

    /// Files a new connection.
    pub(crate) fn add(&mut self, number: u32, all: &mut ChunkedVec<Connection>) {
        let index = self.heap.push(number);
        self.sift_up(index, number, all);
    }

    /// Files a connection anew that is filed under another time now.
    pub(crate) fn requeue(&mut self, number: u32, all: &mut ChunkedVec<Connection>) {
        if let Some(connection) = all.get(number) {
            self.sift_down(connection.heap_index, number, all);
        }
    }

    /// Takes out a connection, which is still there.
    pub(crate) fn remove(&mut self, number: u32, all: &mut ChunkedVec<Connection>) {
        let Some(connection) = all.get(number) else { return };
        let index = connection.heap_index;
        if let Some(last) = self.heap.pop().filter(|last| *last != number) {
            self.sift_down(index, last, all);
        }
    }

    /// A connection has another number now.
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

    /// Puts a connection near `place`, which is free. Those below it move up and the connection rises
    /// from the bottom, where it mostly belongs.
    fn sift_down(&mut self, mut index: u32, number: u32, all: &mut ChunkedVec<Connection>) {
        while let Some((child, other)) = self.earlier_child(index, all) {
            self.put(index, other, all);
            index = child;
        }
        self.sift_up(index, number, all);
    }

    /// Puts a connection into the free `place`, or nearer to the front.
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

/// The two places that are not before `place`.
fn children(index: u32) -> [u32; 2] {
    [2 * index + 1, 2 * index + 2]
}

fn queued_at(all: &ChunkedVec<Connection>, number: u32) -> u64 {
    all.get(number).map_or(0, Connection::queued_at)
}
