//! Nodes are added, removed, and get other addresses.

use crate::cmd;
use crate::servers::cluster::Cluster;
use crate::wait::{LATER, eventually};

impl Cluster {
    /// Adds a node without slots. Returns it when all nodes know it.
    #[track_caller]
    pub fn add_primary(&mut self) -> usize {
        let node = self.len();
        self.begin(1);
        self.introduce(node);
        self.agree();
        node
    }

    /// Adds a replica of this primary. Returns it when it has the primary's data.
    #[track_caller]
    pub fn add_replica(&mut self, primary: usize) -> usize {
        let node = self.len();
        self.begin(1);
        self.introduce(node);
        self.make_replica(node, primary);
        self.agree();
        node
    }

    /// Removes a node without slots: all others forget it, and it ends.
    #[track_caller]
    pub fn take_out(&mut self, node: usize) {
        assert!(self.slots_of(node).is_empty(), "move its slots first");
        let others = self.running().into_iter().filter(|other| *other != node);
        for other in others {
            cmd!(self.node(other), "CLUSTER", "FORGET", self.id(node)).ok();
        }
        self.kill(node);
        self.nodes[node].is_gone = true;
        self.agree();
    }

    /// Stops a node and starts it at other addresses, with its data. Returns when all nodes know
    /// these.
    #[track_caller]
    pub fn restart_elsewhere(&mut self, node: usize) {
        let changed = &mut self.nodes[node];
        changed.redis.stop();
        changed.redis.take_other_ports();
        changed.redis.begin();
        changed.wait_up();
        let port = self.address(node).port();
        eventually("the new address everywhere", LATER, || {
            for n in self.running() {
                let view = self.view(n);
                let seen = view.iter().find(|seen| seen.id == self.id(node));
                if seen.is_none_or(|seen| seen.port != port) {
                    return Err(self.story());
                }
            }
            Ok(())
        });
    }
}
