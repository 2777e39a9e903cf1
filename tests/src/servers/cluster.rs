//! A real cluster: primaries and replicas with the module, each a `Redis` with a port for clients
//! and one for the bus, known by its number.
//!
//! It is made by commands (ADDSLOTSRANGE, MEET, REPLICATE) while all nodes start side by side, and
//! is up after two seconds: a primary refuses to write sooner. Numbers of nodes never change: first
//! the primaries, then the replicas of the first, of the second and so on; roles do change. What a
//! node is *now* is always asked for: `Cluster::owner_of`, `Cluster::primaries`.
//!
//! `building` makes it, `agreement` waits until all nodes say the same, `faults` fails nodes and
//! makes others take over, `growth` adds and removes nodes, `moves` moves slots.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use crate::clients::cluster_wire::ClusterWire;
use crate::clients::wire::Wire;
use crate::cmd;
use crate::servers::cluster::permits::Permit;
use crate::servers::cluster::slots::{names, slot};
use crate::servers::cluster::view::Seen;
use crate::servers::proxy::Proxy;
use crate::servers::redis::Redis;
use crate::servers::store::Store;
use crate::wait::{LATER, eventually};

/// Nodes agree.
mod agreement;
/// A cluster is made.
mod building;
/// Nodes fail, take over, come back.
mod faults;
/// Nodes are added, removed, and get other addresses.
mod growth;
/// Slots move.
pub mod moves;
mod permits;
/// The slot of a key.
pub mod slots;
/// What a node believes.
pub mod view;

/// What a cluster is made of.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// How many primaries.
    pub primaries: usize,
    /// How many replicas each primary has.
    pub replicas: usize,
    /// Further lines of redis.conf.
    pub settings: &'a [&'a str],
    /// Whether clients reach each node through a proxy of its own, whose address it announces.
    pub has_proxies: bool,
}

impl Default for Shape<'_> {
    /// Three primaries with a replica each.
    fn default() -> Self {
        Shape { primaries: 3, replicas: 1, settings: &[], has_proxies: false }
    }
}

/// A cluster. All its servers end on drop.
pub struct Cluster {
    settings: Vec<String>,
    /// The module with which nodes start first.
    module: PathBuf,
    has_proxies: bool,
    nodes: Vec<Node>,
    _permit: Permit,
}

struct Node {
    redis: Redis,
    proxy: Option<Proxy>,
    /// Its port with TLS, if the settings have `tls-cluster yes`.
    tls_port: Option<u16>,
    /// Its id; empty until it has answered.
    id: String,
    /// It neither answers nor ends.
    is_frozen: bool,
    /// It was removed.
    is_gone: bool,
    /// When it last took its primary's place as planned.
    failed_over_at: Mutex<Option<Instant>>,
}

impl Cluster {
    /// How many nodes it has and has had.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: it has nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The server of a node.
    pub fn node(&self, node: usize) -> &Redis {
        &self.nodes[node].redis
    }

    /// The proxy in front of a node.
    ///
    /// # Panics
    /// If its [`Shape`] has none.
    #[track_caller]
    pub fn proxy(&self, node: usize) -> &Proxy {
        self.nodes[node].proxy.as_ref().expect("a cluster with proxies")
    }

    /// The id of a node.
    pub fn id(&self, node: usize) -> &str {
        &self.nodes[node].id
    }

    /// Where clients reach a node: the address that it announces.
    pub fn address(&self, node: usize) -> SocketAddr {
        let node = &self.nodes[node];
        node.proxy.as_ref().map_or_else(|| node.redis.address(), Proxy::address)
    }

    /// All nodes in the form of `--redis`.
    pub fn url(&self) -> String {
        let all: Vec<usize> = (0..self.len()).filter(|n| !self.nodes[*n].is_gone).collect();
        self.url_of(&all)
    }

    /// These nodes as seeds in the form of `--redis`.
    pub fn url_of(&self, nodes: &[usize]) -> String {
        let addresses: Vec<_> = nodes.iter().map(|n| self.address(*n).to_string()).collect();
        format!("redis://{}", addresses.join(","))
    }

    /// All nodes in the form of `--redis`, at their ports with TLS.
    ///
    /// # Panics
    /// If they have none.
    pub fn tls_url(&self) -> String {
        let ports = self.nodes.iter().map(|node| node.tls_port.expect("tls-cluster yes"));
        let addresses: Vec<_> = ports.map(|port| format!("127.0.0.1:{port}")).collect();
        format!("rediss://{}", addresses.join(","))
    }

    /// Whether a node runs and is not frozen.
    pub fn answers(&self, node: usize) -> bool {
        let node = &self.nodes[node];
        node.redis.runs() && !node.is_frozen && !node.is_gone
    }

