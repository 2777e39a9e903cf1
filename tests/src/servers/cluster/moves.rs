//! Slots move from one primary to another, as the tools of operators move them: in three steps, so
//! that a scenario can look between them.

use crate::clients::reply::Reply;
use crate::clients::wire::{Command, Wire};
use crate::servers::cluster::Cluster;
use crate::wait::{LATER, eventually};
use crate::{args, cmd};

/// Keys of one MIGRATE.
const KEYS: usize = 100;

/// Slots on their way. Between [`Move::begin`] and [`Move::migrate`] the source answers for keys
/// that it has; between that and [`Move::finish`] it sends clients to the target (`ASK`).
pub struct Move {
    slots: Vec<u16>,
    from: String,
    to: String,
    /// The target's port. Not that of its proxy: only clients use these.
    port: u16,
    source: Wire,
    target: Wire,
    /// Other primaries.
    others: Vec<Wire>,
}

impl Move {
    /// Tells both that these slots are about to move; `from` owns them.
    #[track_caller]
    pub fn begin(cluster: &Cluster, slots: &[u16], from: usize, to: usize) -> Move {
        let others = cluster.primaries().into_iter().filter(|n| ![from, to].contains(n));
        let mut moving = Move {
            slots: slots.to_vec(),
            from: cluster.id(from).to_owned(),
            to: cluster.id(to).to_owned(),
            port: cluster.node(to).address().port(),
            source: cluster.node(from).wire(),
            target: cluster.node(to).wire(),
            others: others.map(|n| cluster.node(n).wire()).collect(),
        };
        slots.iter().for_each(|slot| moving.begin_slot(*slot));
        moving
    }

    /// Moves the keys of these slots.
    #[track_caller]
    pub fn migrate(&mut self) {
        for slot in self.slots.clone() {
            self.migrate_slot(slot);
        }
    }

    /// Moves only these keys.
    #[track_caller]
    pub fn migrate_only(&mut self, keys: &[String]) {
        self.migrate_keys(keys).ok();
    }

    /// Makes the target the owner.
    #[track_caller]
    pub fn finish(mut self) {
        for slot in self.slots.clone() {
            self.finish_slot(slot);
        }
    }

    /// Gives up: the slots stay where they are. Keys that have moved already stay at the target.
    #[track_caller]
    pub fn cancel(mut self) {
        for slot in &self.slots {
            let stable = args!["CLUSTER", "SETSLOT", *slot, "STABLE"];
            self.target.call(&stable).ok();
            self.source.call(&stable).ok();
        }
    }

    #[track_caller]
    fn begin_slot(&mut self, slot: u16) {
        cmd!(self.target, "CLUSTER", "SETSLOT", slot, "IMPORTING", &self.from).ok();
        cmd!(self.source, "CLUSTER", "SETSLOT", slot, "MIGRATING", &self.to).ok();
    }

    #[track_caller]
    fn migrate_slot(&mut self, slot: u16) {
        eventually("a slot without keys", LATER, || {
            let keys = cmd!(self.source, "CLUSTER", "GETKEYSINSLOT", slot, KEYS).texts();
            if keys.is_empty() {
                return Ok(());
            }
            let moved = self.migrate_keys(&keys);
            Err(format!("{keys:?}: {moved:?}"))
        });
    }

    fn migrate_keys(&mut self, keys: &[String]) -> Reply {
        let mut command = args!["MIGRATE", "127.0.0.1", self.port, "", 0, 5000, "KEYS"];
        command.extend(keys.iter().map(|key| key.clone().into_bytes()));
        self.source.call(&command)
    }

    /// The target is told first, then the source, then the others.
    #[track_caller]
    fn finish_slot(&mut self, slot: u16) {
        let owned: Command = args!["CLUSTER", "SETSLOT", slot, "NODE", &self.to];
        let told = [&mut self.target, &mut self.source].into_iter().chain(&mut self.others);
        for wire in told {
            // Valkey wants the node's replica to know it too, which may take a moment.
            eventually("a node that knows the slot's owner", LATER, || match wire.call(&owned) {
                Reply::Error(line) => Err(line),
                _ => Ok(()),
            });
        }
    }
}

impl Cluster {
    /// Moves slots, one after the other and as fast as it goes; `from` owns them.
    #[track_caller]
    pub fn move_slots(&self, slots: &[u16], from: usize, to: usize) {
        let mut moving = Move::begin(self, &[], from, to);
        for slot in slots {
            moving.begin_slot(*slot);
            moving.migrate_slot(*slot);
            moving.finish_slot(*slot);
        }
    }

    /// The first slots of a node.
    #[track_caller]
    pub fn first_slots(&self, node: usize, count: usize) -> Vec<u16> {
        self.slots_of(node).into_iter().take(count).collect()
    }
}
