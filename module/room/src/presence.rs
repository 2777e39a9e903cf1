//! Who is here now: connections with deadlines and statuses, counted per user.
//!
//! Presence is replicated and saved with the room, but it is not history: it is left out of the
//! append-only file, of snapshots in it and of the digest, and ends by itself when beats stop.
//!
//! Deadlines are milliseconds of the steady clock, see [`crate::Now`]. They are kept in an order
//! that a beat does not disturb: a connection is filed under a lower bound of its deadline, and who
//! comes to it early files it again. So a beat costs one look-up, and expiry looks only at what is due.

use std::collections::BTreeSet;
use std::hash::BuildHasher;

use hashbrown::hash_table::Entry as TableEntry;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::encoding::END;
use crate::limits::{STATUSES_MAX, TTL_MAX};
use crate::order::Order;
use crate::small::U48;
use crate::users::UserNumber;

/// The status of a connection that never set one: the most present.
pub(crate) const ONLINE: &str = "online";
/// Not to be disturbed: less present than a word of one's own.
pub(crate) const DO_NOT_DISTURB: &str = "dnd";
/// The least present.
pub(crate) const AWAY: &str = "away";

/// One socket, as its relay keeps it alive. In 32 bytes, as there are many.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) name: Box<str>,
    pub(crate) user: UserNumber,
    /// When it is gone unless beaten again.
    deadline: U48,
    /// How many milliseconds earlier the order of deadlines has it: 24 bits, no more than the
    /// longest time to live and some seconds.
    early: [u8; 3],
    /// Which of its user's [`Statuses`].
    pub(crate) status: u8,
}

impl Connection {
    /// When it is gone unless beaten again.
    pub(crate) fn deadline(&self) -> u64 {
        self.deadline.into()
    }

    /// Where the order of deadlines has it; not later than the deadline.
    fn filed(&self) -> u64 {
        let [a, b, c] = self.early;
        self.deadline().saturating_sub(u64::from(u32::from_le_bytes([a, b, c, 0])))
    }

    /// Sets both. False: too far apart to be kept so.
    fn set(&mut self, deadline: u64, filed: u64) -> bool {
        let early = deadline.saturating_sub(filed);
        let [a, b, c, ..] = early.to_le_bytes();
        (self.deadline, self.early) = (deadline.into(), [a, b, c]);
        early < 1 << 24
    }
}

/// What hangs on the entry of a user who is here.
#[derive(Clone, Debug)]
pub(crate) struct Online {
    /// Place in the order of coming.
    pub(crate) place: u64,
    /// When the first connection came, in milliseconds since the epoch.
    pub(crate) since: u64,
    pub(crate) statuses: Statuses,
}

/// How many of a user's connections have which status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statuses {
    /// Connections that are plainly online: number 0.
    online: u32,
    /// The others, numbered from 1. One without connections is a vacant number.
    #[allow(clippy::box_collection, reason = "most users have none, and there are many users")]
    others: Option<Box<Vec<Status>>>,
}

/// A status other than `online`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) name: Box<str>,
    pub(crate) connections: u32,
    /// When it was last set, milliseconds since the epoch.
    pub(crate) set: u64,
}

impl Statuses {
    /// Connections of all statuses.
    pub(crate) fn connections(&self) -> u32 {
        self.online + self.others().iter().map(|status| status.connections).sum::<u32>()
    }

    /// The most present one: `online`, then the user's own words (the newest), `dnd`, `away`.
    pub(crate) fn shown(&self) -> &str {
        let rank = |status: &&Status| match &*status.name {
            AWAY => (0, 0),
            DO_NOT_DISTURB => (1, 0),
            _ => (2, status.set),
        };
        match self.others().iter().filter(|status| status.connections > 0).max_by_key(rank) {
            Some(status) if self.online == 0 => &status.name,
            _ => ONLINE,
        }
    }

    /// Whether every connection is plainly online.
    pub(crate) fn is_plain(&self) -> bool {
        self.others.is_none()
    }

    /// The name of status `number`.
    pub(crate) fn name(&self, number: u8) -> &str {
        let at = usize::from(number).checked_sub(1);
        at.and_then(|at| self.others().get(at)).map_or(ONLINE, |status| &status.name)
    }

    /// When status `number` was last set, milliseconds since the epoch; 0 for `online`.
    pub(crate) fn set(&self, number: u8) -> u64 {
        let at = usize::from(number).checked_sub(1);
        at.and_then(|at| self.others().get(at)).map_or(0, |status| status.set)
    }

