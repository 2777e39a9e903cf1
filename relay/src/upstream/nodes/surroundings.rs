//! What the nodes tell each node, and what they make of what it says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_protocol::slot::slot_of;
use tracing::warn;

use crate::metrics::METRICS;
use crate::upstream::commands::Command;
use crate::upstream::dialling::dial::Dialler;
use crate::upstream::dialling::greeting::Mode;
use crate::upstream::health::{Problem, State};
use crate::upstream::link::PROFILE_CHANNEL;
use crate::upstream::listener::{LinkListener, Listener};
use crate::upstream::nodes::node::{Node, Surroundings};
use crate::upstream::nodes::nodes::Nodes;
use crate::upstream::nodes::slots::name_in;
use crate::upstream::routing::redirect;

/// Refused subscriptions are logged once in this time.
const LOG_INTERVAL: Duration = Duration::from_secs(30);

impl Surroundings for Nodes {
    fn dialler(&self) -> &Dialler {
        &self.access.dialler
    }

    fn probe_interval(&self) -> Duration {
        self.access.probe_interval
    }

    fn probe_room(&self, node: &Node, last: &str) -> Option<String> {
        let map = self.map.read();
        // By its address: the owner may be the node that this one is to succeed.
        let is_own = |slot| map.owner(slot).is_some_and(|owner| owner.endpoint == node.endpoint);
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
            code => {
                METRICS.upstream_problem("permission");
                if self.is_news() {
                    warn!(source = "upstream", node = %node.endpoint, code, "rooms get no events: {details}");
                }
            }
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

    fn demoted(&self, node: &Node) -> bool {
        if *self.mode.lock() != Some(Mode::Cluster) {
            return true;
        }
        // The map hears of its successor; without slots the node is given up after a while.
        if self.map.read().owners().any(|owner| **owner == *node) {
            self.look_soon();
        }
        false
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
    /// Whether a refused subscription is to be logged: many rooms may have the same trouble.
    fn is_news(&self) -> bool {
        let mut logged_at = self.refusal_logged_at.lock();
        let is_news = logged_at.is_none_or(|at| at.elapsed() > LOG_INTERVAL);
        if is_news {
            *logged_at = Some(Instant::now());
        }
        is_news
    }
}

/// What arrives on the links of one node.
struct Pushes {
    nodes: Arc<Nodes>,
    node: Arc<Node>,
    listener: Option<Arc<dyn Listener>>,
}

impl LinkListener for Pushes {
    fn caught_up(&self) {
        if let Some(listener) = &self.listener {
            listener.caught_up();
        }
    }

    fn message(&self, channel: &str, payload: &[u8]) {
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
