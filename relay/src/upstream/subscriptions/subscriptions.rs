//! Which channels are wanted, at which nodes they are asked for, and where they are confirmed.
//!
//! The one idea: only a push that names the channel says anything about its subscription. Replies
//! are not matched by their order, because a `sunsubscribe` that nobody asked for looks like a
//! reply; and `MOVED` names only a slot. So every event leads to the same question for the channels
//! that it touches (see `plan`): where should this channel be subscribed, and what is missing?
//! A wanted channel belongs to the owner of its slot, and early also to the node to which the slot
//! is moving. It is asked for at a new owner before it is ended at the old one.
//!
//! Pure logic: events and the time go in, [`Action`]s and [`Order`]s come out. The caller drops
//! what arrives from a link that it has closed, and writes the orders of a node in their order.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chat_protocol::slot::SLOTS;

use crate::upstream::subscriptions::actions::{Action, Order, Verb};
use crate::upstream::subscriptions::channels::{Channels, Key, NodeNumber, Seat, Stage};

/// A node that could not serve a command is asked again after this time.
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// A command that is not answered in this time is sent again, after a look at the topology.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// An early subscription is asked for again after this time, because nothing else says that the
/// slot does not move any more.
const EARLY_PROOF: Duration = Duration::from_secs(10);
/// Pause between two looks for unanswered commands.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// Redirections in a row that are followed at once. Beyond them nodes disagree about the slot.
const HOPS_MAX: u8 = 5;

/// The subscriptions of a relay.
pub(crate) struct Subscriptions {
    slot_of: fn(&str) -> u16,
    pub(super) channels: Channels,
    owners: Vec<Option<NodeNumber>>,
    /// The open nodes, and when commands that they could not serve are sent again.
    open: BTreeMap<NodeNumber, Option<Instant>>,
    actions: Vec<Action>,
    checked: Option<Instant>,
}

impl Subscriptions {
    /// No channel is wanted, no slot has an owner, no node is open. `slot_of` returns the slot of a
    /// channel.
    pub(crate) fn new(slot_of: fn(&str) -> u16) -> Subscriptions {
        Subscriptions {
            slot_of,
            channels: Channels::default(),
            owners: vec![None; usize::from(SLOTS)],
            open: BTreeMap::new(),
            actions: Vec::new(),
            checked: None,
        }
    }

    /// What the events since the last call require.
    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// The next commands for this node, at most `count`. They count as sent.
    pub(crate) fn take_orders(
        &mut self,
        node: NodeNumber,
        count: usize,
        now: Instant,
    ) -> Vec<Order> {
        let mut orders = Vec::new();
        while orders.len() < count {
            let Some(key) = self.channels.next_queued(node) else { break };
            let Some(seat) = self.channels.seat(key, node) else { break };
            self.channels.put(key, Seat { queued: None, sent: Some(now), pauses: false, ..seat });
            let Some(channel) = self.channels.get(key) else { break };
            let verb = match seat.stage {
                Stage::Leaving => Verb::Unsubscribe,
                Stage::Asked | Stage::Confirmed => Verb::Subscribe,
            };
            orders.push(Order { verb, channel: channel.name.clone(), asking: seat.early });
        }
        orders
    }

    /// How many wanted channels are not confirmed by the owner of their slot.
    pub(crate) fn unconfirmed(&self) -> usize {
        self.channels.unconfirmed()
    }

    /// Whether something is to be sent again soon.
    pub(crate) fn has_retries(&self) -> bool {
        self.open.values().any(Option::is_some)
    }

    /// The channel is wanted. [`Action::Confirmed`] follows, at once if it is confirmed already.
    pub(crate) fn want(&mut self, name: &str, now: Instant) {
        let key = self.channels.find_or_add(name, self.slot_of);
        let is_new = self.channels.set_wanted(key, true);
        if !is_new && let Some(channel) = self.channels.get(key).filter(|found| found.is_heard()) {
            self.actions.push(Action::Confirmed(channel.name.clone()));
        }
        self.plan(key, now);
    }

    /// The channel is not wanted any more.
    pub(crate) fn unwant(&mut self, name: &str, now: Instant) {
        if let Some(key) = self.channels.find(name) {
            self.channels.set_wanted(key, false);
            self.plan(key, now);
        }
    }

