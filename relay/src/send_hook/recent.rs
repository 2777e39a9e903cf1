//! The values that were used last, by key. Their number and their bytes are bounded: one more drops
//! those that were not used for the longest time.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// The values.
pub(super) struct Recent<K, V> {
    most: usize,
    most_bytes: usize,
    bytes: usize,
    values: HashMap<K, Kept<V>>,
    /// The keys by their last use.
    order: BTreeMap<u64, K>,
    uses: u64,
}

struct Kept<V> {
    used: u64,
    bytes: usize,
    value: V,
}

impl<K: Clone + Eq + Hash, V: Clone> Recent<K, V> {
    /// None yet.
    pub(super) fn new(most: usize, most_bytes: usize) -> Recent<K, V> {
        let (values, order) = (HashMap::new(), BTreeMap::new());
        Recent { most, most_bytes, bytes: 0, values, order, uses: 0 }
    }

    /// The value of this key, which is used now.
    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        let kept = self.values.get_mut(key)?;
        self.order.remove(&kept.used);
        self.uses += 1;
        kept.used = self.uses;
        self.order.insert(self.uses, key.clone());
        Some(kept.value.clone())
    }

    /// Whether there is a value of this key.
    pub(super) fn has(&self, key: &K) -> bool {
        self.values.contains_key(key)
    }

    /// Keeps a value that takes so many bytes.
    pub(super) fn insert(&mut self, key: K, value: V, bytes: usize) {
        self.remove(&key);
        self.uses += 1;
        self.bytes += bytes;
        self.order.insert(self.uses, key.clone());
        self.values.insert(key, Kept { used: self.uses, bytes, value });
        while self.values.len() > self.most || self.bytes > self.most_bytes {
            let Some((_, key)) = self.order.pop_first() else { return };
            self.remove(&key);
        }
    }

    /// Drops the value of this key.
    pub(super) fn remove(&mut self, key: &K) {
        if let Some(kept) = self.values.remove(key) {
            self.order.remove(&kept.used);
            self.bytes -= kept.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_the_longest_time_goes_first() {
        let mut recent = Recent::new(3, 100);
        (1..=3).for_each(|key| recent.insert(key, key, 1));
        assert_eq!(recent.get(&1), Some(1));
        recent.insert(4, 4, 1);
        assert_eq!([1, 2, 3, 4].map(|key| recent.has(&key)), [true, false, true, true]);
        recent.insert(3, 30, 1);
        recent.insert(5, 5, 1);
        assert_eq!([1, 3, 4, 5].map(|key| recent.get(&key)), [None, Some(30), Some(4), Some(5)]);
        recent.remove(&4);
        assert_eq!((recent.get(&4), recent.values.len(), recent.order.len()), (None, 2, 2));
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut recent = Recent::new(100, 100);
        for key in 0..1000_usize {
            recent.insert(key % 70, (), key % 50);
            assert!(recent.bytes <= 100 && recent.order.len() == recent.values.len(), "{key}");
        }
        recent.insert(1, (), 101);
        assert_eq!((recent.bytes, recent.values.len()), (0, 0), "one too large is not kept");
    }
}
