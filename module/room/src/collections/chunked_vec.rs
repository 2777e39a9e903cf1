//! A vector in chunks: it grows without moving all entries at once, and reserves little. An index
//! stays valid until an earlier entry is removed.
//!
//! Written by hand because of these promises about memory and about the longest step.

use crate::bytes::allocation::allocated;
use crate::collections::relocator::Relocator;
use crate::collections::work;

/// Entries of a chunk.
const CHUNK: usize = 512;
/// Up to this many entries a vector doubles, as most rooms are small; then it grows by an eighth.
const FEW: usize = 4;

/// Entries by index.
#[derive(Clone, Debug)]
pub(crate) struct ChunkedVec<T>(Form<T>);

#[derive(Clone, Debug)]
enum Form<T> {
    /// The only chunk, as most rooms are small.
    One(Vec<T>),
    /// All chunks are full except the last one. It may be empty, so push/pop at a chunk boundary
    /// does not reallocate.
    #[allow(clippy::box_collection, reason = "most rooms have one chunk, and there are many rooms")]
    Many(Box<Vec<Vec<T>>>),
}

impl<T> Default for ChunkedVec<T> {
    fn default() -> ChunkedVec<T> {
        ChunkedVec(Form::One(Vec::new()))
    }
}

impl<T> ChunkedVec<T> {
    pub(crate) fn len(&self) -> usize {
        let chunks = self.list();
        chunks.len().saturating_sub(1) * CHUNK + chunks.last().map_or(0, Vec::len)
    }

    pub(crate) fn get(&self, at: u32) -> Option<&T> {
        self.list().get(at as usize / CHUNK)?.get(at as usize % CHUNK)
    }

    pub(crate) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.list_mut().get_mut(at as usize / CHUNK)?.get_mut(at as usize % CHUNK)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.list().iter().flatten().inspect(|_| work::visit(1))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.list_mut().iter_mut().flatten().inspect(|_| work::visit(1))
    }

    /// How many chunks there are.
    pub(crate) fn chunks(&self) -> usize {
        self.list().iter().filter(|chunk| chunk.capacity() > 0).count()
    }

    /// Chunk number `at`.
    pub(crate) fn chunk_mut(&mut self, at: usize) -> Option<&mut Vec<T>> {
        self.list_mut().get_mut(at)
    }

    /// Adds an entry; returns its index.
    pub(crate) fn push(&mut self, entry: T) -> u32 {
        let number = self.len();
        if self.list().len() == number / CHUNK {
            self.add_chunk();
        }
        if let Some(chunk) = self.list_mut().get_mut(number / CHUNK) {
            if chunk.len() == chunk.capacity() {
                let wanted = chunk.len() + number.clamp(1, FEW).max(number / 8);
                chunk.reserve_exact(fitting::<T>(wanted).min(CHUNK) - chunk.len());
            }
            chunk.push(entry);
        }
        number as u32
    }

    /// Removes an entry. The last one gets its index.
    pub(crate) fn swap_remove(&mut self, at: u32) -> Option<T> {
        let place = self.get(at).map(|_| at)?;
        let last = self.pop()?;
        match self.get_mut(place) {
            Some(entry) => Some(std::mem::replace(entry, last)),
            None => Some(last),
        }
    }

    /// Bytes it takes on the heap.
    pub(crate) fn memory(&self) -> usize {
        let chunk = |chunk: &Vec<T>| allocated(chunk.capacity() * size_of::<T>());
        let chunks: usize = self.list().iter().map(chunk).sum();
        match &self.0 {
            Form::One(_) => chunks,
            Form::Many(list) => {
                let list = allocated(list.capacity() * size_of::<Vec<T>>());
                chunks + list + allocated(size_of::<Vec<Vec<T>>>())
            }
        }
    }

    /// Removes the last entry.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let at = self.len().checked_sub(1)? / CHUNK;
        // `len` counts every chunk before the last one as full, so an empty last chunk is dropped
        // first.
        if let Form::Many(chunks) = &mut self.0 {
            chunks.truncate(at + 1);
        }
        let chunk = self.list_mut().get_mut(at)?;
        let last = chunk.pop();
        if at == 0 && chunk.is_empty() && chunk.capacity() > FEW {
            *self = ChunkedVec::default();
        }
        last
    }

    fn list(&self) -> &[Vec<T>] {
        match &self.0 {
            Form::One(only) => std::slice::from_ref(only),
            Form::Many(chunks) => chunks,
        }
    }

    fn list_mut(&mut self) -> &mut [Vec<T>] {
        match &mut self.0 {
            Form::One(only) => std::slice::from_mut(only),
            Form::Many(chunks) => chunks,
        }
    }

    #[cold]
    fn add_chunk(&mut self) {
        match &mut self.0 {
            Form::One(only) => {
                let chunks = vec![std::mem::take(only), Vec::new()];
                self.0 = Form::Many(Box::new(chunks));
            }
            Form::Many(chunks) => chunks.push(Vec::new()),
        }
    }
}

impl<T> ChunkedVec<T> {
    /// Shows chunk number `at` to the relocator.
    pub(crate) fn relocate(&mut self, at: usize, relocator: &mut impl Relocator) {
        if let Some(chunk) = self.chunk_mut(at) {
            relocator.list(chunk);
        }
    }
}

/// How many entries fit into the allocation for `count` entries: allocators round sizes up to four,
/// five, six or seven times a power of two.
fn fitting<T>(count: usize) -> usize {
    let bytes = count * size_of::<T>().max(1);
    let step = (bytes.next_power_of_two() / 8).max(16);
    bytes.next_multiple_of(step) / size_of::<T>().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_valid_until_an_earlier_entry_is_removed() {
        let (mut list, mut model): (ChunkedVec<u64>, Vec<u64>) = Default::default();
        // Grows, shrinks to nothing and grows again, back and forth over every chunk boundary.
        let ups = (0..6).flat_map(|turn| (0..1500).map(move |at| (turn, at)));
        for (turn, at) in ups {
            if (turn + at % 3) % 2 == 0 || at % 5 == turn {
                assert_eq!(list.push(at) as usize, model.len());
                model.push(at);
            } else {
                let place = (at * 7919) as usize % model.len().max(1);
                let there = (place < model.len()).then(|| model.swap_remove(place));
                assert_eq!(list.swap_remove(place as u32), there);
            }
            assert_eq!(list.len(), model.len());
        }
        assert!(list.iter().eq(&model) && model.len() > CHUNK);
        assert_eq!((list.get(3), list.get(model.len() as u32)), (model.get(3), None));
        while let Some(last) = model.pop() {
            assert_eq!(list.swap_remove(model.len() as u32), Some(last));
            assert!(list.iter().eq(&model));
        }
        assert!(list.chunks() == 0 && list.swap_remove(0).is_none());
        assert_eq!((list.push(7), list.swap_remove(0), list.chunks()), (0, Some(7), 1));
    }

    #[test]
    fn little_is_reserved() {
        let mut list: ChunkedVec<[u8; 56]> = ChunkedVec::default();
        for len in 1..=2000 {
            list.push([0; 56]);
            let places: usize = list.list().iter().map(Vec::capacity).sum();
            assert!(places >= len && places <= len + (len / 3).max(FEW), "{places} for {len}");
            assert!(list.list().iter().all(|chunk| chunk.capacity() <= CHUNK));
        }
    }
}