    /// The links to this node are open. No channel is subscribed there.
    pub(crate) fn opened(&mut self, node: NodeNumber, now: Instant) {
        self.closed(node, now);
        self.open.insert(node, None);
        let owned = |slot: &u16| self.owners.get(usize::from(*slot)) == Some(&Some(node));
        let slots = self.channels.wanted_slots().filter(owned).collect::<Vec<_>>();
        self.plan_slots(slots, now);
        for key in self.channels.early() {
            self.plan(key, now);
        }
    }

    /// The links to this node are closed, and with them all its subscriptions are gone.
    pub(crate) fn closed(&mut self, node: NodeNumber, now: Instant) {
        if self.open.remove(&node).is_none() {
            return;
        }
        for key in self.channels.seated_at(node) {
            self.channels.remove(key, node);
            self.note_silence(key);
            self.plan(key, now);
        }
    }

    /// The topology names the owner of a slot.
    pub(crate) fn assign(&mut self, slot: u16, node: Option<NodeNumber>, now: Instant) {
        let Some(owner) = self.owners.get_mut(usize::from(slot)) else { return };
        if std::mem::replace(owner, node) != node {
            self.plan_slots(vec![slot], now);
        }
    }

    /// A push from this node: the channel is subscribed.
    pub(crate) fn subscribed(&mut self, node: NodeNumber, name: &str, now: Instant) {
        if !self.open.contains_key(&node) {
            return;
        }
        let key = self.channels.find_or_add(name, self.slot_of);
        let before = self.channels.seat(key, node);
        let confirmed = Some(now);
        // It was asked for before it was to be ended. Its end is confirmed next.
        if let Some(seat) = before.filter(|seat| seat.stage == Stage::Leaving) {
            return self.put(key, Seat { confirmed, ..seat });
        }
        let early = before.map_or_else(|| self.owner_of(key) != Some(node), |seat| seat.early);
        let stage = Stage::Confirmed;
        let (queued, sent, refusals, pauses) = (None, None, 0, false);
        self.put(key, Seat { node, stage, early, queued, sent, refusals, pauses, confirmed });
        self.channels.reset_hops(key);
        if before.is_none_or(|seat| seat.stage != Stage::Confirmed)
            && let Some(channel) = self.channels.get(key).filter(|channel| channel.wanted)
        {
            self.actions.push(Action::Confirmed(channel.name.clone()));
            if self.channels.set_confirmed_by(key, node) {
                self.actions.push(Action::Moved);
            }
        }
        self.plan(key, now);
    }

    /// A push from this node: the channel is not subscribed any more.
    pub(crate) fn unsubscribed(&mut self, node: NodeNumber, name: &str, now: Instant) {
        let Some(key) = self.channels.find(name) else { return };
        let Some(seat) = self.channels.seat(key, node) else { return };
        match seat.stage {
            // The answers of a link keep their order: the answer to the request is still to come.
            Stage::Asked => return,
            Stage::Leaving => _ = self.channels.remove(key, node),
            Stage::Confirmed => {
                self.channels.remove(key, node);
                self.note_silence(key);
                self.refresh();
            }
        }
        self.plan(key, now);
    }

    /// `MOVED` from this node to a subscription command: it does not own the slot. `to` is the node
    /// that it names, if it is known.
    pub(crate) fn moved(
        &mut self,
        from: NodeNumber,
        slot: u16,
        to: Option<NodeNumber>,
        now: Instant,
    ) {
        // The error does not name the channel, so it counts for all that the node has not answered.
        for key in self.channels.in_flight_at(from, slot) {
            // It was an answer to an earlier command, or to one of another channel.
            if self.channels.seat(key, from).is_none_or(|seat| seat.pauses) {
                continue;
            }
            let Some(seat) = self.channels.remove(key, from) else { continue };
            // What the node has confirmed before, it may keep.
            let may_keep = seat.stage == Stage::Leaving || seat.confirmed.is_some();
            if let Some(refused) = seat.refused(now, ANSWER_WITHIN).filter(|_| may_keep) {
                self.put(key, Seat { stage: Stage::Leaving, queued: None, ..refused });
            }
            if seat.stage == Stage::Confirmed {
                self.note_silence(key);
            }
            self.end_early(key, from);
            self.channels.count_hop(key);
            self.channels.drop_if_done(key);
        }
        if let Some(owner) = self.owners.get_mut(usize::from(slot)) {
            *owner = to;
        }
        self.refresh();
        self.plan_slots(vec![slot], now);
    }

