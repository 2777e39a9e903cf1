//! A list in blocks: a million entries grow without being moved all at once, and little is held in
//! reserve. A number names an entry until one before the end is taken out.

use crate::bytes::allocation::allocated;
use crate::collections::relocator::Relocator;
use crate::collections::work;

/// Entries kept together.
const BLOCK: usize = 512;
/// Up to so many entries a list doubles, as most rooms are small; from then on it grows by an eighth.
const FEW: usize = 4;

/// Entries by number.
#[derive(Clone, Debug)]
pub(crate) struct ChunkedVec<T> {
    /// All full but the last. That one may be empty, so that who comes and goes at its edge costs
    /// no allocation each time.
    blocks: Vec<Vec<T>>,
}

impl<T> Default for ChunkedVec<T> {
    fn default() -> ChunkedVec<T> {
        ChunkedVec { blocks: Vec::new() }
    }
}

impl<T> ChunkedVec<T> {
    pub(crate) fn len(&self) -> usize {
        let full = self.blocks.len().saturating_sub(1);
        full * BLOCK + self.blocks.last().map_or(0, Vec::len)
    }

    pub(crate) fn get(&self, at: u32) -> Option<&T> {
        self.blocks.get(at as usize / BLOCK)?.get(at as usize % BLOCK)
    }

    pub(crate) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.blocks.get_mut(at as usize / BLOCK)?.get_mut(at as usize % BLOCK)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.blocks.iter().flatten().inspect(|_| work::visit(1))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.blocks.iter_mut().flatten().inspect(|_| work::visit(1))
    }

    /// How many blocks.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The list that block number `at` is.
    pub(crate) fn block_mut(&mut self, at: usize) -> Option<&mut Vec<T>> {
        self.blocks.get_mut(at)
    }

    /// Adds an entry; answers its number.
    pub(crate) fn push(&mut self, entry: T) -> u32 {
        let number = self.len();
        if self.blocks.len() == number / BLOCK {
            self.blocks.reserve_exact(usize::from(number == 0));
            self.blocks.push(Vec::new());
        }
        if let Some(block) = self.blocks.get_mut(number / BLOCK) {
            if block.len() == block.capacity() {
                let wanted = block.len() + number.clamp(1, FEW).max(number / 8);
                block.reserve_exact(fitting::<T>(wanted).min(BLOCK) - block.len());
            }
            block.push(entry);
        }
        number as u32
    }

    /// Takes an entry out. The last one gets its number.
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
        let block = |block: &Vec<T>| allocated(block.capacity() * size_of::<T>());
        let blocks: usize = self.blocks.iter().map(block).sum();
        blocks + allocated(self.blocks.capacity() * size_of::<Vec<T>>())
    }

    /// Takes out the last entry.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let at = self.len().checked_sub(1)? / BLOCK;
        // An empty block behind one that is not full would be counted as if it were.
        self.blocks.truncate(at + 1);
        let block = self.blocks.get_mut(at)?;
        let last = block.pop();
        if at == 0 && block.is_empty() && block.capacity() > FEW {
            self.blocks.clear();
        }
        last
    }
}

impl<T> ChunkedVec<T> {
    /// Shows chunk number `at` to the relocator.
    pub(crate) fn relocate(&mut self, at: usize, relocator: &mut impl Relocator) {
        if let Some(block) = self.block_mut(at) {
            relocator.list(block);
        }
    }
}

/// How many entries there is room for where `count` are asked for: allocators give four, five, six
/// or seven times a power of two.
fn fitting<T>(count: usize) -> usize {
    let bytes = count * size_of::<T>().max(1);
    let step = (bytes.next_power_of_two() / 8).max(16);
    bytes.next_multiple_of(step) / size_of::<T>().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_keep_their_numbers_until_one_before_is_taken_out() {
        let (mut list, mut model): (ChunkedVec<u64>, Vec<u64>) = Default::default();
        // Up, down to nothing and up again, in steps back and forth over every edge.
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
        assert!(list.iter().eq(&model) && model.len() > BLOCK);
        assert_eq!((list.get(3), list.get(model.len() as u32)), (model.get(3), None));
        while let Some(last) = model.pop() {
            assert_eq!(list.swap_remove(model.len() as u32), Some(last));
            assert!(list.iter().eq(&model));
        }
        assert!(list.blocks.is_empty() && list.swap_remove(0).is_none());
        assert_eq!((list.push(7), list.swap_remove(0), list.blocks.len()), (0, Some(7), 1));
    }

    #[test]
    fn little_is_held_in_reserve() {
        let mut list: ChunkedVec<[u8; 56]> = ChunkedVec::default();
        for len in 1..=2000 {
            list.push([0; 56]);
            let places: usize = list.blocks.iter().map(Vec::capacity).sum();
            assert!(places >= len && places <= len + (len / 3).max(FEW), "{places} for {len}");
            assert!(list.blocks.iter().all(|block| block.capacity() <= BLOCK));
        }
    }
}
