//! All nodes: follows who owns which slots, and tells channels and callers.
//!
//! A server that stands alone is one node with all slots; a cluster is learned from its nodes
//! (`topology.rs`) and from what they answer to misplaced commands; where there are Sentinels, they
//! name the one server (`sentinel.rs`). New nodes get a task that keeps a link open (`node.rs`);
//! those that own nothing any more are given up after a while.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use chat_protocol::slot::{SLOTS, slot_of};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use crate::config::Endpoint;
use crate::metrics::METRICS;
use crate::panics::restart_on_panic;
use crate::upstream::cluster_view::ClusterView;
use crate::upstream::commands::Command;
use crate::upstream::dial::Dialler;
use crate::upstream::greeting::Mode;
use crate::upstream::health::{Problem, State};
use crate::upstream::link::PROFILE_CHANNEL;
use crate::upstream::listener::{LinkListener, Listener};
use crate::upstream::node::{Node, Surroundings};
use crate::upstream::node_map::NodeMap;
use crate::upstream::overview::{NodeId, Overview};
use crate::upstream::routing::redirect;
use crate::upstream::sentinel::{Primary, Sentinels};
use crate::upstream::slots::name_in;
use crate::upstream::subscriptions::NodeNumber;
use crate::upstream::topology::{Known, Look, Pace, look};
use crate::upstream::wanted::{Consequences, Wanted};

/// A lasting problem is logged once in this time.
const LOG_INTERVAL: Duration = Duration::from_secs(30);
/// Pause between two looks for what is left to do.
const TIDY_INTERVAL: Duration = Duration::from_secs(1);

/// Pause between two questions to Sentinels because the primary is in doubt.
const DOUBT_INTERVAL: Duration = Duration::from_millis(500);

/// How the nodes are reached.
pub(super) struct Access {
    /// Opens connections.
    pub(super) dialler: Arc<Dialler>,
    /// How the nodes are found.
    pub(super) finding: Finding,
    /// How the names of rooms for probes begin.
    pub(super) probe_room: String,
    /// How often links are probed.
    pub(super) probe_interval: Duration,
}

/// How the nodes are found.
pub(super) enum Finding {
    /// By asking these servers, and then each other.
    BySeeds(Vec<Endpoint>),
    /// By Sentinels, which name the one primary.
    BySentinels(Sentinels),
}

/// The nodes.
pub(super) struct Nodes {
    access: Access,
    map: RwLock<NodeMap>,
    /// What the servers are, by their own words.
    mode: Mutex<Option<Mode>>,
    next_number: AtomicU32,
    wanted: Wanted,
    /// Why no node is known.
    problem: Mutex<Problem>,
    overview: watch::Sender<Arc<Overview>>,
    /// Counts changes of the map and of the nodes.
    changes: watch::Sender<u64>,
    look: Notify,
    listener: OnceLock<Arc<dyn Listener>>,
}

impl Nodes {
    /// No nodes yet; [`Nodes::run`] finds them.
    pub(super) fn new(access: Access) -> Nodes {
        let problem = Problem::Unreachable("not yet tried".into());
        Nodes {
            access,
            map: RwLock::default(),
            mode: Mutex::new(None),
            next_number: AtomicU32::new(0),
            wanted: Wanted::new(),
            overview: watch::Sender::new(Arc::new(Overview::of_nobody(problem.clone()))),
            problem: Mutex::new(problem),
            changes: watch::Sender::new(0),
            look: Notify::new(),
            listener: OnceLock::new(),
        }
    }

    // What callers ask.

    /// The node of this room. None: no node is known to own its slot.
    pub(super) fn of_room(&self, room: &str) -> Option<Arc<Node>> {
        self.map.read().owner_of_key(room.as_bytes()).cloned()
    }

    /// The node that executes this command.
    pub(super) fn of_command(&self, command: &Command) -> Option<Arc<Node>> {
        let map = self.map.read();
        match command.key() {
            Some(key) => map.owner_of_key(key).cloned(),
            None => map.owners().find(|node| node.is_linked()).cloned(),
        }
    }

    /// The node that executes all these commands, if there is one.
    pub(super) fn of_all(&self, commands: &[Command]) -> Option<Arc<Node>> {
        let map = self.map.read();
        if let Some(sole) = map.sole_owner() {
            return Some(sole.clone());
        }
        let mut owners = commands.iter().map(|command| map.owner_of_key(command.key()?));
        let first = owners.next()??;
        owners.all(|owner| owner == Some(first)).then(|| first.clone())
    }

