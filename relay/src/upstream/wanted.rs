//! Wanted channels: at which node each is subscribed, and what to ask the nodes for.
//!
//! A channel is asked for at the owner of its slot. When the owner changes, the new one is asked
//! first, and the subscription at the old one ends when the new one has confirmed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_protocol::slot::slot_of;
use parking_lot::Mutex;

use crate::upstream::commands::{self, Command};

/// Subscriptions that are not confirmed within this time are requested again.
const CONFIRM_WITHIN: Duration = Duration::from_secs(3);

/// The number of a node.
pub(super) type NodeNumber = u32;

/// The wanted channels.
#[derive(Default)]
pub(super) struct Wanted(Mutex<State>);

#[derive(Default)]
struct State {
    channels: HashMap<Arc<str>, Channel>,
    orders: HashMap<NodeNumber, VecDeque<Order>>,
}

struct Channel {
    slot: u16,
    /// Where it was asked for last.
    asked: Option<NodeNumber>,
    asked_at: Instant,
    /// Where it is subscribed.
    confirmed: Option<NodeNumber>,
}

enum Order {
    Subscribe(Arc<str>),
    Unsubscribe(Arc<str>),
}

impl State {
    /// Asks for the channel at this node.
    fn ask(&mut self, channel: &Arc<str>, node: Option<NodeNumber>) {
        let Some(known) = self.channels.get_mut(channel) else { return };
        known.asked = node;
        known.asked_at = Instant::now();
        if let Some(node) = node {
            self.orders.entry(node).or_default().push_back(Order::Subscribe(channel.clone()));
        }
    }
}

impl Wanted {
    /// Wants a channel. `owner` is the node that owns its slot.
    pub(super) fn want(&self, channel: Arc<str>, owner: impl Fn(u16) -> Option<NodeNumber>) {
        let slot = slot_of(channel.as_bytes());
        let mut state = self.0.lock();
        let new = Channel { slot, asked: None, asked_at: Instant::now(), confirmed: None };
        state.channels.entry(channel.clone()).or_insert(new);
        state.ask(&channel, owner(slot));
    }

    /// Wants a channel no more.
    pub(super) fn forget(&self, channel: &Arc<str>) {
        let mut state = self.0.lock();
        let Some(known) = state.channels.remove(channel) else { return };
        let mut nodes = vec![known.asked, known.confirmed];
        nodes.dedup();
        for node in nodes.into_iter().flatten() {
            state.orders.entry(node).or_default().push_back(Order::Unsubscribe(channel.clone()));
        }
    }

    /// Notes that the node has confirmed the channel. Returns whether it is wanted.
    pub(super) fn confirmed(&self, channel: &str, node: NodeNumber) -> bool {
        let mut state = self.0.lock();
        let Some((name, _)) = state.channels.get_key_value(channel) else { return false };
        let name = name.clone();
        let Some(known) = state.channels.get_mut(channel) else { return false };
        let before = known.confirmed.replace(node).filter(|before| *before != node);
        if let Some(before) = before {
            state.orders.entry(before).or_default().push_back(Order::Unsubscribe(name));
        }
        true
    }

    /// Notes that the subscription at this node has ended. Returns the channel if that was where it
    /// was subscribed.
    pub(super) fn ended(
        &self,
        channel: &str,
        node: NodeNumber,
        owner: impl Fn(u16) -> Option<NodeNumber>,
    ) -> Option<Arc<str>> {
        let mut state = self.0.lock();
        let name = state.channels.get_key_value(channel)?.0.clone();
        let known = state.channels.get_mut(channel)?;
        if known.confirmed != Some(node) {
            return None;
        }
        known.confirmed = None;
        let owner = owner(known.slot);
        state.ask(&name, owner);
        Some(name)
    }

    /// Notes that this node has a new link, and asks for what belongs there. Returns the channels
    /// that were lost with the old one.
    pub(super) fn reset(
        &self,
        node: NodeNumber,
        owner: impl Fn(u16) -> Option<NodeNumber>,
    ) -> Vec<Arc<str>> {
        let mut state = self.0.lock();
        state.orders.remove(&node);
        let mut lost = Vec::new();
        let mut ask = Vec::new();
        for (name, known) in &mut state.channels {
            if known.confirmed == Some(node) {
                known.confirmed = None;
                lost.push(name.clone());
            }
            if owner(known.slot) == Some(node) || known.asked == Some(node) {
                ask.push((name.clone(), owner(known.slot)));
            }
        }
        for (name, owner) in ask {
            state.ask(&name, owner);
        }
        lost
    }

    /// Asks for channels at their owners if they were asked for elsewhere, or were not confirmed in
    /// time. Returns whether there were any.
    pub(super) fn follow(&self, owner: impl Fn(u16) -> Option<NodeNumber>) -> bool {
        let now = Instant::now();
        let mut state = self.0.lock();
        let mut ask = Vec::new();
        for (name, known) in &state.channels {
            let owner = owner(known.slot);
            let is_overdue = known.confirmed != owner
                && now.saturating_duration_since(known.asked_at) > CONFIRM_WITHIN;
            if owner.is_some() && (known.asked != owner || is_overdue) {
                ask.push((name.clone(), owner));
            }
        }
        let is_any = !ask.is_empty();
        for (name, owner) in ask {
            state.ask(&name, owner);
        }
        is_any
    }

    /// Takes commands for this node.
    pub(super) fn take_orders(&self, node: NodeNumber, most: usize) -> Vec<Command> {
        let mut state = self.0.lock();
        let Some(orders) = state.orders.get_mut(&node) else { return Vec::new() };
        let count = orders.len().min(most);
        let commands = orders.drain(..count).map(|order| match order {
            Order::Subscribe(channel) => commands::subscribe(&channel),
            Order::Unsubscribe(channel) => commands::unsubscribe(&channel),
        });
        commands.collect()
    }
}
