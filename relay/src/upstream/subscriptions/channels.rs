//! The records of channels, and the indexes that find them: by name, by slot, by node.
//!
//! A channel has a *seat* at each node where it is subscribed or about to be. All changes of a seat
//! go through [`Channels::put`] and [`Channels::remove`], which keep the indexes. Every look-up
//! costs the logarithm of the number of channels, or what it returns.
//!
//! When a seat should change is decided in `subscriptions.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A node, by a number that the topology gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeNumber(pub(crate) u32);

/// The place of a channel in the list of records. It may be used again once the record is dropped.
pub(super) type Key = u32;

/// All keys.
const KEYS: RangeInclusive<Key> = Key::MIN..=Key::MAX;

/// The first pause before a node is asked again that has refused to end a subscription, and how
/// often it may refuse. A node that was replaced refuses for a moment, until it is a replica.
const REFUSED_PAUSE: Duration = Duration::from_millis(250);
const REFUSALS_MAX: u8 = 6;

/// What a seat is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The subscription is requested, or will be.
    Asked,
    /// The node has confirmed the subscription.
    Confirmed,
    /// The subscription is being ended, or will be.
    Leaving,
}

/// One channel at one node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    pub(super) node: NodeNumber,
    pub(super) stage: Stage,
    /// The node did not own the slot when this seat was made: its commands need `ASKING`.
    pub(super) early: bool,
    /// The place in the node's queue, if a command is to be sent.
    pub(super) queued: Option<u64>,
    /// When a command was sent that has not been answered.
    pub(super) sent: Option<Instant>,
    /// How often in a row the node has refused to end the subscription. It keeps it then.
    pub(super) refusals: u8,
    /// Nothing is in flight: the node has refused, and is asked again after a pause.
    pub(super) pauses: bool,
    /// When the node last confirmed the subscription.
    pub(super) confirmed: Option<Instant>,
}

impl Seat {
    /// This seat after the node has refused to end the subscription, because it does not own the
    /// slot any more. It may keep the subscription: as a replica it goes on to send what its primary
    /// publishes, and clients would get ephemeral events twice. The command counts as sent so long
    /// ago that it is overdue (`answer_within`) after a pause, which doubles each time. `None`: it
    /// has refused too often; there is no subscription, or it ends with the link.
    pub(super) fn refused(self, now: Instant, answer_within: Duration) -> Option<Seat> {
        let pause = REFUSED_PAUSE * 2_u32.pow(u32::from(self.refusals.min(REFUSALS_MAX)));
        let sent = (now + pause).checked_sub(answer_within).unwrap_or(now);
        let refusals = self.refusals + 1;
        let seat = Seat { sent: Some(sent), refusals, pauses: true, ..self };
        (refusals < REFUSALS_MAX).then_some(seat)
    }
}

/// One channel.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: Arc<str>,
    pub(super) slot: u16,
    pub(super) wanted: bool,
    /// The node to which the channel's slot is moving, while its key may be there already.
    pub(super) early: Option<NodeNumber>,
    /// How often in a row the request was redirected.
    pub(super) hops: u8,
    /// Whether the owner of the slot has confirmed the subscription.
    pub(super) home: bool,
    /// The node that confirmed the subscription last, while it is wanted.
    pub(super) confirmed_by: Option<NodeNumber>,
    seats: Vec<Seat>,
}

impl Channel {
    /// Whether any node has confirmed the subscription, and it is not being ended.
    pub(super) fn is_heard(&self) -> bool {
        self.seats.iter().any(|seat| seat.stage == Stage::Confirmed)
    }
}

/// All channels that are wanted or still have a seat.
#[derive(Debug, Default)]
pub(super) struct Channels {
    records: Vec<Option<Channel>>,
    free: Vec<Key>,
    by_name: HashMap<Arc<str>, Key>,
    wanted: BTreeSet<(u16, Key)>,
    seats: BTreeSet<(NodeNumber, Key)>,
    /// The seats with an unanswered command.
    in_flight: BTreeSet<(NodeNumber, u16, Key)>,
    /// The channels that are followed to another node while their slot moves.
    early: BTreeSet<Key>,
    /// The commands to send, in order for each node.
    queues: BTreeMap<(NodeNumber, u64), Key>,
    next_place: u64,
    /// How many wanted channels the owners of their slots have confirmed.
    at_home: usize,
}

impl Channels {
    pub(super) fn find(&self, name: &str) -> Option<Key> {
        self.by_name.get(name).copied()
    }

