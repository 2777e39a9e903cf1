//! Which rooms have changed, by `CHAT.CHANGES` of every node.
//!
//! The one idea: a node that is new, or whose list begins anew, makes the walk over all nodes begin
//! again, because its rooms may have been another node's. When all nodes are walked to the end, what
//! was not listed by any of them may be gone.

use std::collections::{HashMap, HashSet};

use chat_protocol::id::Id;
use chat_protocol::slot::SLOTS;

use crate::upstream::commands::feed;
use crate::upstream::replies::Changes;
use crate::upstream::{NodeId, Upstream};
use crate::webhook::servers::Failure;
use crate::webhook::settings::Settings;

const COUNT: u64 = 1000;

/// Where the walk over all nodes stands.
#[derive(Debug, Default)]
pub(super) struct Walk {
    cursors: HashMap<NodeId, String>,
}

/// What one round has found.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// Rooms that have changed, and their newest ids.
    pub(super) rooms: Vec<(String, Option<Id>)>,
    /// The walk has begun again with all rooms. Those of this round are the first.
    pub(super) is_anew: bool,
    /// Every node was asked, and none has more now.
    pub(super) is_complete: bool,
}

impl Walk {
    /// Asks every node once. Errors: a node refuses.
    pub(super) async fn round(
        &mut self,
        upstream: &Upstream,
        settings: &Settings,
    ) -> Result<Round, Failure> {
        let pattern = settings.pattern.as_ref().map(|(text, _)| text.as_str());
        let ask = |node: &NodeId| {
            let cursor = self.cursors.get(node).map_or("0", String::as_str);
            Some(feed::changes(cursor, COUNT, pattern, settings.kinds.as_deref()))
        };
        let replies = upstream.call_every_node(ask).await;
        let mut round = Round { is_complete: !replies.is_empty(), ..Round::default() };
        let mut begun = HashSet::new();
        for (node, reply) in replies {
            let page = match reply.map_err(Failure::from) {
                Ok(value) => Changes::read(value)?,
                Err(Failure::Away(_)) => {
                    round.is_complete = false;
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            let before = self.cursors.insert(node.clone(), page.next);
            let is_first = before.as_deref() == Some("0");
            if before.is_none() || (page.anew && !is_first) {
                begun.insert(node);
            }
            round.rooms.extend(page.rooms);
            round.is_complete &= !page.more;
        }
        if !begun.is_empty() {
            round.is_anew = true;
            for (node, cursor) in &mut self.cursors {
                if !begun.contains(node) {
                    "0".clone_into(cursor);
                    round.is_complete = false;
                }
            }
        }
        round.is_complete &= upstream.overview().readable_slots() == SLOTS;
        Ok(round)
    }
}