    /// The nodes that answer.
    pub fn running(&self) -> Vec<usize> {
        (0..self.len()).filter(|n| self.answers(*n)).collect()
    }

    /// What a node believes of all nodes.
    #[track_caller]
    pub fn view(&self, node: usize) -> Vec<Seen> {
        view::read(cmd!(self.node(node), "CLUSTER", "NODES").text())
    }

    /// What a node believes of itself.
    #[track_caller]
    pub fn own_view(&self, node: usize) -> Seen {
        let own = self.view(node).into_iter().find(|seen| seen.is_myself);
        own.expect("a node knows itself")
    }

    /// The nodes that answer and own slots, by what they believe of themselves.
    #[track_caller]
    pub fn primaries(&self) -> Vec<usize> {
        let owns = |n: &usize| !self.own_view(*n).slots.is_empty();
        self.running().into_iter().filter(owns).collect()
    }

    /// The replicas of a node that answer, by what they believe of themselves.
    #[track_caller]
    pub fn replicas_of(&self, primary: usize) -> Vec<usize> {
        let id = self.id(primary);
        let follows = |n: &usize| self.own_view(*n).primary.as_deref() == Some(id);
        self.running().into_iter().filter(follows).collect()
    }

    /// Waits until exactly these nodes are the replicas of a primary. A node that comes back first
    /// learns that others own its slots, and becomes a replica some time after.
    #[track_caller]
    pub fn await_replicas(&self, primary: usize, expected: &[usize]) {
        eventually("replicas", LATER, || {
            let found = self.replicas_of(primary);
            if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
        });
    }

    /// The node that owns a slot, among those that answer: the latest claim counts.
    #[track_caller]
    pub fn find_owner(&self, slot: u16) -> Option<usize> {
        let views = self.running().into_iter().map(|n| (self.own_view(n), n));
        let claims = views.filter(|(view, _)| view.slots.contains(&slot));
        claims.max_by_key(|(view, _)| view.epoch).map(|(_, n)| n)
    }

    /// The node that owns the slot of a room, as soon as there is one that answers.
    #[track_caller]
    pub fn owner_of(&self, room: &str) -> usize {
        eventually(&format!("an owner of {room}"), LATER, || {
            self.find_owner(slot(room)).ok_or_else(|| self.story())
        })
    }

    /// The slots that a node owns, by what it believes of itself.
    #[track_caller]
    pub fn slots_of(&self, node: usize) -> BTreeSet<u16> {
        self.own_view(node).slots
    }

    /// The first names `<prefix>0`, `<prefix>1` … of rooms that a node owns.
    #[track_caller]
    pub fn rooms_of(&self, node: usize, prefix: &str, count: usize) -> Vec<String> {
        names(prefix, &self.slots_of(node), count)
    }

    /// So many rooms of each primary.
    #[track_caller]
    pub fn rooms(&self, prefix: &str, of_each: usize) -> Vec<String> {
        let all = self.primaries().into_iter();
        all.flat_map(|node| self.rooms_of(node, prefix, of_each)).collect()
    }

    /// A client that finds the owners of rooms by itself.
    pub fn client(&self) -> ClusterWire {
        let addresses: Vec<_> = self.running().into_iter().map(|n| self.address(n)).collect();
        ClusterWire::new(&addresses)
    }

    /// The sum of a field of `INFO chat` over all nodes that answer.
    #[track_caller]
    pub fn total(&self, field: &str) -> u64 {
        let values = self.running().into_iter().map(|n| self.node(n).info("chat", field));
        values.map(|value| value.parse::<u64>().expect("a number")).sum()
    }

    /// What every node believes, for failure messages.
    pub fn story(&self) -> String {
        let mut story = String::new();
        for n in self.running() {
            let nodes = Wire::connect(self.node(n).address())
                .and_then(|mut wire| wire.try_call(&["CLUSTER", "NODES"]));
            let text = match nodes {
                Ok(reply) if !reply.is_error() => reply.text().to_owned(),
                other => format!("{other:?}\n"),
            };
            story.push_str(&format!("node {n} at {} believes:\n{text}", self.address(n)));
        }
        story
    }
}

impl Node {
    /// Waits until it answers, behind its proxy too, and learns its id.
    #[track_caller]
    fn wait_up(&mut self) {
        self.redis.wait_up();
        if let Some(proxy) = &self.proxy {
            // It may have had to take another port.
            proxy.lead_to(self.redis.address());
        }
        self.id = cmd!(self.redis, "CLUSTER", "MYID").text().to_owned();
    }
}

impl Store for Cluster {
    fn wire_to(&self, room: &str) -> Wire {
        self.node(self.owner_of(room)).wire()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.story());
        }
    }
}
