//! A hash table that grows in pieces: no insertion moves more than a bounded number of entries.
//!
//! A table that doubles moves all entries in one command: 100 ms at a million entries. This one
//! uses linear hashing (W. Litwin, 1980). It is a list of small hash tables, its segments. When the
//! average segment is full, one segment is added at the end, and another one, the next in turn,
//! gives it about half of its entries. Bits of the hash choose the segment, so no directory is
//! needed. When the segments are nearly empty, the last one is merged back into the one it was
//! split from.
//!
//! Up to four entries are a list, as many rooms have one user; some more are one segment, a plain
//! hash table.

use hashbrown::HashTable;

use crate::bytes::allocation::allocated;

/// Entries of the average segment at which a segment is added. Segments that were not split lately
/// hold twice as many.
const FULL: usize = 800;
/// Entries of the average segment below which the last segment is merged into another.
const SPARSE: usize = FULL / 4;
/// The most entries of a list.
const FEW: usize = 4;

/// Entries found by hash. The caller supplies the hashes and compares the entries.
#[derive(Clone, Debug)]
pub struct LinearHashTable<T>(Form<T>);

#[derive(Clone, Debug)]
enum Form<T> {
    Few(Vec<T>),
    Single(HashTable<T>),
    Split(Box<Split<T>>),
}

#[derive(Clone, Debug)]
struct Split<T> {
    /// At least two.
    segments: Vec<HashTable<T>>,
    /// The bits of a hash that choose a segment: one below the next power of two.
    mask: usize,
    len: usize,
}

impl<T> Default for LinearHashTable<T> {
    fn default() -> LinearHashTable<T> {
        LinearHashTable(Form::Few(Vec::new()))
    }
}

impl<T> LinearHashTable<T> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Few(list) => list.len(),
            Form::Single(table) => table.len(),
            Form::Split(split) => split.len,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry of this hash for which `same` holds.
    #[inline]
    pub fn find(&self, hash: u64, mut same: impl FnMut(&T) -> bool) -> Option<&T> {
        let table = match &self.0 {
            Form::Few(list) => return list.iter().find(|entry| same(entry)),
            Form::Single(table) => table,
            Form::Split(split) => split.segments.get(split.place(hash))?,
        };
        table.find(hash, same)
    }

    /// Like [`LinearHashTable::find`]. The entry must keep its hash.
    pub fn find_mut(&mut self, hash: u64, mut same: impl FnMut(&T) -> bool) -> Option<&mut T> {
        let table = match &mut self.0 {
            Form::Few(list) => return list.iter_mut().find(|entry| same(entry)),
            Form::Single(table) => table,
            Form::Split(split) => {
                let place = split.place(hash);
                split.segments.get_mut(place)?
            }
        };
        table.find_mut(hash, same)
    }

    /// Adds an entry without looking for an equal one. `hash_of` returns the hashes of entries that
    /// move.
    #[inline]
    pub fn insert(&mut self, hash: u64, entry: T, hash_of: impl Fn(&T) -> u64) {
        match &mut self.0 {
            Form::Few(list) if list.len() < FEW => {
                if list.len() == list.capacity() {
                    list.reserve_exact(list.len().max(1));
                }
                list.push(entry);
            }
            Form::Few(list) => {
                let mut table = HashTable::with_capacity(list.len() + 1);
                for listed in std::mem::take(list) {
                    table.insert_unique(hash_of(&listed), listed, &hash_of);
                }
                table.insert_unique(hash, entry, hash_of);
                self.0 = Form::Single(table);
            }
            Form::Single(table) if table.len() < 2 * FULL => {
                table.insert_unique(hash, entry, hash_of);
            }
            Form::Single(table) => {
                let mut split = Split { segments: Vec::new(), mask: 0, len: table.len() };
                split.segments.push(std::mem::take(table));
                split.add_segment(&hash_of);
                split.insert(hash, entry, hash_of);
                self.0 = Form::Split(Box::new(split));
            }
            Form::Split(split) => split.insert(hash, entry, hash_of),
        }
    }

    /// Removes the entry of this hash for which `same` holds.
    #[inline]
    pub fn remove(
        &mut self,
        hash: u64,
        same: impl FnMut(&T) -> bool,
        hash_of: impl Fn(&T) -> u64,
    ) -> Option<T> {
        match &mut self.0 {
            Form::Few(list) => {
                let at = list.iter().position(same)?;
                Some(list.swap_remove(at))
            }
            Form::Single(table) => {
                let (entry, _) = table.find_entry(hash, same).ok()?.remove();
                if table.is_empty() {
                    *self = LinearHashTable::default();
                }
                Some(entry)
            }
            Form::Split(split) => {
                let place = split.place(hash);
                let segment = split.segments.get_mut(place)?;
                let (entry, _) = segment.find_entry(hash, same).ok()?.remove();
                split.len -= 1;
                if split.len < split.segments.len() * SPARSE {
                    split.merge_segment(hash_of);
                    if let [only] = split.segments.as_mut_slice() {
                        self.0 = Form::Single(std::mem::take(only));
                    }
                }
                Some(entry)
            }
        }
    }

    /// Bytes it takes on the heap.
    pub fn memory(&self) -> usize {
        match &self.0 {
            Form::Few(list) => allocated(list.capacity() * size_of::<T>()),
            Form::Single(table) => allocated(table.allocation_size()),
            Form::Split(split) => {
                let segment = |table: &HashTable<T>| allocated(table.allocation_size());
                let tables: usize = split.segments.iter().map(segment).sum();
                let list = allocated(split.segments.capacity() * size_of::<HashTable<T>>());
                tables + list + allocated(size_of::<Split<T>>())
            }
        }
    }
}

