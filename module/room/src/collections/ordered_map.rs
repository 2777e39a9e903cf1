//! A map in the order of its keys. With few entries it is a list, with many a B-tree.
//!
//! A node of a B-tree has space for eleven entries, and most rooms have one or two.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::Bound;

use crate::bytes::allocation::{allocated, of_tree};

/// The most entries of a list.
const FEW: usize = 8;

/// Values by key.
#[derive(Clone, Debug)]
pub(crate) enum OrderedMap<K, V> {
    /// Sorted by key.
    Few(Vec<(K, V)>),
    /// The map, until it is empty.
    #[allow(clippy::box_collection, reason = "most rooms have few entries")]
    Many(Box<BTreeMap<K, V>>),
}

impl<K, V> Default for OrderedMap<K, V> {
    fn default() -> OrderedMap<K, V> {
        OrderedMap::Few(Vec::new())
    }
}

impl<K: Ord, V> OrderedMap<K, V> {
    pub(crate) fn len(&self) -> usize {
        match self {
            OrderedMap::Few(list) => list.len(),
            OrderedMap::Many(tree) => tree.len(),
        }
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        match self {
            OrderedMap::Few(list) => list.get(find(list, key).ok()?).map(|(_, value)| value),
            OrderedMap::Many(tree) => tree.get(key),
        }
    }

    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        match self {
            OrderedMap::Few(list) => {
                let at = find(list, key).ok()?;
                list.get_mut(at).map(|(_, value)| value)
            }
            OrderedMap::Many(tree) => tree.get_mut(key),
        }
    }

    /// Sets the value of a key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self {
            OrderedMap::Few(list) => match find(list, &key) {
                Ok(at) => {
                    if let Some((_, held)) = list.get_mut(at) {
                        *held = value;
                    }
                }
                Err(at) if list.len() < FEW => {
                    list.reserve_exact(1);
                    list.insert(at, (key, value));
                }
                Err(_) => {
                    let mut tree: BTreeMap<K, V> = std::mem::take(list).into_iter().collect();
                    tree.insert(key, value);
                    *self = OrderedMap::Many(Box::new(tree));
                }
            },
            OrderedMap::Many(tree) => drop(tree.insert(key, value)),
        }
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let removed = match self {
            OrderedMap::Few(list) => {
                let at = find(list, key).ok()?;
                Some(list.remove(at).1)
            }
            OrderedMap::Many(tree) => tree.remove(key),
        };
        self.free_if_empty();
        removed
    }

    /// Removes the last entry.
    pub(crate) fn pop_last(&mut self) -> Option<(K, V)> {
        let removed = match self {
            OrderedMap::Few(list) => list.pop(),
            OrderedMap::Many(tree) => tree.pop_last(),
        };
        self.free_if_empty();
        removed
    }

    /// The entries from a key on.
    pub(crate) fn from<'a, Q: Ord + ?Sized>(
        &'a self,
        start: Bound<&Q>,
    ) -> impl Iterator<Item = (&'a K, &'a V)> + use<'a, K, V, Q>
    where
        K: Borrow<Q>,
    {
        let (list, tree) = match self {
            OrderedMap::Few(list) => (list.as_slice(), None),
            OrderedMap::Many(tree) => (&[][..], Some(tree.range((start, Bound::Unbounded)))),
        };
        let before = list.partition_point(|(key, _)| match start {
            Bound::Included(start) => key.borrow() < start,
            Bound::Excluded(start) => key.borrow() <= start,
            Bound::Unbounded => false,
        });
        let listed = list.iter().skip(before).map(|(key, value)| (key, value));
        listed.chain(tree.into_iter().flatten())
    }

    /// Bytes it takes on the heap, if keys only grow. The entries' own allocations are not counted.
    pub(crate) fn memory(&self) -> usize {
        match self {
            OrderedMap::Few(list) => allocated(list.capacity() * size_of::<(K, V)>()),
            OrderedMap::Many(tree) => {
                let entry = size_of::<K>() + size_of::<V>();
                of_tree(tree.len(), entry, 6) + allocated(size_of::<BTreeMap<K, V>>())
            }
        }
    }

    fn free_if_empty(&mut self) {
        if self.len() == 0 {
            *self = OrderedMap::default();
        }
    }
}

/// The place of a key in a sorted list, or where it belongs.
fn find<K: Borrow<Q>, V, Q: Ord + ?Sized>(list: &[(K, V)], key: &Q) -> Result<usize, usize> {
    list.binary_search_by(|(held, _)| held.borrow().cmp(key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_entry_takes_no_more_than_its_own_size() {
        let mut map: OrderedMap<u64, u64> = OrderedMap::default();
        assert_eq!((map.len(), map.memory(), size_of_val(&map)), (0, 0, 24));
        map.insert(7, 1);
        assert_eq!(map.memory(), 16);
        (0..100).for_each(|key| map.insert(key, key));
        assert!(map.memory() > 100 * 16);
        (0..100).for_each(|key| assert_eq!(map.remove(&key), Some(key)));
        assert_eq!((map.len(), map.memory()), (0, 0));
    }

    proptest! {
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((0..8_u8, 0..24_u64), 0..120)) {
            let (mut map, mut model) = (OrderedMap::default(), BTreeMap::new());
            for (kind, key) in steps {
                match kind {
                    0..=3 => {
                        map.insert(key, kind);
                        model.insert(key, kind);
                    }
                    4..=5 => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                    6 => prop_assert_eq!(map.pop_last(), model.pop_last()),
                    _ => {
                        map.get_mut(&key).into_iter().for_each(|value| *value = 9);
                        model.get_mut(&key).into_iter().for_each(|value| *value = 9);
                    }
                }
                prop_assert_eq!(map.len(), model.len());
                prop_assert_eq!(map.get(&key), model.get(&key));
                for start in [Bound::Unbounded, Bound::Included(&key), Bound::Excluded(&key)] {
                    let expected = model.range((start, Bound::Unbounded));
                    prop_assert!(map.from(start).eq(expected));
                }
            }
        }
    }
}