    /// Counts a connection with this status, set at `now`; answers the status's number.
    pub(crate) fn add(&mut self, name: &str, now: u64) -> u8 {
        if name == ONLINE {
            self.online += 1;
            return 0;
        }
        let here = |status: &Status| status.connections > 0;
        let others = self.others.get_or_insert_default();
        let same = others.iter().position(|other| here(other) && *other.name == *name);
        let at = same.or_else(|| others.iter().position(|other| !here(other)));
        let at = at.unwrap_or(others.len());
        if at >= usize::from(u8::MAX) {
            self.online += 1;
            return 0;
        }
        match others.get_mut(at) {
            Some(other) if here(other) => {
                other.connections += 1;
                other.set = other.set.max(now);
            }
            Some(vacant) => *vacant = Status { name: name.into(), connections: 1, set: now },
            None => others.push(Status { name: name.into(), connections: 1, set: now }),
        }
        at as u8 + 1
    }

    /// Counts one connection of status `number` less.
    pub(crate) fn remove(&mut self, number: u8) {
        let at = usize::from(number).checked_sub(1);
        let others = self.others.as_mut();
        match at.zip(others).and_then(|(at, others)| others.get_mut(at)) {
            Some(status) => status.connections = status.connections.saturating_sub(1),
            None => self.online = self.online.saturating_sub(1),
        }
        if let Some(others) = &mut self.others {
            while others.last().is_some_and(|status| status.connections == 0) {
                others.pop();
            }
            if others.is_empty() {
                self.others = None;
            }
        }
    }

    fn others(&self) -> &[Status] {
        self.others.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Whether there are more of them than a user may have.
    pub(crate) fn are_too_many(&self) -> bool {
        self.others().iter().filter(|status| status.connections > 0).count() > STATUSES_MAX
    }
}

/// The connections of a room and its users in the order of coming.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presence {
    connections: HashTable<Connection>,
    hasher: DefaultHashBuilder,
    /// Where connections are filed, with the hash of their names. No two are equal.
    deadlines: BTreeSet<(u64, u64)>,
    /// Users in the order of coming.
    pub(crate) order: Order,
    /// When it was saved, milliseconds since the epoch: then the deadlines are times left, until
    /// [`Presence::wake`]. 0: they are deadlines.
    pub(crate) saved_at: u64,
    /// What the channel was last told of how many there are. Known to the primary only.
    pub(crate) told: Told,
}

/// The last count that was published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) users: usize,
    /// When `occupancy` was last published, by the steady clock.
    pub(crate) occupancy_at: u64,
}

impl Presence {
    /// Users online.
    pub(crate) fn users(&self) -> usize {
        self.order.len()
    }

    /// Connections online.
    pub(crate) fn connections(&self) -> usize {
        self.connections.len()
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Connection> {
        self.connections.find(self.hasher.hash_one(name), |other| &*other.name == name)
    }

    fn find_mut(&mut self, name: &str) -> Option<&mut Connection> {
        self.connections.find_mut(self.hasher.hash_one(name), |other| &*other.name == name)
    }

    /// Adds a connection of `user`. False, and nothing done, if the name is taken.
    pub(crate) fn insert(
        &mut self,
        name: &str,
        user: UserNumber,
        status: u8,
        deadline: u64,
    ) -> bool {
        let deadline = deadline.min(END);
        let hasher = &self.hasher;
        let hash = hasher.hash_one(name);
        let same = |other: &Connection| *other.name == *name;
        match self.connections.entry(hash, same, |other| hasher.hash_one(&*other.name)) {
            TableEntry::Occupied(_) => false,
            TableEntry::Vacant(place) => {
                let filed = file(&mut self.deadlines, deadline, hash);
                let (name, early) = (name.into(), [0; 3]);
                let mut new = Connection { name, user, deadline: deadline.into(), early, status };
                new.set(deadline, filed);
                place.insert(new);
                true
            }
        }
    }

    /// Sets the deadline of a connection. False: there is none of this name.
    pub(crate) fn keep(&mut self, name: &str, deadline: u64) -> bool {
        let deadline = deadline.min(END);
        let hash = self.hasher.hash_one(name);
        let found = self.connections.find_mut(hash, |other| &*other.name == name);
        let Some(connection) = found else { return false };
        let filed = connection.filed();
        if deadline < filed || !connection.set(deadline, filed) {
            self.deadlines.remove(&(filed, hash));
            let filed = file(&mut self.deadlines, deadline, hash);
            connection.set(deadline, filed);
        }
        true
    }

    /// Gives a connection another status of its user's.
    pub(crate) fn set_status(&mut self, name: &str, status: u8) {
        if let Some(connection) = self.find_mut(name) {
            connection.status = status;
        }
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<Connection> {
        let hash = self.hasher.hash_one(name);
        let found = self.connections.find_entry(hash, |other| &*other.name == name).ok()?;
        let connection = found.remove().0;
        self.deadlines.remove(&(connection.filed(), hash));
        Some(connection)
    }

    /// All connections, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.connections.iter()
    }

    /// A time before which no connection ends; exact once [`Presence::settle`] finds nothing.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|(filed, _)| *filed)
    }

