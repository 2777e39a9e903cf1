//! A queue in chunks: it grows and shrinks at its ends without moving more than one chunk.
//!
//! A `VecDeque` that doubles moves all entries: tens of megabytes in one command. A queue of few
//! entries is one `VecDeque` and costs the same as that.

use std::collections::VecDeque;

use crate::bytes::allocation::allocated;
use crate::collections::work;

/// Entries of a chunk.
const CHUNK: usize = 1024;

/// Entries from the oldest to the newest.
#[derive(Clone, Debug)]
pub(crate) struct ChunkedDeque<T> {
    /// The oldest entries; empty only if there are no others.
    front: VecDeque<T>,
    /// The other entries: full chunks, then one with at least one entry.
    #[allow(clippy::box_collection, reason = "most rooms have none, and there are many rooms")]
    rest: Option<Box<VecDeque<Vec<T>>>>,
}

impl<T> Default for ChunkedDeque<T> {
    fn default() -> ChunkedDeque<T> {
        ChunkedDeque { front: VecDeque::new(), rest: None }
    }
}

impl<T> ChunkedDeque<T> {
    pub(crate) fn len(&self) -> usize {
        let rest = self.rest.as_deref().map_or(0, |rest| {
            rest.len().saturating_sub(1) * CHUNK + rest.back().map_or(0, Vec::len)
        });
        self.front.len() + rest
    }

    #[inline]
    pub(crate) fn front(&self) -> Option<&T> {
        self.front.front()
    }

    pub(crate) fn front_mut(&mut self) -> Option<&mut T> {
        self.front.front_mut()
    }

    #[inline]
    pub(crate) fn back(&self) -> Option<&T> {
        match &self.rest {
            None => self.front.back(),
            Some(rest) => rest.back()?.last(),
        }
    }

    #[inline]
    pub(crate) fn back_mut(&mut self) -> Option<&mut T> {
        match &mut self.rest {
            None => self.front.back_mut(),
            Some(rest) => rest.back_mut()?.last_mut(),
        }
    }

    /// The entry with `at` older ones.
    #[inline]
    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        match at.checked_sub(self.front.len()) {
            None => self.front.get(at),
            Some(at) => self.rest.as_ref()?.get(at / CHUNK)?.get(at % CHUNK),
        }
    }

    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        match at.checked_sub(self.front.len()) {
            None => self.front.get_mut(at),
            Some(at) => self.rest.as_mut()?.get_mut(at / CHUNK)?.get_mut(at % CHUNK),
        }
    }

    pub(crate) fn push_back(&mut self, entry: T) {
        if self.rest.is_none() && self.front.len() < CHUNK {
            if self.front.capacity() == 0 {
                // Otherwise the first entry reserves space for four.
                self.front.reserve_exact(1);
            }
            return self.front.push_back(entry);
        }
        let rest = self.rest.get_or_insert_default();
        match rest.back_mut().filter(|last| last.len() < CHUNK) {
            Some(last) => last.push(entry),
            None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(entry);
                rest.push_back(chunk);
            }
        }
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        let oldest = self.front.pop_front();
        if self.front.is_empty()
            && let Some(rest) = &mut self.rest
        {
            self.front = rest.pop_front().unwrap_or_default().into();
            if rest.is_empty() {
                self.rest = None;
            }
        }
        oldest
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.iter_from(0)
    }

    /// The entries that have at least `from` older ones.
    pub(crate) fn iter_from(&self, from: usize) -> impl Iterator<Item = &T> {
        let in_front = from.min(self.front.len());
        let (chunk, mut skipped) = place_in_rest(from - in_front);
        let rest = self.rest.iter().flat_map(move |rest| rest.range(chunk.min(rest.len())..));
        let rest = rest
            .flat_map(move |chunk| chunk.get(std::mem::take(&mut skipped)..).unwrap_or_default());
        self.front.range(in_front..).chain(rest).inspect(|_| work::visit(1))
    }

    /// [`ChunkedDeque::iter_from`] with mutable entries.
    pub(crate) fn iter_mut_from(&mut self, from: usize) -> impl Iterator<Item = &mut T> {
        let in_front = from.min(self.front.len());
        let (chunk, mut skipped) = place_in_rest(from - in_front);
        let rest = self.rest.iter_mut().flat_map(move |rest| {
            let chunk = chunk.min(rest.len());
            rest.range_mut(chunk..)
        });
        let rest = rest.flat_map(move |chunk| {
            chunk.get_mut(std::mem::take(&mut skipped)..).unwrap_or_default()
        });
        self.front.range_mut(in_front..).chain(rest).inspect(|_| work::visit(1))
    }

    /// How many entries at the front satisfy `before`; no later entry may satisfy it.
    pub(crate) fn partition_point(&self, mut before: impl FnMut(&T) -> bool) -> usize {
        let at = self.front.partition_point(&mut before);
        let Some(rest) = self.rest.as_ref().filter(|_| at == self.front.len()) else { return at };
        let chunk = rest.partition_point(|chunk| chunk.first().is_some_and(&mut before));
        let Some(chunk) = chunk.checked_sub(1) else { return at };
        let inside = rest.get(chunk).map_or(0, |chunk| chunk.partition_point(before));
        at + chunk * CHUNK + inside
    }

    /// Bytes it takes on the heap.
    pub(crate) fn memory(&self) -> usize {
        let rest = self.rest.as_deref().map_or(0, |rest| {
            let list = allocated(rest.capacity() * size_of::<Vec<T>>());
            allocated(size_of_val(rest)) + list + rest.len() * allocated(CHUNK * size_of::<T>())
        });
        allocated(self.front.capacity() * size_of::<T>()) + rest
    }
}