    /// `CLUSTERDOWN`, `TRYAGAIN` or the like from this node to a subscription command.
    pub(crate) fn not_served(&mut self, node: NodeNumber, now: Instant) {
        if let Some(retry_at) = self.open.get_mut(&node) {
            retry_at.get_or_insert(now + RETRY_AFTER);
        }
    }

    /// `ASK` to a command for the room of this channel: its slot is moving to this node, and its
    /// key is there already. A node that is not open yet, as one that is new, is asked once it is.
    pub(crate) fn follow(&mut self, name: &str, node: NodeNumber, now: Instant) {
        if let Some(key) = self.channels.find(name)
            && self.channels.get(key).is_some_and(|channel| channel.wanted)
        {
            self.channels.set_early(key, Some(node));
            self.plan(key, now);
        }
    }

    /// Sends again what is due. Call this several times per second.
    pub(crate) fn tick(&mut self, now: Instant) {
        let due = self.open.iter_mut().filter(|(_, at)| at.is_some_and(|at| at <= now));
        let due = due.map(|(node, at)| (*node, at.take()).0).collect::<Vec<_>>();
        for node in due {
            for key in self.channels.all_in_flight_at(node) {
                self.send_again(key, node);
            }
        }
        if self.checked.is_none_or(|at| at + CHECK_INTERVAL <= now) {
            self.checked = Some(now);
            self.check(now);
        }
    }

    fn check(&mut self, now: Instant) {
        if let Some(then) = now.checked_sub(ANSWER_WITHIN) {
            for (key, seat) in self.channels.unanswered_since(then) {
                match seat.stage {
                    Stage::Leaving => self.send_again(key, seat.node),
                    Stage::Asked if self.owner_of(key) == Some(seat.node) => {
                        self.send_again(key, seat.node);
                        self.refresh();
                    }
                    Stage::Asked => {
                        self.end_early(key, seat.node);
                        self.forget(key, seat);
                        self.plan(key, now);
                    }
                    Stage::Confirmed => self.put(key, Seat { sent: None, ..seat }),
                }
            }
        }
        for key in self.channels.early() {
            let early = self.channels.get(key).and_then(|channel| channel.early);
            if let Some(seat) = early.and_then(|node| self.channels.seat(key, node))
                && seat.sent.is_none()
                && seat.confirmed.is_some_and(|at| at + EARLY_PROOF <= now)
            {
                self.queue(key, seat.node);
            }
        }
    }

    fn plan_slots(&mut self, slots: Vec<u16>, now: Instant) {
        for slot in slots {
            for key in self.channels.wanted_in(slot) {
                self.plan(key, now);
            }
        }
    }

    /// Compares where this channel is with where it should be, and queues what is missing.
    fn plan(&mut self, key: Key, now: Instant) {
        let owner = self.owner_of(key);
        let Some(channel) = self.channels.get(key) else { return };
        let (wanted, hops) = (channel.wanted, channel.hops);
        // What was early is now the owner's, or nobody's.
        let early = channel.early.filter(|node| wanted && Some(*node) != owner);
        if channel.early != early {
            self.channels.set_early(key, early);
        }
        let home = owner.filter(|_| wanted);
        let early = early.filter(|node| self.open.contains_key(node));
        for node in [home, early].into_iter().flatten() {
            self.ask(key, node, hops, now);
        }
        let is_home = home.and_then(|node| self.channels.seat(key, node));
        let is_home = is_home.is_some_and(|seat| seat.stage == Stage::Confirmed);
        self.channels.set_home(key, is_home);
        for node in self.channels.nodes_of(key) {
            if Some(node) != home && Some(node) != early {
                self.leave(key, node, wanted && !is_home);
            }
        }
        self.channels.drop_if_done(key);
    }