    /// Connections that end by `now`, of the first `most` in the order.
    pub(crate) fn due(&self, now: u64, most: usize) -> impl Iterator<Item = &Connection> {
        let first = self.deadlines.range(..=(now, u64::MAX)).take(most);
        let found = first.filter_map(|place| self.filed_at(*place));
        found.filter(move |connection| connection.deadline() <= now)
    }

    /// Files those of the first `most` connections again that were beaten since they were filed.
    pub(crate) fn settle(&mut self, now: u64, most: usize) {
        let early: Vec<(u64, u64)> =
            self.deadlines.range(..=(now, u64::MAX)).take(most).copied().collect();
        for place in early {
            let (filed, hash) = place;
            let found = self.connections.find_mut(hash, |other| other.filed() == filed);
            if let Some(connection) = found
                && connection.deadline() > now
            {
                self.deadlines.remove(&place);
                let deadline = connection.deadline();
                let filed = file(&mut self.deadlines, deadline, hash);
                connection.set(deadline, filed);
            }
        }
    }

    /// Makes deadlines of the times left, which begin to count now, less `passed` milliseconds.
    pub(crate) fn wake(&mut self, steady: u64, passed: u64) {
        self.saved_at = 0;
        self.deadlines.clear();
        let hasher = &self.hasher;
        for connection in self.connections.iter_mut() {
            let left = connection.deadline().min(TTL_MAX).saturating_sub(passed);
            let deadline = steady.saturating_add(left).min(END);
            let filed = file(&mut self.deadlines, deadline, hasher.hash_one(&*connection.name));
            connection.set(deadline, filed);
        }
    }

    fn filed_at(&self, (filed, hash): (u64, u64)) -> Option<&Connection> {
        self.connections.find(hash, |other| other.filed() == filed)
    }
}

/// Puts a connection into the order, a little early if its place is taken; answers where.
fn file(deadlines: &mut BTreeSet<(u64, u64)>, deadline: u64, hash: u64) -> u64 {
    let mut filed = deadline;
    while !deadlines.insert((filed, hash)) && filed > 0 {
        filed -= 1;
    }
    filed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_present_status_is_shown() {
        let rows: &[(&[&str], &str)] = &[
            (&["online"], "online"),
            (&["away"], "away"),
            (&["away", "dnd"], "dnd"),
            (&["dnd", "lunch", "away"], "lunch"),
            (&["lunch", "train"], "train"),
            (&["train", "lunch"], "lunch"),
            (&["away", "online", "dnd"], "online"),
        ];
        for (statuses, shown) in rows {
            let mut counted = Statuses::default();
            let numbers: Vec<u8> =
                statuses.iter().zip(1..).map(|(name, now)| counted.add(name, now)).collect();
            assert_eq!(counted.shown(), *shown, "{statuses:?}");
            assert_eq!(counted.connections() as usize, statuses.len());
            for (number, name) in numbers.iter().zip(*statuses) {
                assert_eq!(counted.name(*number), *name);
                counted.remove(*number);
            }
            assert_eq!(counted, Statuses::default(), "nothing is left of {statuses:?}");
        }
    }

    #[test]
    fn a_beat_does_not_disturb_the_order_and_expiry_finds_what_is_due() {
        let mut presence = Presence::default();
        let user = UserNumber(0);
        for (name, deadline) in [("a", 100), ("b", 100), ("c", 300)] {
            assert!(presence.insert(name, user, 0, deadline));
        }
        assert!(!presence.insert("a", user, 0, 50), "the name is taken");
        assert!(presence.keep("a", 400) && !presence.keep("d", 400));
        assert_eq!(presence.next_deadline(), Some(100), "a lower bound");
        let due = |presence: &Presence, now| {
            let mut names: Vec<_> = presence.due(now, 10).map(|c| c.name.to_string()).collect();
            names.sort();
            names
        };
        assert_eq!(due(&presence, 99), [""; 0]);
        assert_eq!(due(&presence, 350), ["b", "c"]);
        presence.settle(350, 10);
        presence.remove("b");
        presence.remove("c");
        assert_eq!(presence.next_deadline(), Some(400), "exact by now");
        assert!(presence.keep("a", 200), "sooner than it is filed");
        assert_eq!(due(&presence, 200), ["a"]);
        presence.remove("a");
        assert_eq!(presence.next_deadline(), None);
    }
}