/// The chunk of an entry of the rest, and its index there.
fn place_in_rest(at: usize) -> (usize, usize) {
    (at / CHUNK, at % CHUNK)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_behaves_like_a_queue(
            steps in proptest::collection::vec((0..3_usize, 1..3_000_usize), 1..12),
            asked in proptest::collection::vec(0..9_000_usize, 8),
        ) {
            let (mut queue, mut model) = (ChunkedDeque::default(), VecDeque::new());
            let mut next = 0;
            for (kind, count) in steps {
                for _ in 0..count {
                    if kind > 0 {
                        queue.push_back(next);
                        model.push_back(next);
                        next += 1;
                    } else {
                        prop_assert_eq!(queue.pop_front(), model.pop_front());
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.front(), model.front());
                prop_assert_eq!(queue.front_mut(), model.front_mut());
                prop_assert_eq!(queue.back(), model.back());
                prop_assert_eq!(queue.back_mut(), model.back_mut());
                prop_assert!(queue.iter().eq(&model));
                let gone = model.front().copied().unwrap_or(next);
                for at in asked.iter().copied().chain([0, model.len(), model.len() + 1]) {
                    prop_assert_eq!(queue.get(at), model.get(at));
                    prop_assert_eq!(queue.get_mut(at), model.get_mut(at));
                    prop_assert!(queue.iter_from(at).eq(model.iter().skip(at)));
                    let changed: Vec<usize> = queue.iter_mut_from(at).map(|entry| *entry).collect();
                    prop_assert!(changed.iter().eq(model.iter().skip(at)));
                    let before = queue.partition_point(|entry| *entry < gone + at);
                    prop_assert_eq!(before, at.min(model.len()));
                }
            }
        }
    }

    #[test]
    fn little_is_reserved_and_nothing_by_an_empty_queue() {
        let mut queue: ChunkedDeque<u64> = ChunkedDeque::default();
        assert_eq!(queue.memory(), 0);
        for len in 1..=100_000 {
            queue.push_back(7);
            let entries = (2 * len).max(4).min(len + CHUNK);
            let most = entries * size_of::<u64>() + 128 + len / 16;
            assert!(queue.memory() <= most, "{} for {len}", queue.memory());
        }
        while queue.pop_front().is_some() {}
        assert!(queue.memory() <= CHUNK * size_of::<u64>());
    }
}
