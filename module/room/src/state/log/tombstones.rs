//! Which messages of a room are deleted: one bit per message, and how many are deleted from a
//! number on.
//!
//! A sorted list would move half of its entries for a deletion in the middle. Here a deletion sets
//! a bit and increments the count of its block. Counting visits the words of one block and the
//! counts of the later blocks.

use std::collections::VecDeque;

use crate::bytes::allocation::allocated;

/// Messages of a word.
const WORD: u64 = u64::BITS as u64;
/// Words of a block.
const BLOCK: u64 = 64;

/// The deleted messages, by number. The words reach from the first deleted message to the last one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tombstones {
    /// The number of the first word.
    first: u64,
    words: VecDeque<u64>,
    /// Set bits of each block of words. The first count may include bits of removed words.
    counts: VecDeque<u16>,
}

impl Tombstones {
    /// Bytes it takes on the heap.
    pub(crate) fn memory(&self) -> usize {
        allocated(self.words.capacity() * size_of::<u64>())
            + allocated(self.counts.capacity() * size_of::<u16>())
    }

    /// Adds message `m`. Complexity: O(1), plus one word per 64 messages between `m` and the
    /// nearest deleted message if `m` is outside the range.
    pub(crate) fn insert(&mut self, m: u64) {
        let word = m / WORD;
        if self.words.is_empty() {
            self.first = word;
            self.counts.clear();
        }
        let block = |word: u64| word / BLOCK;
        while word < self.first {
            if block(self.first) != block(self.first - 1) {
                self.counts.push_front(0);
            }
            self.words.push_front(0);
            self.first -= 1;
        }
        let wanted = (word - self.first + 1) as usize;
        if self.words.len() < wanted {
            self.words.resize(wanted, 0);
            let blocks = (block(word) - block(self.first) + 1) as usize;
            self.counts.resize(blocks, 0);
        }
        let bit = 1 << (m % WORD);
        let count = self.counts.get_mut((block(word) - block(self.first)) as usize);
        if let (Some(bits), Some(count)) = (self.words.get_mut(wanted - 1), count)
            && *bits & bit == 0
        {
            *bits |= bit;
            *count += 1;
        }
    }

    /// Frees the words of the messages before number `m`, which are no longer stored.
    #[inline]
    pub(crate) fn forget_before(&mut self, m: u64) {
        while !self.words.is_empty() && (self.first + 1) * WORD <= m {
            self.words.pop_front();
            self.first += 1;
            if self.first.is_multiple_of(BLOCK) {
                self.counts.pop_front();
            }
        }
    }

    /// How many messages from number `m` on are deleted; `m` must be a stored message or later.
    /// Complexity: O(N/4096) with N the messages from there on.
    pub(crate) fn count_from(&self, m: u64) -> u64 {
        let (word, bit) =
            if m / WORD < self.first { (self.first, 0) } else { (m / WORD, m % WORD) };
        let start = ((word - self.first) as usize).min(self.words.len());
        let end = (word / BLOCK + 1) * BLOCK - self.first;
        let end = usize::try_from(end).unwrap_or(usize::MAX).min(self.words.len()).max(start);
        let mut words = self.words.range(start..end);
        let partial = words.next().map_or(0, |bits| (bits >> bit).count_ones());
        let rest: u32 = words.map(|bits| bits.count_ones()).sum();
        let later = (word / BLOCK - self.first / BLOCK + 1) as usize;
        let later = self.counts.range(later.min(self.counts.len())..);
        u64::from(partial) + u64::from(rest) + later.map(|count| u64::from(*count)).sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_counts_what_a_set_counts(
            steps in proptest::collection::vec((0..4_u8, 1..40_000_u64), 1..120),
        ) {
            let (mut tombstones, mut model) = (Tombstones::default(), BTreeSet::new());
            let mut first = 1;
            for (step, m) in steps {
                match step {
                    0 => {
                        first = first.max(m / 4);
                        tombstones.forget_before(first);
                        model.retain(|other| *other >= first);
                    }
                    // Many neighbouring messages.
                    1 => for m in m..m + 100 {
                        if m >= first {
                            tombstones.insert(m);
                            model.insert(m);
                        }
                    },
                    _ if m >= first => {
                        tombstones.insert(m);
                        model.insert(m);
                    }
                    _ => {}
                }
                for from in [first, first + 1, m.max(first), m.max(first) + 63, first + 4_096, 50_000] {
                    let expected = model.range(from..).count() as u64;
                    prop_assert_eq!(tombstones.count_from(from), expected, "from {}", from);
                }
            }
        }
    }

    #[test]
    fn it_takes_a_bit_for_each_message() {
        let mut tombstones = Tombstones::default();
        tombstones.insert(7);
        assert!(tombstones.memory() <= 64, "{} bytes for one", tombstones.memory());
        (1..=100_000).for_each(|m| tombstones.insert(100_001 - m));
        assert_eq!(tombstones.count_from(1), 100_000);
        assert!(tombstones.memory() < 40_000, "{} bytes", tombstones.memory());
        tombstones.forget_before(100_001);
        assert_eq!((tombstones.words.len(), tombstones.count_from(100_001)), (1, 0));
    }
}