    /// The record of this name; a new one, unwanted and without seats, if there is none.
    pub(super) fn find_or_add(&mut self, name: &str, slot_of: fn(&str) -> u16) -> Key {
        if let Some(key) = self.find(name) {
            return key;
        }
        let (name, slot) = (Arc::<str>::from(name), slot_of(name));
        let channel = Channel {
            name: name.clone(),
            slot,
            wanted: false,
            early: None,
            hops: 0,
            home: false,
            confirmed_by: None,
            seats: Vec::with_capacity(1),
        };
        let key = self.free.pop().unwrap_or_else(|| {
            self.records.push(None);
            Key::try_from(self.records.len() - 1).unwrap_or(Key::MAX)
        });
        if let Some(record) = self.records.get_mut(key as usize) {
            *record = Some(channel);
        }
        self.by_name.insert(name, key);
        key
    }

    /// Drops the record if the channel is neither wanted nor has a seat.
    pub(super) fn drop_if_done(&mut self, key: Key) {
        let Some(record) = self.records.get_mut(key as usize) else { return };
        if record.as_ref().is_some_and(|channel| !channel.wanted && channel.seats.is_empty())
            && let Some(channel) = record.take()
        {
            self.by_name.remove(&channel.name);
            self.early.remove(&key);
            self.free.push(key);
        }
    }

    pub(super) fn get(&self, key: Key) -> Option<&Channel> {
        self.records.get(key as usize)?.as_ref()
    }

    fn get_mut(&mut self, key: Key) -> Option<&mut Channel> {
        self.records.get_mut(key as usize)?.as_mut()
    }

    /// Returns whether that changes anything.
    pub(super) fn set_wanted(&mut self, key: Key, wanted: bool) -> bool {
        let Some(channel) = self.get_mut(key) else { return false };
        let changed = std::mem::replace(&mut channel.wanted, wanted) != wanted;
        channel.confirmed_by = channel.confirmed_by.filter(|_| wanted);
        let entry = (channel.slot, key);
        if wanted {
            self.wanted.insert(entry);
        } else {
            self.wanted.remove(&entry);
        }
        changed
    }

    pub(super) fn set_early(&mut self, key: Key, early: Option<NodeNumber>) {
        let Some(channel) = self.get_mut(key) else { return };
        channel.early = early;
        match early {
            Some(_) => self.early.insert(key),
            None => self.early.remove(&key),
        };
    }

    /// Counts one more redirection and returns how many there were before.
    pub(super) fn count_hop(&mut self, key: Key) -> u8 {
        let Some(channel) = self.get_mut(key) else { return 0 };
        let before = channel.hops;
        channel.hops = before.saturating_add(1);
        before
    }

    pub(super) fn reset_hops(&mut self, key: Key) {
        if let Some(channel) = self.get_mut(key) {
            channel.hops = 0;
        }
    }

    /// Notes who has confirmed the subscription. Returns whether it was another node before.
    pub(super) fn set_confirmed_by(&mut self, key: Key, node: NodeNumber) -> bool {
        let Some(channel) = self.get_mut(key) else { return false };
        channel.confirmed_by.replace(node).is_some_and(|before| before != node)
    }

    pub(super) fn set_home(&mut self, key: Key, home: bool) {
        let Some(channel) = self.get_mut(key) else { return };
        match (std::mem::replace(&mut channel.home, home), home) {
            (false, true) => self.at_home += 1,
            (true, false) => self.at_home -= 1,
            _ => {}
        }
    }

    pub(super) fn seat(&self, key: Key, node: NodeNumber) -> Option<Seat> {
        self.get(key)?.seats.iter().find(|seat| seat.node == node).copied()
    }

    /// The nodes at which this channel has a seat.
    pub(super) fn nodes_of(&self, key: Key) -> Vec<NodeNumber> {
        let seats = self.get(key).map(|channel| &channel.seats[..]);
        seats.unwrap_or_default().iter().map(|seat| seat.node).collect()
    }

    /// A new place at the end of a queue.
    pub(super) fn new_place(&mut self) -> Option<u64> {
        self.next_place += 1;
        Some(self.next_place)
    }

