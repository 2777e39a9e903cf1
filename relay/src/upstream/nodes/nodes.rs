//! All nodes, and what the relay knows of them: the map of slots, the wanted channels, the overview.
//!
//! A server that stands alone is one node with all slots; a cluster is learned from its nodes
//! (`following.rs`) and from what they answer to misplaced commands; where there are Sentinels, they
//! name the one server. New nodes get a task that keeps a link open (`node.rs`), and hear of the
//! rest through `surroundings.rs`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use chat_protocol::slot::SLOTS;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};

use crate::config::Endpoint;
use crate::metrics::METRICS;
use crate::panics::restart_on_panic;
use crate::upstream::commands::Command;
use crate::upstream::dialling::dial::Dialler;
use crate::upstream::dialling::greeting::Mode;
use crate::upstream::health::Problem;
use crate::upstream::listener::Listener;
use crate::upstream::nodes::node::Node;
use crate::upstream::nodes::node_map::NodeMap;
use crate::upstream::nodes::overview::{NodeId, NodeReport, Overview};
use crate::upstream::subscriptions::NodeNumber;
use crate::upstream::subscriptions::wanted::{Consequences, Wanted};
use crate::upstream::topology::sentinel::Sentinels;

/// How the nodes are reached.
pub(in crate::upstream) struct Access {
    /// Opens connections.
    pub(in crate::upstream) dialler: Arc<Dialler>,
    /// How the nodes are found.
    pub(in crate::upstream) finding: Finding,
    /// How the names of rooms for probes begin.
    pub(in crate::upstream) probe_room: String,
    /// How often links are probed.
    pub(in crate::upstream) probe_interval: Duration,
}

/// How the nodes are found.
pub(in crate::upstream) enum Finding {
    /// By asking these servers, and then each other.
    BySeeds(Vec<Endpoint>),
    /// By Sentinels, which name the one primary.
    BySentinels(Sentinels),
}

/// The nodes.
pub(in crate::upstream) struct Nodes {
    pub(in crate::upstream) access: Access,
    pub(in crate::upstream) map: RwLock<NodeMap>,
    /// What the servers are, by their own words.
    pub(in crate::upstream) mode: Mutex<Option<Mode>>,
    /// The highest epoch of the views that were taken over, and when it was last seen.
    pub(in crate::upstream) newest_view: Mutex<Option<(u64, Instant)>>,
    next_number: AtomicU32,
    pub(in crate::upstream) wanted: Wanted,
    /// Why no node is known.
    pub(in crate::upstream) problem: Mutex<Problem>,
    overview: watch::Sender<Arc<Overview>>,
    /// Counts changes of the map and of the nodes.
    changes: watch::Sender<u64>,
    pub(in crate::upstream) look: Notify,
    pub(in crate::upstream) listener: OnceLock<Arc<dyn Listener>>,
    /// When a refused subscription was last logged.
    pub(in crate::upstream) refusal_logged_at: Mutex<Option<Instant>>,
}

impl Nodes {
    /// No nodes yet; [`Nodes::run`] finds them.
    pub(in crate::upstream) fn new(access: Access) -> Nodes {
        let problem = Problem::Unreachable("not yet tried".into());
        Nodes {
            access,
            map: RwLock::default(),
            mode: Mutex::new(None),
            newest_view: Mutex::new(None),
            next_number: AtomicU32::new(0),
            wanted: Wanted::new(),
            overview: watch::Sender::new(Arc::new(Overview::of_nobody(problem.clone()))),
            problem: Mutex::new(problem),
            changes: watch::Sender::new(0),
            look: Notify::new(),
            listener: OnceLock::new(),
            refusal_logged_at: Mutex::new(None),
        }
    }

    // What callers ask.

    /// The node of this room. None: no node is known to own its slot.
    pub(in crate::upstream) fn of_room(&self, room: &str) -> Option<Arc<Node>> {
        self.map.read().owner_of_key(room.as_bytes()).cloned()
    }

    /// The node that executes this command.
    pub(in crate::upstream) fn of_command(&self, command: &Command) -> Option<Arc<Node>> {
        let map = self.map.read();
        match command.key() {
            Some(key) => map.owner_of_key(key).cloned(),
            None => map.owners().find(|node| node.is_linked()).cloned(),
        }
    }

    /// The node that executes all these commands, if there is one.
    pub(in crate::upstream) fn of_all(&self, commands: &[Command]) -> Option<Arc<Node>> {
        let map = self.map.read();
        if let Some(sole) = map.sole_owner() {
            return Some(sole.clone());
        }
        let mut owners = commands.iter().map(|command| map.owner_of_key(command.key()?));
        let first = owners.next()??;
        owners.all(|owner| owner == Some(first)).then(|| first.clone())
    }

    /// The owners of slots.
    pub(in crate::upstream) fn owners(&self) -> Vec<Arc<Node>> {
        self.map.read().owners().cloned().collect()
    }

    /// Why no node is known for a room.
    pub(in crate::upstream) fn problem(&self) -> Problem {
        match self.map.read().owners().next() {
            Some(_) => Problem::NoOwner,
            None => self.problem.lock().clone(),
        }
    }

    /// A receiver of a number that changes with the map and with each node.
    pub(in crate::upstream) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The state of all nodes.
    pub(in crate::upstream) fn overview(&self) -> Arc<Overview> {
        self.overview.borrow().clone()
    }

