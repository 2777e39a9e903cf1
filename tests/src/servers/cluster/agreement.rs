//! The nodes of a cluster say the same of each other, and replicas hold what their primaries hold.

use std::collections::BTreeSet;
use std::time::Duration;

use chat_protocol::slot::SLOTS;

use crate::cmd;
use crate::servers::cluster::Cluster;
use crate::wait::{LATER, eventually};

impl Cluster {
    /// Waits until all nodes that answer believe the same of each other, every slot has an owner
    /// among them, and every replica of theirs has its primary.
    #[track_caller]
    pub fn agree(&self) {
        self.agree_within(LATER);
    }

    /// As [`Cluster::agree`].
    #[track_caller]
    pub fn agree_within(&self, deadline: Duration) {
        eventually("nodes that agree", deadline, || self.disagreement().map_or(Ok(()), Err));
    }

    /// On what the nodes do not agree.
    fn disagreement(&self) -> Option<String> {
        let running = self.running();
        let members: BTreeSet<&str> = running.iter().map(|n| self.id(*n)).collect();
        let mut first: Option<Vec<Claim>> = None;
        for n in running {
            let info = cmd!(self.node(n), "CLUSTER", "INFO").text().to_owned();
            if !info.contains("cluster_state:ok") {
                return Some(format!("node {n}: {info}"));
            }
            let view = self.view(n);
            let mut claims: Vec<Claim> = Vec::new();
            for seen in view.iter().filter(|seen| members.contains(seen.id.as_str())) {
                if seen.is_doubtful {
                    return Some(format!("node {n} doubts {seen:?}"));
                }
                claims.push((
                    seen.id.clone(),
                    seen.port,
                    seen.primary.clone(),
                    ranges(&seen.slots),
                ));
            }
            claims.sort();
            let owned: usize = view
                .iter()
                .filter(|seen| members.contains(seen.id.as_str()))
                .map(|seen| seen.slots.len())
                .sum();
            if claims.len() != members.len() || owned != usize::from(SLOTS) {
                return Some(format!("node {n} knows {owned} slots of {claims:?}"));
            }
            let own = view.into_iter().find(|seen| seen.is_myself);
            let follows =
                own.and_then(|own| own.primary).filter(|id| members.contains(id.as_str()));
            if follows.is_some() && self.node(n).info("replication", "master_link_status") != "up" {
                return Some(format!("the replica {n} has no link to its primary"));
            }
            match &first {
                Some(first) if *first != claims => {
                    return Some(format!("node {n}: {claims:?}\nanother: {first:?}"));
                }
                Some(_) => {}
                None => first = Some(claims),
            }
        }
        None
    }

    /// Checks that every replica that answers has the data of its primary, once it has caught up.
    #[track_caller]
    pub fn assert_equal_digests(&self) {
        for primary in self.primaries() {
            for replica in self.replicas_of(primary) {
                eventually("equal data on both", LATER, || {
                    self.node(replica).catch_up(self.node(primary));
                    match (self.node(primary).digest(), self.node(replica).digest()) {
                        (here, there) if here == there => Ok(()),
                        differ => Err(format!("nodes {primary} and {replica}: {differ:?}")),
                    }
                });
            }
        }
    }
}

/// Id, port, primary and slots of a node.
type Claim = (String, u16, Option<String>, Vec<(u16, u16)>);

/// Slots as ranges, which are shorter to print.
fn ranges(slots: &BTreeSet<u16>) -> Vec<(u16, u16)> {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for slot in slots {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *slot => *last = *slot,
            _ => ranges.push((*slot, *slot)),
        }
    }
    ranges
}
