//! The state of a room's node: what the upstream says of it, and waiting until it is such.
//!
//! Who asks names the room, because rooms may lie on different nodes.

use crate::upstream::health::State;
use crate::upstream::nodes::overview::NodeId;
use crate::upstream::upstream::{PATIENCE, Upstream, may_come};

impl Upstream {
    /// Whether the room's node is connected and proven. It may still refuse some commands.
    pub(crate) fn is_up(&self, room: &str) -> bool {
        self.nodes.of_room(room).is_some_and(|node| node.is_linked())
    }

    /// Returns once the room's node is connected and proven.
    pub(crate) async fn wait_up(&self, room: &str) {
        self.wait_until(|_| self.is_up(room)).await;
    }

    /// Whether the room's node is connected and proven, perhaps only in a moment: a node that may
    /// have a link soon is waited for.
    pub(crate) async fn reach(&self, room: &str) -> bool {
        if self.is_up(room) {
            return true;
        }
        let is_decided = self.wait_until(|_| self.is_up(room) || self.is_away(room));
        let _ = tokio::time::timeout(PATIENCE, is_decided).await;
        self.is_up(room)
    }

    /// Whether the room has no node, or one without a link to which the last attempt has failed.
    pub(crate) fn is_away(&self, room: &str) -> bool {
        self.nodes.of_room(room).is_none_or(|node| !node.is_linked() && !may_come(&node))
    }

    /// Whether the room's node can be used, and if not, why.
    pub(crate) fn state_of(&self, room: &str) -> State {
        match self.nodes.of_room(room) {
            Some(node) => node.state(),
            None => State::Unavailable(self.nodes.problem()),
        }
    }

    /// Whether the room's node accepts writes, as far as is known.
    pub(crate) fn is_open(&self, room: &str) -> bool {
        let node = self.nodes.of_room(room);
        node.is_some_and(|node| node.is(|state| *state == State::Open))
    }

    /// Returns once the room's node accepts writes.
    pub(crate) async fn wait_open(&self, room: &str) {
        self.wait_until(|_| self.is_open(room)).await;
    }

    /// Returns once the room's node can be read.
    pub(crate) async fn wait_readable(&self, room: &str) {
        self.wait_until(|_| self.state_of(room).can_read()).await;
    }

    /// Returns once something holds that depends on the state of nodes.
    pub(crate) async fn wait_until(&self, holds: impl Fn(&Upstream) -> bool) {
        let mut changes = self.nodes.changes();
        // The sender lives in `self`: waiting cannot fail.
        while !holds(self) && changes.changed().await.is_ok() {}
    }

    /// The node that has the room's slot. `None`: no node is known to.
    pub(crate) fn owner(&self, room: &str) -> Option<NodeId> {
        self.nodes.of_room(room).map(|node| node.id())
    }
}