    /// What an operator sees of the nodes that have slots.
    pub(in crate::upstream) fn reports(&self) -> Vec<NodeReport> {
        self.map.read().reports()
    }

    /// A receiver of changes of the overview.
    pub(in crate::upstream) fn overviews(&self) -> watch::Receiver<Arc<Overview>> {
        self.overview.subscribe()
    }

    /// Wants a channel.
    pub(in crate::upstream) fn subscribe(&self, channel: Arc<str>) {
        self.wanted.want(channel.clone());
        self.wake_for(&channel);
    }

    /// Wants a channel no more.
    pub(in crate::upstream) fn unsubscribe(&self, channel: Arc<str>) {
        self.wanted.forget(channel.clone());
        self.wake_for(&channel);
    }

    /// Makes somebody take up what the hub wants.
    fn wake_for(&self, channel: &str) {
        match self.of_room(channel).filter(|node| node.is_linked()) {
            Some(node) => node.has_orders.notify_one(),
            None => self.wanted.stir(),
        }
    }

    /// A command for this room was answered with `ASK` to this node: its channel is at both.
    pub(in crate::upstream) fn follow_room(&self, room: &str, node: &Node) {
        self.carry_out(self.wanted.follow(room, node.number));
    }

    /// Looks soon: something shows that the map may be wrong.
    pub(in crate::upstream) fn look_soon(&self) {
        self.look.notify_one();
    }

    /// Looks soon, unless there is one server without Sentinels.
    pub(in crate::upstream) fn look_elsewhere(&self) {
        let has_sentinels = matches!(self.access.finding, Finding::BySentinels(_));
        if has_sentinels || *self.mode.lock() == Some(Mode::Cluster) {
            self.look_soon();
        }
    }

    // What nodes say.

    /// Learns from a redirect: `MOVED` with these details, from the node at `asked`.
    pub(in crate::upstream) fn learn_moved(self: &Arc<Self>, slot: u16, to: &Endpoint) {
        if *self.mode.lock() != Some(Mode::Cluster) {
            return self.look_soon();
        }
        let changed = {
            let mut map = self.map.write();
            let Some(node) = map.node_at(to, || self.make(to, None)) else { return };
            map.assign(slot, &node)
        };
        if changed {
            let owner = |slot| self.number_of_owner(slot);
            self.carry_out(self.wanted.assign(std::iter::once(slot), owner));
            self.anything_changed();
        }
        self.look_soon();
    }

    /// The node at this address, which a redirect names.
    pub(in crate::upstream) fn at(self: &Arc<Self>, endpoint: &Endpoint) -> Option<Arc<Node>> {
        self.map.write().node_at(endpoint, || self.make(endpoint, None))
    }

    /// A new node, whose task begins.
    pub(in crate::upstream) fn make(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        id: Option<&NodeId>,
    ) -> Arc<Node> {
        let number = NodeNumber(self.next_number.fetch_add(1, Ordering::Relaxed));
        let id = id.cloned().unwrap_or_else(|| NodeId::new(&endpoint.to_string()));
        let node = Arc::new(Node::new(number, endpoint.clone(), id, self.clone()));
        let running = node.clone();
        tokio::spawn(restart_on_panic("keeping a node", move || running.clone().run()));
        node
    }

    /// The owners of slots are others than before.
    pub(in crate::upstream) fn map_changed(&self) {
        let owner = |slot| self.number_of_owner(slot);
        self.carry_out(self.wanted.assign(0..SLOTS, owner));
        self.anything_changed();
    }

    pub(in crate::upstream) fn anything_changed(&self) {
        // Made while nobody else makes one: else an older overview could replace a newer one.
        self.overview.send_if_modified(|old| {
            let overview = self.look_over();
            let changed = **old != overview;
            if changed {
                *old = Arc::new(overview);
            }
            changed
        });
        self.changes.send_modify(|count| *count += 1);
    }

    /// The overview now, and the metrics of it.
    fn look_over(&self) -> Overview {
        let (overview, nodes, linked) = {
            let map = self.map.read();
            let linked = map.nodes().filter(|node| node.is_linked()).count();
            let overview = match map.owners().next() {
                Some(_) => map.overview(),
                None => Overview::of_nobody(self.problem.lock().clone()),
            };
            (overview, map.nodes().count(), linked)
        };
        METRICS.nodes.set(nodes as f64);
        METRICS.nodes_open.set(linked as f64);
        METRICS.slots_unproven.set(f64::from(SLOTS - overview.readable_slots()));
        METRICS.upstream_up.set(f64::from(u8::from(overview.is_ready())));
        METRICS.upstream_writes.set(f64::from(u8::from(overview.open_slots() == SLOTS)));
        overview
    }

    pub(in crate::upstream) fn number_of_owner(&self, slot: u16) -> Option<NodeNumber> {
        self.map.read().owner(slot).map(|node| node.number)
    }

    pub(in crate::upstream) fn carry_out(&self, consequences: Consequences) {
        if !consequences.write.is_empty() {
            let map = self.map.read();
            for node in map.nodes().filter(|node| consequences.write.contains(&node.number)) {
                node.has_orders.notify_one();
            }
        }
        if consequences.refresh {
            self.look_elsewhere();
        }
    }
}
