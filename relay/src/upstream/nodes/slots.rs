//! Slots: which node owns which part of a cluster.
//!
//! The map is patched slot by slot or replaced as a whole. A server without a cluster is a map of
//! one node that owns all slots: then no slot of a key is computed at all.
//!
//! Nothing here knows where a map comes from, or what a node is.

use chat_protocol::slot::{SLOTS, slot_of};

/// Who owns each slot.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct SlotMap<N> {
    nodes: Vec<Owner<N>>,
    /// For each slot the place of its owner in `nodes`, or [`NOBODY`].
    owners: Box<[u16]>,
}

#[derive(Clone, Debug)]
struct Owner<N> {
    node: N,
    slots: u16,
}

const NOBODY: u16 = u16::MAX;

impl<N: Clone + PartialEq> SlotMap<N> {
    /// A map in which no slot has an owner.
    pub(in crate::upstream) fn empty() -> SlotMap<N> {
        SlotMap { nodes: Vec::new(), owners: vec![NOBODY; usize::from(SLOTS)].into() }
    }

    /// A map in which this node owns all slots.
    pub(in crate::upstream) fn of_one(node: N) -> SlotMap<N> {
        SlotMap {
            nodes: vec![Owner { node, slots: SLOTS }],
            owners: vec![0; usize::from(SLOTS)].into(),
        }
    }

    /// The node that owns all slots, if there is one.
    pub(in crate::upstream) fn sole_owner(&self) -> Option<&N> {
        match &self.nodes[..] {
            [Owner { node, slots: SLOTS }] => Some(node),
            _ => None,
        }
    }

    /// The node that owns this slot. None: nobody does, or there is no such slot.
    pub(in crate::upstream) fn owner(&self, slot: u16) -> Option<&N> {
        let place = *self.owners.get(usize::from(slot))?;
        self.nodes.get(usize::from(place)).map(|owner| &owner.node)
    }

    /// The owner of this key's slot.
    pub(in crate::upstream) fn owner_of_key(&self, key: &[u8]) -> Option<&N> {
        self.sole_owner().or_else(|| self.owner(slot_of(key)))
    }

    /// Gives one slot to this node. Returns whether that changes anything.
    pub(in crate::upstream) fn assign(&mut self, slot: u16, node: &N) -> bool {
        if slot >= SLOTS || self.owner(slot) == Some(node) {
            return false;
        }
        let place = match self.nodes.iter().position(|owner| owner.node == *node) {
            Some(place) => place,
            None => {
                self.nodes.push(Owner { node: node.clone(), slots: 0 });
                self.nodes.len() - 1
            }
        };
        let Ok(new) = u16::try_from(place) else { return false };
        let old = std::mem::replace(&mut self.owners[usize::from(slot)], new);
        self.nodes[place].slots += 1;
        if old == NOBODY {
            return true;
        }
        let before = usize::from(old);
        self.nodes[before].slots -= 1;
        if self.nodes[before].slots == 0 {
            self.remove(before);
        }
        true
    }

    /// Removes a node without slots. The last one takes its place.
    fn remove(&mut self, place: usize) {
        let last = self.nodes.len() - 1;
        self.nodes.swap_remove(place);
        for owner in &mut self.owners {
            if *owner != NOBODY && usize::from(*owner) == last {
                *owner = u16::try_from(place).unwrap_or(NOBODY);
            }
        }
    }

    /// The owners of slots, with how many each has.
    pub(in crate::upstream) fn owners(&self) -> impl Iterator<Item = (&N, u16)> {
        self.nodes.iter().map(|owner| (&owner.node, owner.slots))
    }

    /// How many slots this node owns.
    pub(in crate::upstream) fn count_of(&self, node: &N) -> u16 {
        let owner = self.nodes.iter().find(|owner| owner.node == *node);
        owner.map_or(0, |owner| owner.slots)
    }
}

/// `prefix` with the lowest number behind it for which the name lies in a wanted slot. None: there
/// is no such slot.
pub(in crate::upstream) fn name_in(
    prefix: &str,
    is_wanted: impl Fn(u16) -> bool,
) -> Option<String> {
    if !(0..SLOTS).any(&is_wanted) {
        return None;
    }
    // Each number hits one of the wanted slots at random; this many miss a single one never.
    (0..1_000_000_u32)
        .map(|number| format!("{prefix}{number}"))
        .find(|name| is_wanted(slot_of(name.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_move_single_slots_and_forget_nodes_without_any() {
        let mut map = SlotMap::empty();
        assert_eq!(map.owner(0), None);
        for slot in 0..100 {
            assert!(map.assign(slot, &'a'));
        }
        for slot in 100..SLOTS {
            map.assign(slot, &'b');
        }
        assert_eq!((map.count_of(&'a'), map.count_of(&'b')), (100, SLOTS - 100));
        assert_eq!(map.sole_owner(), None);
        assert!(map.assign(7, &'c'));
        assert!(!map.assign(7, &'c'), "it is there already");
        assert!(!map.assign(SLOTS, &'c'), "there is no such slot");
        assert_eq!(
            (map.owner(6), map.owner(7), map.owner(8)),
            (Some(&'a'), Some(&'c'), Some(&'a'))
        );
        for slot in 0..SLOTS {
            map.assign(slot, &'c');
        }
        assert_eq!(map.sole_owner(), Some(&'c'));
        assert_eq!(map.owners().collect::<Vec<_>>(), [(&'c', SLOTS)]);
        assert!((0..SLOTS).all(|slot| map.owner(slot) == Some(&'c')));
        assert_eq!(map.owner(SLOTS), None);
    }

    #[test]
    fn one_node_owns_all() {
        let map = SlotMap::of_one('a');
        assert_eq!(map.owner_of_key(b"foo"), Some(&'a'));
        assert_eq!(map.sole_owner(), Some(&'a'));
        assert_eq!(map.owner(SLOTS - 1), Some(&'a'));
    }

    #[test]
    fn a_name_is_found_in_each_slot() {
        for slot in [0, 1, 8191, SLOTS - 1] {
            let name = name_in("@*relay:a:b:", |each| each == slot).expect("a name");
            assert_eq!(slot_of(name.as_bytes()), slot, "{name}");
        }
        assert_eq!(name_in("p", |_| true).as_deref(), Some("p0"));
        assert_eq!(name_in("p", |_| false), None);
    }
}