/// The part of a hash that chooses a segment. It leaves out the lowest bits and the seven highest
/// ones, which the segments use.
#[inline]
fn choice(hash: u64) -> usize {
    (hash >> 32) as usize & 0x01ff_ffff
}

/// The highest bit of the number of a segment. Without it, it is the number of the segment it was
/// split from.
fn highest_bit(number: usize) -> usize {
    1 << number.max(1).ilog2()
}

impl<T> Split<T> {
    /// The number of the segment that holds the entries of this hash.
    #[inline]
    fn place(&self, hash: u64) -> usize {
        let place = choice(hash) & self.mask;
        // This segment was not split yet in this round.
        if place >= self.segments.len() { place & (self.mask >> 1) } else { place }
    }

    #[inline]
    fn insert(&mut self, hash: u64, entry: T, hash_of: impl Fn(&T) -> u64) {
        if self.len >= self.segments.len() * FULL {
            self.add_segment(&hash_of);
        }
        let place = self.place(hash);
        if let Some(segment) = self.segments.get_mut(place) {
            segment.insert_unique(hash, entry, hash_of);
            self.len += 1;
        }
    }

    /// Adds a segment and moves the entries that belong there.
    #[cold]
    #[inline(never)]
    fn add_segment(&mut self, hash_of: impl Fn(&T) -> u64) {
        let number = self.segments.len();
        let bit = highest_bit(number);
        let mut added = HashTable::new();
        if let Some(from) = self.segments.get_mut(number - bit) {
            // Both are allocated anew, each at the size it needs.
            let all = std::mem::take(from).into_iter();
            let all: Vec<(u64, T)> = all.map(|entry| (hash_of(&entry), entry)).collect();
            let moves = |hash: u64| choice(hash) & bit > 0;
            let moved = all.iter().filter(|(hash, _)| moves(*hash)).count();
            added = HashTable::with_capacity(moved);
            *from = HashTable::with_capacity(all.len() - moved);
            for (hash, entry) in all {
                let to = if moves(hash) { &mut added } else { &mut *from };
                to.insert_unique(hash, entry, &hash_of);
            }
        }
        self.segments.push(added);
        self.mask = self.segments.len().next_power_of_two() - 1;
    }

