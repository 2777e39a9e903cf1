//! A walk over all rooms, which notes where each of them is when somebody begins to watch.

use std::collections::HashMap;

use chat_protocol::slot::SLOTS;

use crate::upstream::{NodeId, Upstream};

/// Rooms examined at each node by one step.
pub(super) const COUNT: u64 = 1_000;

/// Where a walk stands.
pub(super) struct Walk {
    /// Its number.
    pub(super) number: u64,
    /// The cursor of each node that has answered; `None`: it has no more.
    cursors: HashMap<NodeId, Option<String>>,
}

impl Walk {
    /// At its beginning.
    pub(super) fn new(number: u64) -> Walk {
        Walk { number, cursors: HashMap::new() }
    }

    /// Where this node goes on. `None`: it has no more.
    pub(super) fn cursor(&self, node: &NodeId) -> Option<&str> {
        match self.cursors.get(node) {
            None => Some("0"),
            Some(cursor) => cursor.as_deref(),
        }
    }

    /// A node has answered. `next`: where it goes on.
    pub(super) fn note(&mut self, node: NodeId, next: Option<String>) {
        self.cursors.insert(node, next);
    }

    /// Whether every node has been walked to its end.
    pub(super) fn is_complete(&self, upstream: &Upstream) -> bool {
        let overview = upstream.overview();
        let is_done = |node: &NodeId| matches!(self.cursors.get(node), Some(None));
        let mut owners = overview.nodes.iter().filter(|node| node.slots > 0);
        overview.readable_slots() == SLOTS && owners.all(|node| is_done(&node.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_asked_from_its_cursor_until_it_has_no_more() {
        let (mut walk, one, two) = (Walk::new(3), NodeId::new("one"), NodeId::new("two"));
        assert_eq!(walk.cursor(&one), Some("0"));
        walk.note(one.clone(), Some("5".into()));
        assert_eq!((walk.cursor(&one), walk.cursor(&two)), (Some("5"), Some("0")));
        walk.note(one.clone(), None);
        assert_eq!((walk.cursor(&one), walk.number), (None, 3));
    }
}
