//! A simple model of a cluster as its subscribers see it, with links that delay everything.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::upstream::subscriptions::{Action, NodeNumber, Order, Subscriptions, Verb};

pub(super) const NODES: u32 = 4;
pub(super) const SLOTS: u16 = 3;

/// The slot of a channel in this model: its last digit.
pub(super) fn slot_of(name: &str) -> u16 {
    name.bytes().last().map_or(0, |last| u16::from(last - b'0')) % SLOTS
}

/// What a node sends.
#[derive(Clone, Debug)]
enum Answer {
    Subscribed(String),
    Unsubscribed(String),
    Moved(u16, NodeNumber),
    NotServed,
}

#[derive(Debug, Default)]
struct Node {
    alive: bool,
    serves_nothing: bool,
    subscribed: BTreeSet<String>,
    commands: VecDeque<Order>,
    answers: VecDeque<Answer>,
}

/// The cluster, and the subscriptions of a relay that is linked to it.
pub(super) struct Cluster {
    pub(super) subscriptions: Subscriptions,
    pub(super) now: Instant,
    pub(super) wanted: BTreeSet<String>,
    /// Where the listener believes each channel to be heard.
    pub(super) heard: BTreeSet<String>,
    owners: Vec<NodeNumber>,
    moving: BTreeMap<u16, NodeNumber>,
    nodes: Vec<Node>,
    /// Subscriptions by `ASKING` whose move was given up: no command could end them then.
    stranded: BTreeSet<(NodeNumber, String)>,
    /// How often a node that was replaced by its replica still refuses to end subscriptions in a
    /// slot. It keeps them.
    replaced: BTreeMap<(NodeNumber, u16), u8>,
    /// Whether a node ends early subscriptions when it gets the slot, as Redis 8 does.
    ends_early: bool,
    /// Whether the subscriptions have asked who owns the slots, since they were told.
    asks_owners: bool,
}

impl Cluster {
    pub(super) fn new(ends_early: bool) -> Cluster {
        let mut cluster = Cluster {
            subscriptions: Subscriptions::new(slot_of),
            now: Instant::now(),
            wanted: BTreeSet::new(),
            heard: BTreeSet::new(),
            owners: (0..SLOTS).map(|slot| NodeNumber(u32::from(slot) % NODES)).collect(),
            moving: BTreeMap::new(),
            nodes: (0..NODES).map(|_| Node::default()).collect(),
            stranded: BTreeSet::new(),
            replaced: BTreeMap::new(),
            ends_early,
            asks_owners: false,
        };
        for node in 0..NODES {
            cluster.start(NodeNumber(node));
        }
        cluster.tell_topology();
        cluster
    }

    fn node(&mut self, node: NodeNumber) -> &mut Node {
        &mut self.nodes[node.0 as usize]
    }

    /// Notes what the subscriptions report.
    fn act(&mut self) {
        for action in self.subscriptions.take_actions() {
            match action {
                Action::Confirmed(name) => _ = self.heard.insert(name.to_string()),
                Action::Lost(name) => _ = self.heard.remove(&*name),
                Action::Refresh => self.asks_owners = true,
                Action::Moved | Action::Write(_) => {}
            }
        }
    }

    pub(super) fn want(&mut self, name: &str) {
        if self.wanted.insert(name.to_owned()) {
            self.subscriptions.want(name, self.now);
            self.act();
        }
    }

    pub(super) fn unwant(&mut self, name: &str) {
        if self.wanted.remove(name) {
            self.heard.remove(name);
            self.subscriptions.unwant(name, self.now);
            self.act();
        }
    }

    /// The relay writes orders to a node.
    pub(super) fn write(&mut self, node: NodeNumber, count: usize) {
        if self.node(node).alive {
            let orders = self.subscriptions.take_orders(node, count, self.now);
            self.node(node).commands.extend(orders);
            self.act();
        }
    }

    /// The node executes commands that have arrived.
    pub(super) fn execute(&mut self, node: NodeNumber, count: usize) {
        for _ in 0..count {
            let Some(order) = self.node(node).commands.pop_front() else { return };
            let name = order.channel.to_string();
            let slot = slot_of(&name);
            let owner = self.owners[usize::from(slot)];
            let imports = self.moving.get(&slot) == Some(&node) && order.asking;
            let answer = if self.node(node).serves_nothing {
                Answer::NotServed
            } else if owner != node && !imports && self.refuses(&order, node, slot) {
                Answer::Moved(slot, owner)
            } else if order.verb == Verb::Subscribe {
                self.node(node).subscribed.insert(name.clone());
                Answer::Subscribed(name)
            } else {
                self.node(node).subscribed.remove(&name);
                Answer::Unsubscribed(name)
            };
            self.node(node).answers.push_back(answer);
        }
    }

    fn refuses(&mut self, order: &Order, node: NodeNumber, slot: u16) -> bool {
        let Some(left) = self.replaced.get_mut(&(node, slot)) else { return true };
        let refuses = order.verb == Verb::Subscribe || *left > 0;
        *left = left.saturating_sub(1);
        refuses
    }

    /// The node loses a request for a subscription: it has no effect and gets no answer that the
    /// relay understands.
    pub(super) fn lose(&mut self, node: NodeNumber) {
        let commands = &mut self.node(node).commands;
        if commands.front().is_some_and(|order| order.verb == Verb::Subscribe) {
            commands.pop_front();
        }
    }

    /// What the node has sent arrives.
    pub(super) fn deliver(&mut self, node: NodeNumber, count: usize) {
        for _ in 0..count {
            let Some(answer) = self.node(node).answers.pop_front() else { return };
            let now = self.now;
            match answer {
                Answer::Subscribed(name) => self.subscriptions.subscribed(node, &name, now),
                Answer::Unsubscribed(name) => self.subscriptions.unsubscribed(node, &name, now),
                Answer::Moved(slot, to) => self.subscriptions.moved(node, slot, Some(to), now),
                Answer::NotServed => self.subscriptions.not_served(node, now),
            }
            self.act();
        }
    }