    /// Merges the last segment into the one it was split from.
    #[cold]
    #[inline(never)]
    fn merge_segment(&mut self, hash_of: impl Fn(&T) -> u64) {
        let Some(last) = self.segments.pop() else { return };
        let number = self.segments.len();
        if let Some(into) = self.segments.get_mut(number - highest_bit(number)) {
            let merged = HashTable::with_capacity(into.len() + last.len());
            let before = std::mem::replace(into, merged);
            for entry in before.into_iter().chain(last) {
                into.insert_unique(hash_of(&entry), entry, &hash_of);
            }
        }
        self.mask = self.segments.len().next_power_of_two() - 1;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    use hashbrown::DefaultHashBuilder;
    use proptest::prelude::*;

    use super::*;

    /// A table of numbers that counts the entries that are moved.
    #[derive(Default)]
    struct Counted {
        table: LinearHashTable<u32>,
        hasher: DefaultHashBuilder,
        moved: Cell<usize>,
    }

    impl Counted {
        fn insert(&mut self, number: u32) {
            let Counted { table, hasher, moved } = self;
            table.insert(hasher.hash_one(number), number, |other| {
                moved.set(moved.get() + 1);
                hasher.hash_one(other)
            });
        }

        fn remove(&mut self, number: u32) -> Option<u32> {
            let Counted { table, hasher, moved } = self;
            table.remove(
                hasher.hash_one(number),
                |other| *other == number,
                |other| {
                    moved.set(moved.get() + 1);
                    hasher.hash_one(other)
                },
            )
        }

        fn find(&self, number: u32) -> bool {
            self.table.find(self.hasher.hash_one(number), |other| *other == number).is_some()
        }
    }

    /// What one insertion or removal may move: a segment that splits, and one that doubles.
    const MOST: usize = 3_072;

    #[test]
    fn however_many_there_are_each_insertion_and_removal_moves_few() {
        const COUNT: u32 = 1_500_000;
        let mut counted = Counted::default();
        let mut total = 0;
        for number in 0..COUNT {
            counted.insert(number);
            let moved = counted.moved.take();
            assert!(moved <= MOST, "{moved} moved by insertion {number}");
            total += moved;
        }
        assert!(total < 4 * COUNT as usize, "{total} moved");
        let memory = counted.table.memory();
        assert!(memory <= COUNT as usize * 12, "{memory} bytes");
        assert!((0..COUNT).step_by(97).all(|number| counted.find(number)));
        for number in 0..COUNT {
            assert_eq!(counted.remove(number), Some(number));
            let moved = counted.moved.take();
            assert!(moved <= MOST, "{moved} moved by removal {number}");
        }
        assert_eq!(counted.table.len(), 0);
        let memory = counted.table.memory();
        assert!(memory <= 16 * FULL, "{memory} bytes are kept");
    }

    #[test]
    fn entries_that_come_and_go_at_a_constant_number_move_few() {
        let mut counted = Counted::default();
        for number in 0..600_000 {
            counted.insert(number);
            if number >= 300_000 {
                assert_eq!(counted.remove(number - 300_000), Some(number - 300_000));
            }
            assert!(counted.moved.take() <= MOST, "at {number}");
        }
    }

    #[test]
    fn a_table_of_some_entries_is_a_plain_one_and_of_few_a_list() {
        let mut counted = Counted::default();
        let mut plain = HashTable::new();
        for number in 0..2 * FULL as u32 {
            counted.insert(number);
            plain.insert_unique(counted.hasher.hash_one(number), number, |other| {
                counted.hasher.hash_one(other)
            });
            let expected = match number as usize {
                few @ 0..FEW => allocated((few + 1).next_power_of_two() * size_of::<u32>()),
                _ => allocated(plain.allocation_size()),
            };
            assert_eq!(counted.table.memory(), expected, "{number}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn it_is_a_set(
            steps in proptest::collection::vec((0..10_u32, 0..8_000_u32, 1..2_000_u32), 1..30),
        ) {
            let (mut counted, mut model) = (Counted::default(), HashSet::new());
            for (kind, start, count) in steps {
                for number in start..start + count {
                    if kind < 5 {
                        if model.insert(number) {
                            counted.insert(number);
                        }
                    } else {
                        prop_assert_eq!(counted.remove(number).is_some(), model.remove(&number));
                    }
                }
                prop_assert_eq!(counted.table.len(), model.len());
                for number in (start..start + count).step_by(7) {
                    prop_assert_eq!(counted.find(number), model.contains(&number));
                }
            }
            for number in 0..10_000 {
                prop_assert_eq!(counted.find(number), model.contains(&number));
            }
        }
    }
}
