//! What is known of all nodes at one time: for `/readyz`, metrics and the frame `upstream`.
//!
//! Redis spreads rooms over slots, and each slot is one node's. A single server is one node with all
//! slots. What concerns one room asks the upstream for the state of that room's node instead.

use std::sync::Arc;
use std::time::Duration;

use chat_protocol::slot::SLOTS;

use crate::upstream::health::{Problem, State};

/// Names a node for as long as it exists, whatever its address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(Arc<str>);

impl NodeId {
    /// The node that calls itself by this name.
    pub(crate) fn new(name: &str) -> NodeId {
        NodeId(name.into())
    }

    /// Its name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeOverview {
    /// Its name.
    pub(crate) id: NodeId,
    /// How many slots it has.
    pub(crate) slots: u16,
    /// Whether it can be used.
    pub(crate) state: State,
}

/// What an operator sees of one node. It changes with every probe, unlike the overview.
#[derive(Debug)]
pub(crate) struct NodeReport {
    /// The node.
    pub(crate) node: NodeOverview,
    /// Where it is.
    pub(crate) address: String,
    /// How long the last probe took that returned.
    pub(crate) probe: Option<Duration>,
}

/// All nodes that have slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Overview {
    /// The nodes.
    pub(crate) nodes: Vec<NodeOverview>,
}

impl Overview {
    /// While no node is known: nobody has any slot, for this reason.
    pub(in crate::upstream) fn of_nobody(problem: Problem) -> Overview {
        let state = State::Unavailable(problem);
        Overview { nodes: vec![NodeOverview { id: NodeId::new(""), slots: SLOTS, state }] }
    }

    /// How many slots can be read.
    pub(crate) fn readable_slots(&self) -> u16 {
        self.slots_where(State::can_read)
    }

    /// How many slots accept everything.
    pub(crate) fn open_slots(&self) -> u16 {
        self.slots_where(|state| *state == State::Open)
    }

    /// Whether some slots are no node's.
    pub(crate) fn has_missing_slots(&self) -> bool {
        self.slots_where(|_| true) < SLOTS
    }

    /// Whether at least half of the slots can be read. One node that is away must not take all
    /// relays out of service.
    pub(crate) fn is_ready(&self) -> bool {
        self.readable_slots() >= SLOTS / 2
    }

    /// Why this relay should get connections, or why not, in words.
    pub(crate) fn readiness(&self) -> Result<String, String> {
        let (mut away, mut refused) = (None, None);
        for node in self.nodes.iter().filter(|node| node.slots > 0) {
            match &node.state {
                State::Open => {}
                State::WritesRefused(problem) => refused = refused.or(Some(problem)),
                State::Unavailable(problem) => away = away.or(Some(problem)),
            }
        }
        let (missing, not_open) = (SLOTS - self.readable_slots(), SLOTS - self.open_slots());
        let words = match (away.or(refused), missing, not_open) {
            (_, _, 0) => return Ok("ready".to_owned()),
            (Some(problem), SLOTS, _) | (Some(problem), 0, SLOTS) => problem.to_string(),
            (Some(problem), 0, slots) => format!("{slots} of {SLOTS} slots: {problem}"),
            (Some(problem), slots, _) => format!("{slots} of {SLOTS} slots are away: {problem}"),
            (None, slots, _) => format!("{slots} of {SLOTS} slots are no node's"),
        };
        if self.is_ready() { Ok(format!("ready, but {words}")) } else { Err(words) }
    }

    /// What is wrong with a node and stays so until somebody changes it.
    pub(crate) fn lasting_problem(&self) -> Option<&Problem> {
        self.nodes.iter().find_map(|node| match &node.state {
            State::Unavailable(problem) | State::WritesRefused(problem) if problem.lasts() => {
                Some(problem)
            }
            _ => None,
        })
    }

    fn slots_where(&self, is_counted: impl Fn(&State) -> bool) -> u16 {
        let counted = self.nodes.iter().filter(|node| is_counted(&node.state));
        counted.fold(0, |slots, node| slots.saturating_add(node.slots))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overview(nodes: &[(u16, State)]) -> Overview {
        let node = |(slots, state): &(u16, State)| NodeOverview {
            id: NodeId::new("n"),
            slots: *slots,
            state: state.clone(),
        };
        Overview { nodes: nodes.iter().map(node).collect() }
    }

    #[test]
    fn readiness_says_what_is_the_matter() {
        let away = || State::Unavailable(Problem::Password);
        let no_memory = || State::WritesRefused(Problem::Memory);
        let rows: &[(&[(u16, State)], Result<&str, &str>)] = &[
            (&[(SLOTS, State::Open)], Ok("ready")),
            (&[(SLOTS, no_memory())], Ok("ready, but Redis is out of memory")),
            (&[(SLOTS, away())], Err("Redis refuses the password")),
            (
                &[(9000, State::Open), (7384, no_memory()), (0, away())],
                Ok("ready, but 7384 of 16384 slots: Redis is out of memory"),
            ),
            (
                &[(9000, no_memory()), (7384, away())],
                Ok("ready, but 7384 of 16384 slots are away: Redis refuses the password"),
            ),
            (
                &[(7384, State::Open), (9000, away())],
                Err("9000 of 16384 slots are away: Redis refuses the password"),
            ),
            (&[(16383, State::Open)], Ok("ready, but 1 of 16384 slots are no node's")),
        ];
        for (nodes, expected) in rows {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(overview(nodes).readiness(), expected, "{nodes:?}");
        }
    }

    #[test]
    fn half_of_the_slots_are_enough_to_be_ready() {
        let away = || State::Unavailable(Problem::Password);
        let no_memory = || State::WritesRefused(Problem::Memory);
        let rows: &[(&[(u16, State)], u16, u16, bool)] = &[
            (&[], 0, 0, false),
            (&[(SLOTS, State::Open)], SLOTS, SLOTS, true),
            (&[(SLOTS, no_memory())], SLOTS, 0, true),
            (&[(SLOTS, away())], 0, 0, false),
            (&[(8192, State::Open), (8192, away())], 8192, 8192, true),
            (&[(8191, State::Open), (8193, away())], 8191, 8191, false),
            (&[(5461, State::Open), (5461, no_memory())], 10922, 5461, true),
        ];
        for (nodes, readable, open, is_ready) in rows {
            let overview = overview(nodes);
            let slots = (overview.readable_slots(), overview.open_slots());
            assert_eq!((slots, overview.is_ready()), ((*readable, *open), *is_ready), "{nodes:?}");
        }
    }
}