    /// Adds this seat or replaces the one at the same node. Returns whether the node's queue was
    /// empty before and is not now.
    pub(super) fn put(&mut self, key: Key, seat: Seat) -> bool {
        let Some(channel) = self.get_mut(key) else { return false };
        let slot = channel.slot;
        let old = match channel.seats.iter_mut().find(|each| each.node == seat.node) {
            Some(old) => Some(std::mem::replace(old, seat)),
            None => {
                channel.seats.push(seat);
                None
            }
        };
        if old.is_none() {
            self.seats.insert((seat.node, key));
        }
        match (old.and_then(|old| old.sent), seat.sent) {
            (None, Some(_)) => _ = self.in_flight.insert((seat.node, slot, key)),
            (Some(_), None) => _ = self.in_flight.remove(&(seat.node, slot, key)),
            _ => {}
        }
        let place = old.and_then(|old| old.queued);
        if place == seat.queued {
            return false;
        }
        if let Some(place) = place {
            self.queues.remove(&(seat.node, place));
        }
        let Some(place) = seat.queued else { return false };
        let was_empty = self.first_queued(seat.node).is_none();
        self.queues.insert((seat.node, place), key);
        was_empty
    }

    /// Removes the seat at this node and returns it.
    pub(super) fn remove(&mut self, key: Key, node: NodeNumber) -> Option<Seat> {
        let channel = self.get_mut(key)?;
        let at = channel.seats.iter().position(|seat| seat.node == node)?;
        let seat = channel.seats.swap_remove(at);
        let slot = channel.slot;
        self.seats.remove(&(node, key));
        self.in_flight.remove(&(node, slot, key));
        if let Some(place) = seat.queued {
            self.queues.remove(&(node, place));
        }
        Some(seat)
    }

    fn first_queued(&self, node: NodeNumber) -> Option<(u64, Key)> {
        let mut queue = self.queues.range((node, u64::MIN)..=(node, u64::MAX));
        queue.next().map(|((_, place), key)| (*place, *key))
    }

    /// The channel whose command is the next to send to this node.
    pub(super) fn next_queued(&self, node: NodeNumber) -> Option<Key> {
        self.first_queued(node).map(|(_, key)| key)
    }

    /// The wanted channels of a slot.
    pub(super) fn wanted_in(&self, slot: u16) -> Vec<Key> {
        let range = (slot, *KEYS.start())..=(slot, *KEYS.end());
        self.wanted.range(range).map(|(_, key)| *key).collect()
    }

    /// The slots in which a channel is wanted, in order.
    pub(super) fn wanted_slots(&self) -> impl Iterator<Item = u16> {
        let first_from = |slot| self.wanted.range((slot, Key::MIN)..).next().map(|(slot, _)| *slot);
        std::iter::successors(first_from(0), move |slot| first_from(slot.checked_add(1)?))
    }

    /// The channels with a seat at this node.
    pub(super) fn seated_at(&self, node: NodeNumber) -> Vec<Key> {
        let range = (node, *KEYS.start())..=(node, *KEYS.end());
        self.seats.range(range).map(|(_, key)| *key).collect()
    }

    /// The channels of this slot with an unanswered command at this node.
    pub(super) fn in_flight_at(&self, node: NodeNumber, slot: u16) -> Vec<Key> {
        let range = (node, slot, *KEYS.start())..=(node, slot, *KEYS.end());
        self.in_flight.range(range).map(|(.., key)| *key).collect()
    }

    /// The channels with an unanswered command at this node.
    pub(super) fn all_in_flight_at(&self, node: NodeNumber) -> Vec<Key> {
        let range = (node, u16::MIN, *KEYS.start())..=(node, u16::MAX, *KEYS.end());
        self.in_flight.range(range).map(|(.., key)| *key).collect()
    }

    /// The seats whose command was sent at this time or before and is unanswered.
    pub(super) fn unanswered_since(&self, then: Instant) -> Vec<(Key, Seat)> {
        let seats = self.in_flight.iter().filter_map(|&(node, _, key)| {
            let seat = self.seat(key, node)?;
            seat.sent.is_some_and(|sent| sent <= then).then_some((key, seat))
        });
        seats.collect()
    }

    /// The channels that are followed to another node while their slot moves.
    pub(super) fn early(&self) -> Vec<Key> {
        self.early.iter().copied().collect()
    }

    /// How many wanted channels the owners of their slots have not confirmed.
    pub(super) fn unconfirmed(&self) -> usize {
        self.wanted.len() - self.at_home
    }

    /// Whether no channel is known, and nothing is left of any.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
            && self.wanted.is_empty()
            && self.seats.is_empty()
            && self.in_flight.is_empty()
            && self.early.is_empty()
            && self.queues.is_empty()
            && self.at_home == 0
            && self.free.len() == self.records.len()
    }
}