    /// The owners of slots.
    pub(super) fn owners(&self) -> Vec<Arc<Node>> {
        self.map.read().owners().cloned().collect()
    }

    /// Why no node is known for a room.
    pub(super) fn problem(&self) -> Problem {
        match self.map.read().owners().next() {
            Some(_) => Problem::NoOwner,
            None => self.problem.lock().clone(),
        }
    }

    /// A receiver of a number that changes with the map and with each node.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The state of all nodes.
    pub(super) fn overview(&self) -> Arc<Overview> {
        self.overview.borrow().clone()
    }

    /// A receiver of changes of the overview.
    pub(super) fn overviews(&self) -> watch::Receiver<Arc<Overview>> {
        self.overview.subscribe()
    }

    /// Wants a channel.
    pub(super) fn subscribe(&self, channel: Arc<str>) {
        self.wanted.want(channel.clone());
        self.wake_for(&channel);
    }

    /// Wants a channel no more.
    pub(super) fn unsubscribe(&self, channel: Arc<str>) {
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
    pub(super) fn follow_room(&self, room: &str, node: &Node) {
        self.carry_out(self.wanted.follow(room, node.number));
    }

    /// Looks soon: something shows that the map may be wrong.
    pub(super) fn look_soon(&self) {
        self.look.notify_one();
    }

    // What nodes say.

    /// Learns from a redirect: `MOVED` with these details, from the node at `asked`.
    pub(super) fn learn_moved(self: &Arc<Self>, slot: u16, to: &Endpoint) {
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
    pub(super) fn at(self: &Arc<Self>, endpoint: &Endpoint) -> Option<Arc<Node>> {
        self.map.write().node_at(endpoint, || self.make(endpoint, None))
    }

    // The task that follows the topology.

    /// Follows who owns which slots, forever.
    pub(super) async fn run(self: Arc<Self>, listener: Arc<dyn Listener>) {
        self.wanted.set_listener(listener.clone());
        let _ = self.listener.set(listener);
        let follow = async {
            match &self.access.finding {
                Finding::BySeeds(seeds) => self.follow_topology(seeds).await,
                Finding::BySentinels(sentinels) => self.follow_sentinels(sentinels).await,
            }
        };
        tokio::join!(follow, self.tend_subscriptions(), self.tidy());
    }

    async fn follow_topology(self: &Arc<Self>, seeds: &[Endpoint]) {
        let mut pace = Pace::new();
        let mut logged_at: Option<Instant> = None;
        loop {
            pace.wait(&self.look, self.known()).await;
            let linked = self.map.read().nodes().filter(|node| node.is_linked()).cloned().collect();
            let changed = match look(linked, seeds.to_vec(), &self.access.dialler).await {
                Look::Cluster(view) => self.adopt(&view, &mut logged_at),
                Look::Standalone(endpoint) if seeds.len() == 1 => self.adopt_one(&endpoint),
                Look::Standalone(endpoint) => {
                    self.note_problem(Problem::ManyServers(endpoint.to_string()), &mut logged_at)
                }
                Look::Nothing(problem) => self.note_problem(problem, &mut logged_at),
            };
            pace.note(changed);
        }
    }

    /// Sends requests for subscriptions again when that is due, forever.
    async fn tend_subscriptions(&self) {
        loop {
            self.wanted.due().await;
            self.carry_out(self.wanted.tick());
        }
    }

    /// Uses the primary that Sentinels name, and no other one.
    async fn follow_sentinels(self: &Arc<Self>, sentinels: &Sentinels) {
        let follow = async {
            let mut primary = sentinels.primary();
            let mut logged_at = None;
            loop {
                match primary.borrow_and_update().clone() {
                    Primary::At(endpoint) => {
                        self.adopt_one(&endpoint);
                    }
                    Primary::Unknown(problem) => self.adopt_none(problem, &mut logged_at),
                }
                // The sender lives in `self`: waiting cannot fail.
                let _ = primary.changed().await;
            }
        };
        let ask_again = async {
            loop {
                self.look.notified().await;
                sentinels.doubt();
                tokio::time::sleep(DOUBT_INTERVAL).await;
            }
        };
        tokio::join!(sentinels.run(), follow, ask_again);
    }

    fn known(&self) -> Known {
        let overview = self.overview.borrow();
        match *self.mode.lock() {
            Some(Mode::Standalone) => Known::OneServer,
            Some(Mode::Cluster) if overview.readable_slots() == SLOTS => Known::Cluster,
            _ => Known::InDoubt,
        }
    }

    /// Returns false: nothing has changed.
    fn note_problem(&self, problem: Problem, logged_at: &mut Option<Instant>) -> bool {
        if self.map.read().owners().next().is_some() {
            // The nodes themselves say what is the matter.
            return false;
        }
        let is_new = std::mem::replace(&mut *self.problem.lock(), problem.clone()) != problem;
        if is_new {
            METRICS.upstream_problem(problem.kind());
            self.anything_changed();
        }
        if is_new || logged_at.is_none_or(|at| at.elapsed() > LOG_INTERVAL) {
            warn!(source = "upstream", "{problem}");
            *logged_at = Some(Instant::now());
        }
        METRICS.upstream_failures.increment(1);
        false
    }

    /// Takes over what a cluster says of itself. Returns whether that changes the map.
    fn adopt(self: &Arc<Self>, view: &ClusterView, logged_at: &mut Option<Instant>) -> bool {
        let was = self.mode.lock().replace(Mode::Cluster);
        if was != Some(Mode::Cluster) {
            info!(source = "upstream", "Redis is a cluster");
        }
        let changed = {
            let mut map = self.map.write();
            // A cluster that is down says less of itself than what is known of it.
            let is_worse = !view.is_ok && map.owners().next().is_some();
            !is_worse && map.replace(&view.ranges, |endpoint, id| self.make(endpoint, Some(id)))
        };
        if changed {
            self.map_changed();
        }
        if view.ranges.is_empty() {
            return self.note_problem(Problem::NoOwner, logged_at);
        }
        changed
    }

    /// Takes over that this server stands alone. Returns whether that is new.
    pub(super) fn adopt_one(self: &Arc<Self>, endpoint: &Endpoint) -> bool {
        *self.mode.lock() = Some(Mode::Standalone);
        let others = {
            let mut map = self.map.write();
            if map.sole_owner().is_some_and(|node| node.endpoint == *endpoint) {
                return false;
            }
            let Some(node) = map.node_at(endpoint, || self.make(endpoint, Some(&NodeId::new(""))))
            else {
                return false;
            };
            map.replace_by_one(node)
        };
        for node in others {
            node.abandon(Problem::Unreachable("another server has taken its place".to_owned()));
        }
        self.map_changed();
        true
    }

    /// Gives up the server that stands alone, also if it answers.
    fn adopt_none(&self, problem: Problem, logged_at: &mut Option<Instant>) {
        let others = self.map.write().replace_by_none();
        for node in &others {
            node.abandon(problem.clone());
        }
        if !others.is_empty() {
            self.map_changed();
        }
        self.note_problem(problem, logged_at);
    }

    /// A new node, whose task begins.
    fn make(self: &Arc<Self>, endpoint: &Endpoint, id: Option<&NodeId>) -> Arc<Node> {
        let number = NodeNumber(self.next_number.fetch_add(1, Ordering::Relaxed));
        let id = id.cloned().unwrap_or_else(|| NodeId::new(&endpoint.to_string()));
        let node = Arc::new(Node::new(number, endpoint.clone(), id, self.clone()));
        let running = node.clone();
        tokio::spawn(restart_on_panic("keeping a node", move || running.clone().run()));
        node
    }

    /// The owners of slots are others than before.
    fn map_changed(&self) {
        let owner = |slot| self.number_of_owner(slot);
        self.carry_out(self.wanted.assign(0..SLOTS, owner));
        self.anything_changed();
    }

    fn anything_changed(&self) {
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
        self.overview.send_if_modified(|old| {
            let changed = **old != overview;
            if changed {
                *old = Arc::new(overview);
            }
            changed
        });
        self.changes.send_modify(|count| *count += 1);
    }

    /// Gives up nodes that own nothing any more, forever.
    async fn tidy(&self) {
        loop {
            tokio::time::sleep(TIDY_INTERVAL).await;
            self.remove_idle();
        }
    }

    fn remove_idle(&self) {
        let idle = self.map.write().remove_idle(Instant::now());
        for node in &idle {
            info!(source = "upstream", node = %node.endpoint, "the node has no slots: given up");
            node.retire();
        }
        if !idle.is_empty() {
            self.anything_changed();
        }
    }

    fn number_of_owner(&self, slot: u16) -> Option<NodeNumber> {
        self.map.read().owner(slot).map(|node| node.number)
    }

    fn carry_out(&self, consequences: Consequences) {
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

impl Surroundings for Nodes {
    fn dialler(&self) -> &Dialler {
        &self.access.dialler
    }

    fn probe_interval(&self) -> Duration {
        self.access.probe_interval
    }

    fn probe_room(&self, node: &Node, last: &str) -> Option<String> {
        let map = self.map.read();
        let is_own = |slot| map.owner(slot).is_some_and(|owner| **owner == *node);
        if !last.is_empty() && is_own(slot_of(last.as_bytes())) {
            return Some(last.to_owned());
        }
        name_in(&format!("{}:", self.access.probe_room), is_own)
    }

    fn pushes(self: Arc<Self>, node: &Arc<Node>) -> Arc<dyn LinkListener> {
        Arc::new(Pushes { listener: self.listener.get().cloned(), nodes: self, node: node.clone() })
    }

    fn take_orders(&self, node: &Node, most: usize) -> Vec<Command> {
        let (commands, consequences) = self.wanted.take_orders(node.number, most);
        self.carry_out(consequences);
        commands
    }

    fn order_refused(self: Arc<Self>, node: &Node, code: &str, details: &str) {
        match code {
            "MOVED" => {
                let Some((slot, to)) = redirect(details, &node.endpoint) else { return };
                self.learn_moved(slot, &to);
                let owner = |slot| self.number_of_owner(slot);
                self.carry_out(self.wanted.moved(node.number, slot, owner));
            }
            "ASK" | "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "BUSY" => {
                self.carry_out(self.wanted.not_served(node.number));
                self.look_elsewhere();
            }
            // The room stays unconfirmed, and its subscription is requested again later.
            code => warn!(source = "upstream", code, "a subscription was refused"),
        }
    }

    fn linked(&self, node: &Node) {
        self.carry_out(self.wanted.opened(node.number));
    }

    fn unlinked(&self, node: &Node) {
        self.carry_out(self.wanted.closed(node.number));
        self.look_elsewhere();
        self.anything_changed();
    }

    fn changed(&self, node: &Node, state: &State) {
        // A node that owns nothing, as a primary that was replaced, is not dialled again.
        if !state.can_read() && self.map.write().remove_useless(node) {
            node.retire();
        }
        self.anything_changed();
        match state {
            State::Open => {
                if let Some(listener) = self.listener.get() {
                    listener.opened(&node.id());
                }
            }
            State::WritesRefused(_) => {}
            State::Unavailable(_) => self.look_elsewhere(),
        }
    }

    fn moved(self: Arc<Self>, node: &Node, details: &str) {
        if let Some((slot, to)) = redirect(details, &node.endpoint) {
            self.learn_moved(slot, &to);
        }
    }

    fn met(&self, mode: Mode) -> Result<(), Problem> {
        if self.mode.lock().is_none_or(|expected| mode == expected) {
            return Ok(());
        }
        self.look_soon();
        Err(Problem::Mode(mode))
    }
}

impl Nodes {
    /// Looks soon, unless there is one server without Sentinels.
    fn look_elsewhere(&self) {
        let has_sentinels = matches!(self.access.finding, Finding::BySentinels(_));
        if has_sentinels || *self.mode.lock() == Some(Mode::Cluster) {
            self.look_soon();
        }
    }
}

/// What arrives on the links of one node.
struct Pushes {
    nodes: Arc<Nodes>,
    node: Arc<Node>,
    listener: Option<Arc<dyn Listener>>,
}

impl LinkListener for Pushes {
    fn message(&self, channel: &str, payload: Vec<u8>) {
        match &self.listener {
            Some(listener) if channel == PROFILE_CHANNEL => listener.profile_update(payload),
            Some(listener) => listener.message(channel, payload),
            None => {}
        }
    }

    fn subscribed(&self, channel: &str) {
        self.nodes.carry_out(self.nodes.wanted.subscribed(self.node.number, channel));
    }

    fn unsubscribed(&self, channel: &str) {
        self.nodes.carry_out(self.nodes.wanted.unsubscribed(self.node.number, channel));
    }
}