    /// The node ends all its subscriptions in this slot.
    fn end_slot(&mut self, node: NodeNumber, slot: u16) {
        let node = self.node(node);
        let ended = node.subscribed.extract_if(.., |name| slot_of(name) == slot);
        let ended = ended.map(Answer::Unsubscribed).collect::<Vec<_>>();
        node.answers.extend(ended);
    }

    /// The slot gets another owner by a failover, of which subscribers are told nothing.
    pub(super) fn replace(&mut self, slot: u16, to: NodeNumber) {
        let from = std::mem::replace(&mut self.owners[usize::from(slot)], to);
        if from != to {
            self.give_up_move(slot);
            self.replaced.insert((from, slot), 2);
            self.replaced.remove(&(to, slot));
        }
    }

    /// The slot gets another owner, by a failover or the end of a move.
    pub(super) fn give(&mut self, slot: u16, to: NodeNumber) {
        let from = std::mem::replace(&mut self.owners[usize::from(slot)], to);
        self.replaced.remove(&(to, slot));
        if from == to {
            return;
        }
        if self.moving.get(&slot) != Some(&to) {
            self.give_up_move(slot);
        } else if self.ends_early {
            self.end_slot(to, slot);
        }
        self.moving.remove(&slot);
        self.end_slot(from, slot);
    }

    /// The slot begins to move.
    pub(super) fn begin_move(&mut self, slot: u16, to: NodeNumber) {
        if self.owners[usize::from(slot)] != to {
            self.give_up_move(slot);
            self.moving.insert(slot, to);
        }
    }

    pub(super) fn give_up_move(&mut self, slot: u16) {
        let Some(to) = self.moving.remove(&slot) else { return };
        let stay = self.node(to).subscribed.iter().filter(|name| slot_of(name) == slot);
        let stay = stay.map(|name| (to, name.clone())).collect::<Vec<_>>();
        self.stranded.extend(stay);
    }

    /// A command for this room is answered with `ASK`, if its slot moves.
    pub(super) fn ask(&mut self, name: &str) {
        if let Some(to) = self.moving.get(&slot_of(name)) {
            self.subscriptions.follow(name, *to, self.now);
            self.act();
        }
    }

    /// The relay is told who owns each slot.
    pub(super) fn tell_topology(&mut self) {
        self.asks_owners = false;
        for slot in 0..SLOTS {
            let owner = self.owners[usize::from(slot)];
            self.subscriptions.assign(slot, Some(owner), self.now);
        }
        self.act();
    }

    /// The relay is told something wrong.
    pub(super) fn mislead(&mut self, slot: u16, node: Option<NodeNumber>) {
        self.subscriptions.assign(slot, node, self.now);
        self.act();
    }

    pub(super) fn serve_nothing(&mut self, node: NodeNumber, nothing: bool) {
        self.node(node).serves_nothing = nothing;
    }

    pub(super) fn kill(&mut self, node: NodeNumber) {
        *self.node(node) = Node::default();
        self.stranded.retain(|(stranded, _)| *stranded != node);
        self.replaced.retain(|(replaced, _), _| *replaced != node);
        self.subscriptions.closed(node, self.now);
        self.act();
    }

    pub(super) fn start(&mut self, node: NodeNumber) {
        if !self.node(node).alive {
            self.node(node).alive = true;
            self.subscriptions.opened(node, self.now);
            self.act();
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.subscriptions.tick(self.now);
        self.act();
    }

    /// One round in which everything that is on its way arrives.
    fn round(&mut self) {
        for node in (0..NODES).map(NodeNumber) {
            self.write(node, usize::MAX);
            self.execute(node, usize::MAX);
            self.deliver(node, usize::MAX);
        }
    }

    /// Lets the cluster become sound and everything arrive.
    pub(super) fn settle(&mut self) {
        for slot in 0..SLOTS {
            self.give_up_move(slot);
        }
        for node in (0..NODES).map(NodeNumber) {
            self.start(node);
            self.serve_nothing(node, false);
        }
        self.tell_topology();
        for _ in 0..80 {
            self.round();
            // A refusal that was on its way may have named an owner of before.
            if self.asks_owners {
                self.tell_topology();
            }
            self.pass(Duration::from_millis(250));
        }
    }

    /// What is wrong: every wanted channel must be subscribed at the owner of its slot, and nothing
    /// else anywhere, and the relay must believe the same.
    pub(super) fn wrongs(&self) -> Vec<String> {
        let mut wrongs = Vec::new();
        for name in &self.wanted {
            let owner = self.owners[usize::from(slot_of(name))];
            if !self.nodes[owner.0 as usize].subscribed.contains(name) {
                wrongs.push(format!("{name} is not subscribed at its owner {owner:?}"));
            }
            if !self.heard.contains(name) {
                wrongs.push(format!("the listener waits for {name}"));
            }
        }
        for (number, node) in (0..NODES).map(NodeNumber).zip(&self.nodes) {
            for name in &node.subscribed {
                let home = self.owners[usize::from(slot_of(name))] == number;
                let stranded = self.stranded.contains(&(number, name.clone()));
                if !(home && self.wanted.contains(name) || stranded) {
                    wrongs.push(format!("{name} is subscribed at {number:?}"));
                }
            }
        }
        if self.subscriptions.unconfirmed() > 0 {
            wrongs.push(format!("{} unconfirmed", self.subscriptions.unconfirmed()));
        }
        wrongs
    }
}
