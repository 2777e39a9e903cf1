//! The map: all nodes, and which of them owns which slot.
//!
//! Changed in two ways: one slot, when a node has said `MOVED`, and as a whole, by what the cluster
//! says of itself. A node that owns no slots stays for a while: a slot may come back, and what is in
//! flight ends first.
//!
//! Where the nodes are learned from is not known here; see `nodes.rs`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_protocol::slot::SLOTS;

use crate::config::Endpoint;
use crate::upstream::nodes::node::Node;
use crate::upstream::nodes::overview::{NodeId, NodeOverview, NodeReport, Overview};
use crate::upstream::nodes::slots::SlotMap;
use crate::upstream::topology::cluster_view::SlotRange;

/// A node without slots is kept for this time.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Most nodes. Clusters are not made larger than this.
const NODES_MAX: usize = 1000;

/// The nodes and their slots.
pub(in crate::upstream) struct NodeMap {
    slots: SlotMap<Arc<Node>>,
    nodes: HashMap<Endpoint, Known>,
}

struct Known {
    node: Arc<Node>,
    /// Since when it owns no slot. None: it owns some.
    idle_since: Option<Instant>,
}

impl Default for NodeMap {
    fn default() -> NodeMap {
        NodeMap { slots: SlotMap::empty(), nodes: HashMap::new() }
    }
}

impl NodeMap {
    /// The owner of this key's slot.
    pub(in crate::upstream) fn owner_of_key(&self, key: &[u8]) -> Option<&Arc<Node>> {
        self.slots.owner_of_key(key)
    }

    /// The owner of this slot.
    pub(in crate::upstream) fn owner(&self, slot: u16) -> Option<&Arc<Node>> {
        self.slots.owner(slot)
    }

    /// The node that owns all slots, if there is one.
    pub(in crate::upstream) fn sole_owner(&self) -> Option<&Arc<Node>> {
        self.slots.sole_owner()
    }

    /// The owners of slots.
    pub(in crate::upstream) fn owners(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.slots.owners().map(|(node, _)| node)
    }

    /// All nodes, those without slots too.
    pub(in crate::upstream) fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values().map(|known| &known.node)
    }

    /// The node at this address; a new one if there is none. None: there are too many.
    pub(in crate::upstream) fn node_at(
        &mut self,
        endpoint: &Endpoint,
        make: impl FnOnce() -> Arc<Node>,
    ) -> Option<Arc<Node>> {
        if let Some(known) = self.nodes.get_mut(endpoint) {
            // It is of use: it begins anew to be idle.
            if known.idle_since.is_some() {
                known.idle_since = Some(Instant::now());
            }
            return Some(known.node.clone());
        }
        if self.nodes.len() >= NODES_MAX {
            return None;
        }
        let known = Known { node: make(), idle_since: Some(Instant::now()) };
        let node = known.node.clone();
        self.nodes.insert(endpoint.clone(), known);
        Some(node)
    }

    /// Gives one slot to this node. Returns whether that changes anything.
    pub(in crate::upstream) fn assign(&mut self, slot: u16, node: &Arc<Node>) -> bool {
        let changed = self.slots.assign(slot, node);
        if changed {
            self.note_idle();
        }
        changed
    }

    /// Replaces the map by these ranges. `make` makes nodes that are new. Returns whether any slot
    /// has another owner now.
    pub(in crate::upstream) fn replace(
        &mut self,
        ranges: &[SlotRange],
        mut make: impl FnMut(&Endpoint, &NodeId) -> Arc<Node>,
    ) -> bool {
        let mut slots = SlotMap::empty();
        for range in ranges {
            let node = self.node_at(&range.endpoint, || make(&range.endpoint, &range.id));
            let Some(node) = node else { continue };
            node.set_id(&range.id);
            for slot in range.first..=range.last {
                slots.assign(slot, &node);
            }
        }
        let changed = (0..SLOTS).any(|slot| self.slots.owner(slot) != slots.owner(slot));
        self.slots = slots;
        self.note_idle();
        changed
    }

    /// Gives the place and the slots of a node to another one at the same address. Returns whether
    /// the node was still there.
    pub(in crate::upstream) fn succeed(&mut self, old: &Arc<Node>, new: &Arc<Node>) -> bool {
        let Some(known) = self.nodes.get_mut(&old.endpoint).filter(|known| known.node == *old)
        else {
            return false;
        };
        known.node = new.clone();
        if self.slots.sole_owner() == Some(old) {
            self.slots = SlotMap::of_one(new.clone());
        } else {
            for slot in
                (0..SLOTS).filter(|slot| self.slots.owner(*slot) == Some(old)).collect::<Vec<_>>()
            {
                self.slots.assign(slot, new);
            }
        }
        true
    }

    /// Replaces the map by this one node, which owns all slots. Returns the others.
    pub(in crate::upstream) fn replace_by_one(&mut self, node: Arc<Node>) -> Vec<Arc<Node>> {
        let known = Known { node: node.clone(), idle_since: None };
        let others = std::mem::take(&mut self.nodes).into_values().map(|known| known.node);
        let others = others.filter(|other| *other != node).collect();
        self.nodes.insert(node.endpoint.clone(), known);
        self.slots = SlotMap::of_one(node);
        others
    }

    /// Replaces the map by an empty one. Returns the nodes.
    pub(in crate::upstream) fn replace_by_none(&mut self) -> Vec<Arc<Node>> {
        self.slots = SlotMap::empty();
        std::mem::take(&mut self.nodes).into_values().map(|known| known.node).collect()
    }

    fn note_idle(&mut self) {
        let now = Instant::now();
        for known in self.nodes.values_mut() {
            let is_idle = self.slots.count_of(&known.node) == 0;
            if known.idle_since.is_some() && !is_idle {
                known.node.slots_came();
            }
            known.idle_since = is_idle.then(|| known.idle_since.unwrap_or(now));
        }
    }

    /// Removes the nodes that have owned no slot for a while, and returns them.
    pub(in crate::upstream) fn remove_idle(&mut self, now: Instant) -> Vec<Arc<Node>> {
        let is_over = |known: &Known| {
            known.idle_since.is_some_and(|since| now.saturating_duration_since(since) >= IDLE_MAX)
        };
        self.nodes.extract_if(|_, known| is_over(known)).map(|(_, known)| known.node).collect()
    }

    /// Removes this node if it owns no slots. Returns whether it did.
    pub(in crate::upstream) fn remove_useless(&mut self, node: &Node) -> bool {
        let is_useless = |known: &mut Known| *known.node == *node && known.idle_since.is_some();
        self.nodes.extract_if(|_, known| is_useless(known)).next().is_some()
    }

    /// What is known of the nodes that own slots.
    pub(in crate::upstream) fn overview(&self) -> Overview {
        let node = |(node, slots): (&Arc<Node>, u16)| NodeOverview {
            id: node.id(),
            slots,
            state: node.state(),
        };
        Overview { nodes: self.slots.owners().map(node).collect() }
    }

    /// What an operator sees of the nodes that have slots.
    pub(in crate::upstream) fn reports(&self) -> Vec<NodeReport> {
        let overviews = self.overview().nodes.into_iter();
        let owners = self.slots.owners().map(|(node, _)| node);
        let report = |(node, owner): (NodeOverview, &Arc<Node>)| NodeReport {
            node,
            address: owner.endpoint.to_string(),
            probe: owner.probe.last(),
        };
        overviews.zip(owners).map(report).collect()
    }
}
