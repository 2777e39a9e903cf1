//! Connections in the order of their ends: a heap of their numbers, four bytes for each.
//!
//! A connection is filed under a time not later than its end. A beat only moves the end, so it costs
//! nothing here; who comes to a connection early files it again. Each connection knows its place in
//! the heap, so one that goes is taken out without a search.

use crate::collections::chunked_vec::Blocks;
use crate::collections::work;
use crate::state::presence::presence_table::Connection;

/// Numbers of connections; each is filed no earlier than the one at half its place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deadlines {
    heap: Blocks<u32>,
}

impl Deadlines {
    /// The connection that is filed first.
    pub(crate) fn first(&self) -> Option<u32> {
        self.heap.get(0).copied()
    }

    /// Of the connections that are filed up to `time`, `most` at most.
    pub(crate) fn until(&self, time: u64, most: usize, all: &Blocks<Connection>) -> Vec<u32> {
        let is_until = |number: &u32| filed(all, *number) <= time;
        let until = |place: &u32| self.heap.get(*place).is_some_and(is_until);
        let mut places: Vec<u32> = [0].into_iter().filter(until).collect();
        let mut looked_at = 0;
        while places.len() < most
            && let Some(place) = places.get(looked_at).copied()
        {
            places.extend(below(place).into_iter().filter(until));
            looked_at += 1;
        }
        work::visit(places.len());
        places.iter().take(most).filter_map(|place| self.heap.get(*place).copied()).collect()
    }

    /// Files a new connection.
    pub(crate) fn add(&mut self, number: u32, all: &mut Blocks<Connection>) {
        let place = self.heap.push(number);
        self.rise(place, number, all);
    }

    /// Files a connection anew that is filed under another time now.
    pub(crate) fn refile(&mut self, number: u32, all: &mut Blocks<Connection>) {
        if let Some(connection) = all.get(number) {
            self.fill(connection.place, number, all);
        }
    }

    /// Takes out a connection, which is still there.
    pub(crate) fn remove(&mut self, number: u32, all: &mut Blocks<Connection>) {
        let Some(connection) = all.get(number) else { return };
        let place = connection.place;
        if let Some(last) = self.heap.pop().filter(|last| *last != number) {
            self.fill(place, last, all);
        }
    }

    /// A connection has another number now.
    pub(crate) fn renumber(&mut self, place: u32, number: u32) {
        if let Some(there) = self.heap.get_mut(place) {
            *there = number;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.heap = Blocks::default();
    }

    /// Bytes it takes on the heap.
    pub(crate) fn memory(&self) -> usize {
        self.heap.memory()
    }

    /// Puts a connection near `place`, which is free. Those below it move up and the connection rises
    /// from the bottom, where it mostly belongs.
    fn fill(&mut self, mut place: u32, number: u32, all: &mut Blocks<Connection>) {
        while let Some((under, other)) = self.sooner_below(place, all) {
            self.put(place, other, all);
            place = under;
        }
        self.rise(place, number, all);
    }

    /// Puts a connection into the free `place`, or nearer to the front.
    fn rise(&mut self, mut place: u32, number: u32, all: &mut Blocks<Connection>) {
        let own = filed(all, number);
        while let Some(above) = place.checked_sub(1).map(|before| before / 2)
            && let Some(other) = self.heap.get(above).copied()
            && filed(all, other) > own
        {
            self.put(place, other, all);
            place = above;
        }
        self.put(place, number, all);
    }

    fn sooner_below(&self, place: u32, all: &Blocks<Connection>) -> Option<(u32, u32)> {
        let [left, right] = below(place);
        let first = *self.heap.get(left)?;
        match self.heap.get(right) {
            Some(second) if filed(all, *second) < filed(all, first) => Some((right, *second)),
            _ => Some((left, first)),
        }
    }

    fn put(&mut self, place: u32, number: u32, all: &mut Blocks<Connection>) {
        if let (Some(there), Some(connection)) = (self.heap.get_mut(place), all.get_mut(number)) {
            *there = number;
            connection.place = place;
        }
    }
}

/// The two places that are not before `place`.
fn below(place: u32) -> [u32; 2] {
    [2 * place + 1, 2 * place + 2]
}

fn filed(all: &Blocks<Connection>, number: u32) -> u64 {
    all.get(number).map_or(0, Connection::filed)
}
