//! Following the topology: looking who owns which slots, and taking over what was seen.
//!
//! `topology/topology.rs` looks and says when. Views that are known to be worse are not taken over:
//! that of a cluster that is down, and one that is older than another one, which a node that was
//! cut off may have.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_protocol::slot::SLOTS;
use tracing::{info, warn};

use crate::config::Endpoint;
use crate::metrics::METRICS;
use crate::upstream::dialling::greeting::Mode;
use crate::upstream::health::Problem;
use crate::upstream::listener::Listener;
use crate::upstream::nodes::nodes::{Finding, Nodes};
use crate::upstream::nodes::overview::NodeId;
use crate::upstream::topology::cluster_view::ClusterView;
use crate::upstream::topology::sentinel::{Primary, Sentinels};
use crate::upstream::topology::topology::{Known, Look, Pace, look};

/// A lasting problem is logged once in this time.
const LOG_INTERVAL: Duration = Duration::from_secs(30);
/// Pause between two looks for nodes that own nothing.
const TIDY_INTERVAL: Duration = Duration::from_secs(1);
/// A view is not believed for this time after one with a higher epoch.
const OUTDATED_FOR: Duration = Duration::from_secs(5);
/// Pause between two questions to Sentinels because the primary is in doubt.
const DOUBT_INTERVAL: Duration = Duration::from_millis(500);

impl Nodes {
    /// Follows who owns which slots, forever.
    pub(in crate::upstream) async fn run(self: Arc<Self>, listener: Arc<dyn Listener>) {
        self.wanted.set_listener(listener.clone());
        let _ = self.listener.set(listener);
        let follow = async {
            match &self.access.finding {
                Finding::BySeeds(seeds) => self.follow_topology(seeds).await,
                Finding::BySentinels(sentinels) => self.follow_sentinels(sentinels).await,
            }
        };
        tokio::join!(follow, self.tend_subscriptions(), self.tidy(), self.renew_links());
    }

    async fn follow_topology(self: &Arc<Self>, seeds: &[Endpoint]) {
        let mut pace = Pace::new();
        let mut logged_at: Option<Instant> = None;
        loop {
            pace.wait(&self.look, self.known()).await;
            let linked = self.map.read().nodes().filter(|node| node.is_linked()).cloned().collect();
            let mut lasts = false;
            let changed = match look(linked, seeds.to_vec(), &self.access.dialler).await {
                Look::Cluster(view) => self.adopt(&view, &mut logged_at),
                Look::Standalone(endpoint) if seeds.len() == 1 => self.adopt_one(&endpoint),
                Look::Standalone(endpoint) => {
                    self.note_problem(Problem::ManyServers(endpoint.to_string()), &mut logged_at)
                }
                Look::Nothing(problem) => {
                    lasts = problem.lasts();
                    self.note_problem(problem, &mut logged_at)
                }
            };
            pace.note(changed);
            if lasts {
                pace.slow_down();
            }
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
        let overview = self.overview();
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
            let is_worse = self.is_outdated(view) || !view.is_ok && map.owners().next().is_some();
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

    /// Whether another view was newer, a short time ago. A node that was cut off may be the only one
    /// that answers; but a cluster that was set up anew must be believed in the end.
    fn is_outdated(&self, view: &ClusterView) -> bool {
        let mut newest = self.newest_view.lock();
        let is_outdated =
            newest.is_some_and(|(epoch, at)| view.epoch < epoch && at.elapsed() < OUTDATED_FOR);
        if !is_outdated && view.is_ok {
            *newest = Some((view.epoch, Instant::now()));
        }
        is_outdated
    }

    /// Takes over that this server stands alone. Returns whether that is new.
    pub(in crate::upstream) fn adopt_one(self: &Arc<Self>, endpoint: &Endpoint) -> bool {
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
}
