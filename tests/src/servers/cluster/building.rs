//! A cluster is made: nodes start side by side, meet, and get their slots and roles.

use std::path::Path;
use std::sync::Mutex;

use chat_protocol::slot::SLOTS;

use crate::cmd;
use crate::port;
use crate::servers::artefacts;
use crate::servers::cluster::permits::Permit;
use crate::servers::cluster::{Cluster, Node, Shape};
use crate::servers::proxy::Proxy;
use crate::servers::redis::Redis;
use crate::wait::{LATER, eventually};

/// What each node is started with beside `deploy/cluster-node.conf`; [`Shape::settings`] prevails.
const SETTINGS: &[&str] = &[
    // The shortest that a busy machine bears.
    "cluster-node-timeout 2000",
    // Replicas stay where scenarios expect them.
    "cluster-allow-replica-migration no",
];

impl Cluster {
    /// Three primaries with a replica each.
    #[track_caller]
    pub fn start() -> Cluster {
        Cluster::with(&Shape::default())
    }

    /// A cluster of this shape, with the slots in equal parts, that all nodes agree about.
    #[track_caller]
    pub fn with(shape: &Shape<'_>) -> Cluster {
        Cluster::with_module(artefacts::module(), shape)
    }

    /// As [`Cluster::with`], with the module of another build.
    #[track_caller]
    pub fn with_module(module: &Path, shape: &Shape<'_>) -> Cluster {
        let Shape { primaries, replicas, settings, has_proxies } = *shape;
        let count = primaries * (1 + replicas);
        let documented = format!("include {}", artefacts::deployed("cluster-node.conf").display());
        let settings = SETTINGS.iter().chain(settings).map(|line| (*line).to_owned());
        let settings = std::iter::once(documented).chain(settings).collect();
        let permit = Permit::wait_for(count);
        let (module, nodes) = (module.to_owned(), Vec::new());
        let mut cluster = Cluster { settings, module, has_proxies, nodes, _permit: permit };
        cluster.begin(count);
        for n in 0..primaries {
            let edge = |n: usize| n * usize::from(SLOTS) / primaries;
            let (first, end) = (edge(n), edge(n + 1));
            cmd!(cluster.node(n), "CLUSTER", "ADDSLOTSRANGE", first, end - 1).ok();
        }
        for n in 0..count {
            // Different from the start: two equal ones would have to be settled first.
            cmd!(cluster.node(n), "CLUSTER", "SET-CONFIG-EPOCH", n + 1).ok();
        }
        (0..count).for_each(|n| cluster.introduce(n));
        for replica in primaries..count {
            cluster.make_replica(replica, (replica - primaries) / replicas);
        }
        cluster.agree();
        cluster
    }

    /// Starts further nodes side by side, which know nobody yet.
    pub(super) fn begin(&mut self, count: usize) {
        let first = self.nodes.len();
        let settings: Vec<&str> = self.settings.iter().map(String::as_str).collect();
        for _ in 0..count {
            let mut redis = Redis::node(&settings);
            redis.use_module(&self.module);
            let proxy = self.has_proxies.then(|| Proxy::to_node(redis.address()));
            if let Some(proxy) = &proxy {
                redis.set(&format!("cluster-announce-port {}", proxy.address().port()));
            }
            let tls_port = settings.contains(&"tls-cluster yes").then(port::free);
            if let Some(port) = tls_port {
                redis.set(&format!("tls-port {port}"));
            }
            redis.begin();
            let (id, failed_over_at) = (String::new(), Mutex::default());
            let (is_frozen, is_gone) = (false, false);
            let node = Node { redis, proxy, tls_port, id, is_frozen, is_gone, failed_over_at };
            self.nodes.push(node);
        }
        for node in &mut self.nodes[first..] {
            node.wait_up();
        }
    }

    /// Has this node meet all nodes before it. All pairs: gossip would take longer.
    pub(super) fn introduce(&self, node: usize) {
        let mut wire = self.node(node).wire();
        for other in (0..node).filter(|other| self.answers(*other)) {
            let (address, bus) = (self.address(other), self.node(other).bus_port());
            cmd!(wire, "CLUSTER", "MEET", "127.0.0.1", address.port(), bus).ok();
        }
    }

    /// Makes this node a replica of that one, once it knows it.
    pub(super) fn make_replica(&self, replica: usize, primary: usize) {
        eventually("a node that knows its primary", LATER, || {
            let reply = cmd!(self.node(replica), "CLUSTER", "REPLICATE", &self.nodes[primary].id);
            if reply.is_error() { Err(format!("{reply:?}")) } else { Ok(()) }
        });
    }
}