    /// Makes sure that this channel is confirmed or asked for at this node.
    fn ask(&mut self, key: Key, node: NodeNumber, hops: u8, now: Instant) {
        let early = self.owner_of(key) != Some(node);
        let seat = match self.channels.seat(key, node) {
            None => {
                let (stage, queued, sent, confirmed) = (Stage::Asked, None, None, None);
                Seat { node, stage, early, queued, sent, refusals: 0, pauses: false, confirmed }
            }
            // Its end was not sent yet. The room may be a new one, which awaits a confirmation.
            Some(seat) if seat.stage == Stage::Leaving && seat.sent.is_none() => {
                return self.put(key, Seat { stage: Stage::Asked, refusals: 0, ..seat });
            }
            // The node has refused to end it, so nothing is in flight.
            Some(seat) if seat.stage == Stage::Leaving && seat.pauses => {
                Seat { stage: Stage::Asked, early, refusals: 0, pauses: false, ..seat }
            }
            // When its end is confirmed, it is asked for again: so it is clear which request the
            // next push answers.
            Some(_) => return,
        };
        // Beyond the most hops it counts as sent, and is sent with what was not served.
        let sent = (hops >= HOPS_MAX).then_some(now);
        self.put(key, Seat { sent, ..seat });
        match sent {
            None => self.queue(key, node),
            Some(_) => self.not_served(node, now),
        }
    }

    /// Ends the subscription to this channel at a node where it should not be. With `until_home` it
    /// is kept until the owner has confirmed its own.
    fn leave(&mut self, key: Key, node: NodeNumber, until_home: bool) {
        let Some(seat) = self.channels.seat(key, node) else { return };
        let never_sent = seat.stage == Stage::Asked && seat.sent.is_none();
        if never_sent && seat.confirmed.is_none() {
            self.channels.remove(key, node);
        } else if !until_home && seat.stage != Stage::Leaving {
            self.put(key, Seat { stage: Stage::Leaving, sent: None, ..seat });
            self.queue(key, node);
        }
    }

    /// Gives up a request that is not answered by a node where the channel should not be. What the
    /// node has confirmed before, it may keep, so that is ended.
    fn forget(&mut self, key: Key, seat: Seat) {
        if seat.confirmed.is_some() {
            self.put(key, Seat { stage: Stage::Leaving, sent: None, ..seat });
            self.queue(key, seat.node);
        } else {
            self.channels.remove(key, seat.node);
        }
    }

    fn send_again(&mut self, key: Key, node: NodeNumber) {
        self.channels.reset_hops(key);
        if let Some(seat) = self.channels.seat(key, node) {
            self.put(key, Seat { sent: None, pauses: false, ..seat });
            self.queue(key, node);
        }
    }

    fn queue(&mut self, key: Key, node: NodeNumber) {
        if let Some(seat) = self.channels.seat(key, node)
            && seat.queued.is_none()
        {
            let queued = self.channels.new_place();
            self.put(key, Seat { queued, ..seat });
        }
    }

    fn put(&mut self, key: Key, seat: Seat) {
        if self.channels.put(key, seat) {
            self.actions.push(Action::Write(seat.node));
        }
    }

    /// The open node that owns the slot of this channel.
    fn owner_of(&self, key: Key) -> Option<NodeNumber> {
        let slot = self.channels.get(key)?.slot;
        let owner = *self.owners.get(usize::from(slot))?;
        owner.filter(|node| self.open.contains_key(node))
    }

    /// Reports a wanted channel that no node sends any more.
    fn note_silence(&mut self, key: Key) {
        if let Some(channel) = self.channels.get(key)
            && channel.wanted
            && !channel.is_heard()
        {
            self.actions.push(Action::Lost(channel.name.clone()));
        }
    }

    fn end_early(&mut self, key: Key, node: NodeNumber) {
        if self.channels.get(key).is_some_and(|channel| channel.early == Some(node)) {
            self.channels.set_early(key, None);
        }
    }

    fn refresh(&mut self) {
        if self.actions.last() != Some(&Action::Refresh) {
            self.actions.push(Action::Refresh);
        }
    }
}
