//! Nodes of a cluster fail, others take over.

use std::path::Path;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clients::reply::Reply;
use crate::cmd;
use crate::servers::cluster::Cluster;
use crate::wait::{LATER, eventually, until};

/// A planned failover succeeds in five seconds, or not at all.
const MANUAL_FAILOVER_TIMEOUT: Duration = Duration::from_secs(6);

/// A replica begins no second election for four times the node timeout, whoever asks; until then a
/// planned failover only pauses its primary.
const BETWEEN_ELECTIONS: Duration = Duration::from_secs(9);

impl Cluster {
    /// Has a replica of this primary take its place in agreement with it (CLUSTER FAILOVER), and
    /// waits until it has. Returns the new primary. One that was promoted a short time ago must wait
    /// first.
    #[track_caller]
    pub fn fail_over(&self, primary: usize) -> usize {
        let replica = self.a_replica_of(primary);
        self.await_next_election(replica);
        let mut asked: Option<Instant> = None;
        eventually("a planned failover", LATER, || {
            if !self.own_view(replica).slots.is_empty() {
                return Ok(());
            }
            // What has not succeeded in its time has not happened.
            if asked.is_none_or(|asked| asked.elapsed() > MANUAL_FAILOVER_TIMEOUT) {
                asked = Some(Instant::now());
                self.ask_to_fail_over(replica, None);
            }
            Err(self.story())
        });
        *self.failed_over_at(replica) = Some(Instant::now());
        replica
    }

    fn failed_over_at(&self, node: usize) -> MutexGuard<'_, Option<Instant>> {
        let failed_over_at = self.nodes[node].failed_over_at.lock();
        failed_over_at.unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a replica may begin another election.
    fn await_next_election(&self, replica: usize) {
        let last = *self.failed_over_at(replica);
        if let Some(last) = last {
            until(last + BETWEEN_ELECTIONS);
        }
    }

    /// Has this replica take the place of its primary without asking anybody (CLUSTER FAILOVER
    /// TAKEOVER); what the replica lacks is lost.
    #[track_caller]
    pub fn take_over(&self, replica: usize) {
        self.ask_to_fail_over(replica, Some("TAKEOVER")).ok();
        eventually("a takeover", LATER, || match self.own_view(replica).slots.is_empty() {
            false => Ok(()),
            true => Err(self.story()),
        });
    }

    fn ask_to_fail_over(&self, replica: usize, how: Option<&str>) -> Reply {
        let mut command = vec!["CLUSTER", "FAILOVER"];
        command.extend(how);
        self.node(replica).call(&command)
    }

    /// A replica of this primary, as soon as there is one.
    #[track_caller]
    pub fn a_replica_of(&self, primary: usize) -> usize {
        eventually(&format!("a replica of node {primary}"), LATER, || {
            self.replicas_of(primary).first().copied().ok_or_else(|| self.story())
        })
    }

    /// Waits until another node than this one owns the slot: a replica was promoted. Returns it.
    #[track_caller]
    pub fn await_other_owner(&self, slot: u16, before: usize) -> usize {
        eventually(&format!("another owner of slot {slot} than node {before}"), LATER, || {
            self.find_owner(slot).filter(|owner| *owner != before).ok_or_else(|| self.story())
        })
    }

    /// Kills a node (SIGKILL), once its replicas may take over.
    #[track_caller]
    pub fn kill(&mut self, node: usize) {
        self.await_able_replicas(node);
        self.nodes[node].redis.kill();
        self.nodes[node].is_frozen = false;
    }

    /// A replica that has won an election a short time ago would take the votes of that one for new
    /// ones, and the other nodes would not agree with it.
    fn await_able_replicas(&self, node: usize) {
        for replica in self.replicas_of(node) {
            self.await_next_election(replica);
        }
    }

    /// Stops a node in an orderly way.
    #[track_caller]
    pub fn stop(&mut self, node: usize) {
        self.nodes[node].redis.stop();
    }

    /// Loads this module at the next [`Cluster::restart`] of a node.
    pub fn use_module(&mut self, node: usize, module: &Path) {
        self.nodes[node].redis.use_module(module);
    }

    /// Starts a node again that was killed or stopped: same addresses, data and settings.
    #[track_caller]
    pub fn restart(&mut self, node: usize) {
        self.nodes[node].redis.begin();
        self.nodes[node].wait_up();
    }

    /// Adds a line of redis.conf for the next [`Cluster::restart`] of a node.
    pub fn set(&mut self, node: usize, line: &str) {
        self.nodes[node].redis.set(line);
    }

    /// Freezes a node (SIGSTOP), once its replicas may take over: its sockets stay open, nothing
    /// answers.
    #[track_caller]
    pub fn freeze(&mut self, node: usize) {
        self.await_able_replicas(node);
        self.nodes[node].redis.process().freeze();
        self.nodes[node].is_frozen = true;
    }

    /// Lets a node go on after [`Cluster::freeze`].
    pub fn thaw(&mut self, node: usize) {
        self.nodes[node].redis.process().thaw();
        self.nodes[node].is_frozen = false;
    }

    /// Waits until the nodes that answer are agreed that this one has failed.
    #[track_caller]
    pub fn await_failed(&self, node: usize) {
        eventually(&format!("agreement that node {node} has failed"), LATER, || {
            for n in self.running() {
                let view = self.node(n).call(&["CLUSTER", "NODES"]).text().to_owned();
                let line = view.lines().find(|line| line.starts_with(self.id(node)));
                if line.is_none_or(|line| !line.contains("fail ") && !line.contains("fail,")) {
                    return Err(view);
                }
            }
            Ok(())
        });
    }

    /// The number of keys in a slot at a node, owner or not.
    #[track_caller]
    pub fn keys_in(&self, node: usize, slot: u16) -> i64 {
        cmd!(self.node(node), "CLUSTER", "COUNTKEYSINSLOT", slot).int()
    }
}
