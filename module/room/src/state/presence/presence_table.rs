//! The presence of a room: its connections with deadlines and statuses, and the users online.
//!
//! Presence is replicated and saved in the RDB file with the room. It is not in the append-only
//! file, in snapshots there or in the digest, because it expires by itself when beats stop.
//!
//! Deadlines are milliseconds of the monotonic clock, see [`crate::Now`]. A beat costs one look-up,
//! and expiry visits only connections that are due, see `expiry_heap.rs`.
//!
//! Connections and users online are numbered without gaps: when one is removed, the last one gets
//! its number.

use std::hash::{BuildHasher, Hasher};

use chat_protocol::limits::TTL_MAX;
use hashbrown::DefaultHashBuilder;

use crate::bytes::compact::{ShortText, U48};
use crate::collections::chunked_vec::ChunkedVec;
use crate::collections::linear_hash::LinearHashTable;
use crate::collections::work;
use crate::state::numbers::{END, OnlineNumber, UserNumber};
use crate::state::presence::connection::Connection;
use crate::state::presence::connections_by_user::ConnectionsByUser;
use crate::state::presence::expiry_heap::ExpiryHeap;
use crate::state::presence::status_counts::StatusCounts;
use crate::state::users::user_list::UserList;
use crate::state::users::user_table::{Entry, Users};

/// A user online. It takes 32 bytes.
#[derive(Clone, Debug)]
pub(crate) struct Online {
    user: UserNumber,
    place: U48,
    since: U48,
    pub(crate) statuses: StatusCounts,
}

const _: () = assert!(size_of::<Online>() == 32);

impl Online {
    /// The place in the order of arrival.
    pub(crate) fn place(&self) -> u64 {
        self.place.into()
    }

    /// When the user came online, in milliseconds since the epoch.
    pub(crate) fn since(&self) -> u64 {
        self.since.into()
    }
}

/// The connections and the users online of a room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presence {
    pub(crate) connections: ChunkedVec<Connection>,
    by_name: LinearHashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Bytes of names that have their own allocation.
    names: usize,
    expiry: ExpiryHeap,
    pub(crate) present: ChunkedVec<Online>,
    by_user: ConnectionsByUser,
    /// Bytes of all statuses.
    status_bytes: usize,
    /// The users online in the order of arrival.
    pub(crate) arrivals: UserList,
    /// When it was saved, in milliseconds since the epoch. Until [`Presence::restore_deadlines`]
    /// the deadlines are then remaining times. 0: they are deadlines.
    pub(crate) saved_at: u64,
    /// The number of users online that was last published. Only the primary knows it.
    pub(crate) published: Published,
}

/// The number of users online that was last published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) users: usize,
    /// When an `occupancy` event was last published, by the monotonic clock.
    pub(crate) occupancy_at: u64,
}

impl Presence {
    /// Users online.
    pub(crate) fn users(&self) -> usize {
        self.arrivals.len()
    }

    /// Connections online.
    pub(crate) fn connections(&self) -> usize {
        self.connections.len()
    }

    /// The presence of a user; `None`: offline.
    pub(crate) fn online(&self, user: UserNumber, entry: &Entry) -> Option<&Online> {
        // The number may belong to a presence that was detached.
        self.present.get(entry.online.0).filter(|online| online.user == user)
    }

    /// Changes the statuses of a user's connections; `None`: the user is offline.
    pub(crate) fn change_statuses<T>(
        &mut self,
        user: UserNumber,
        entry: &Entry,
        change: impl FnOnce(&mut StatusCounts) -> T,
    ) -> Option<T> {
        let present = self.present.get_mut(entry.online.0);
        let online = present.filter(|online| online.user == user)?;
        let before = online.statuses.memory();
        let changed = change(&mut online.statuses);
        self.status_bytes = self.status_bytes + online.statuses.memory() - before;
        Some(changed)
    }

    /// Adds a user to those online since `now`, unless online already.
    pub(crate) fn set_online(&mut self, user: UserNumber, entry: &mut Entry, now: u64) {
        if self.online(user, entry).is_none() {
            let place = self.arrivals.add(user);
            self.add_online(user, entry, place, now);
        }
    }

    /// Restores a stored user online. False: the user is online already, or `place` is out of
    /// order.
    pub(crate) fn restore(
        &mut self,
        user: UserNumber,
        entry: &mut Entry,
        place: u64,
        since: u64,
    ) -> bool {
        let fits = self.online(user, entry).is_none() && self.arrivals.restore(place, user);
        if fits {
            self.add_online(user, entry, place, since);
        }
        fits
    }

    fn add_online(&mut self, user: UserNumber, entry: &mut Entry, place: u64, since: u64) {
        let (place, since) = (place.into(), since.into());
        let online = Online { user, place, since, statuses: StatusCounts::default() };
        entry.online = OnlineNumber(self.present.push(online));
    }

    /// Removes a user from those online.
    pub(crate) fn set_offline(&mut self, user: UserNumber, users: &mut Users) {
        let Some(entry) = users.get_mut(user) else { return };
        if self.online(user, entry).is_none() {
            return;
        }
        let number = std::mem::replace(&mut entry.online, OnlineNumber::ABSENT);
        let Some(gone) = self.present.swap_remove(number.0) else { return };
        self.status_bytes -= gone.statuses.memory();
        self.arrivals.remove(gone.place());
        let moved = self.present.get(number.0);
        if let Some(entry) = moved.and_then(|online| users.get_mut(online.user)) {
            entry.online = number;
        }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.number(name).is_some()
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Connection> {
        self.connections.get(self.number(name)?)
    }

    /// Adds a connection of `user`, who must be online already. False: the name is taken, and
    /// nothing changed.
    pub(crate) fn insert(
        &mut self,
        users: &Users,
        name: &str,
        user: UserNumber,
        status: u8,
        deadline: u64,
    ) -> bool {
        let hash = hash_bytes(&self.hasher, name.as_bytes());
        if self.by_name.find(hash, |&at| is_named(&self.connections, at, name)).is_some() {
            return false;
        }
        let deadline = deadline.min(END).into();
        let (name, queued_at) = (ShortText::from(name), deadline);
        self.names += name.memory();
        let new = Connection { name, user, heap_index: 0, deadline, queued_at, status };
        let number = self.connections.push(new);
        let (connections, hasher) = (&self.connections, &self.hasher);
        self.by_name.insert(hash, number, |&at| hash_of(hasher, connections, at));
        self.expiry.add(number, &mut self.connections);
        if let Some(online) = online_mut(&mut self.present, users, user) {
            self.by_user.add(user, &mut online.statuses.own, number);
        }
        true
    }

    /// Sets the deadline of a connection. False: no connection has this name.
    pub(crate) fn set_deadline(&mut self, name: &str, deadline: u64) -> bool {
        let deadline = deadline.min(END);
        let Some(number) = self.number(name) else { return false };
        let Some(connection) = self.connections.get_mut(number) else { return false };
        connection.deadline = deadline.into();
        if deadline < connection.queued_at() {
            self.requeue(number);
        }
        true
    }

    /// Sets the status of a connection to another one of its user.
    pub(crate) fn set_status(&mut self, name: &str, status: u8) {
        let number = self.number(name);
        if let Some(connection) = number.and_then(|number| self.connections.get_mut(number)) {
            connection.status = status;
        }
    }

    pub(crate) fn remove(&mut self, users: &Users, name: &str) -> Option<Connection> {
        let (connections, hasher) = (&self.connections, &self.hasher);
        let same = |&at: &u32| is_named(connections, at, name);
        let hash = hash_bytes(hasher, name.as_bytes());
        let number = self.by_name.remove(hash, same, |&at| hash_of(hasher, connections, at))?;
        self.expiry.remove(number, &mut self.connections);
        let last = self.connections.len() as u32 - 1;
        let connection = self.connections.swap_remove(number);
        if let Some(connection) = &connection {
            self.names -= connection.name.memory();
            if let Some(online) = online_mut(&mut self.present, users, connection.user) {
                self.by_user.remove(connection.user, &mut online.statuses.own, number);
            }
        }
        if let Some(moved) = self.connections.get(number) {
            let hash = hash_bytes(&self.hasher, moved.name.as_bytes());
            self.expiry.renumber(moved.heap_index, number);
            if let Some(there) = self.by_name.find_mut(hash, |at| *at == last) {
                *there = number;
            }
            if let Some(online) = online_mut(&mut self.present, users, moved.user) {
                self.by_user.renumber(moved.user, &mut online.statuses.own, last, number);
            }
        }
        connection
    }

    /// Frees one connection, one user online and one block of the arrivals of a detached presence.
    /// False: nothing was left.
    pub(crate) fn free_next(&mut self, users: &mut Users) -> bool {
        let connection = self.connections.pop();
        if let Some(connection) = &connection {
            self.names -= connection.name.memory();
            users.release(connection.user);
        }
        let online = self.present.pop();
        self.status_bytes -= online.as_ref().map_or(0, |online| online.statuses.memory());
        let several = self.by_user.pop();
        self.arrivals.pop_block() || several || connection.is_some() || online.is_some()
    }

    /// The connections of a user online.
    pub(crate) fn of(&self, online: &Online) -> impl Iterator<Item = &Connection> {
        let numbers = self.by_user.of(online.user, online.statuses.own);
        numbers.inspect(|_| work::visit(1)).filter_map(|number| self.connections.get(number))
    }

    /// All connections, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.connections.iter()
    }

    /// A time before which no connection expires. It is exact once [`Presence::requeue_beaten`] has
    /// nothing to do.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.expiry.first().and_then(|first| self.connections.get(first)).map(Connection::queued_at)
    }

    /// The connections that expired by `now`, among the first `most` that are queued.
    pub(crate) fn due(&self, now: u64, most: usize) -> impl Iterator<Item = &Connection> {
        let first = self.expiry.due_by(now, most, &self.connections);
        let found = first.into_iter().filter_map(|number| self.connections.get(number));
        found.filter(move |connection| connection.deadline() <= now)
    }

    /// Requeues connections that were extended after they were queued, among the first `most`
    /// queued up to `now`.
    pub(crate) fn requeue_beaten(&mut self, now: u64, most: usize) {
        for number in self.expiry.due_by(now, most, &self.connections) {
            if self.connections.get(number).is_some_and(|connection| connection.deadline() > now) {
                self.requeue(number);
            }
        }
    }

    /// Turns remaining times into deadlines from `monotonic` on, less `passed` milliseconds.
    pub(crate) fn restore_deadlines(&mut self, monotonic: u64, passed: u64) {
        self.saved_at = 0;
        self.expiry.clear();
        for connection in self.connections.iter_mut() {
            let left = connection.deadline().min(TTL_MAX).saturating_sub(passed);
            connection.deadline = monotonic.saturating_add(left).min(END).into();
            connection.queued_at = connection.deadline;
        }
        for number in 0..self.connections.len() as u32 {
            self.expiry.add(number, &mut self.connections);
        }
    }

    /// Bytes it takes on the heap.
    pub(crate) fn memory(&self) -> usize {
        self.connections.memory()
            + self.names
            + self.status_bytes
            + self.by_name.memory()
            + self.expiry.memory()
            + self.present.memory()
            + self.by_user.memory()
            + self.arrivals.memory()
    }

    /// Queues a connection at its deadline.
    fn requeue(&mut self, number: u32) {
        if let Some(connection) = self.connections.get_mut(number) {
            connection.queued_at = connection.deadline;
            self.expiry.requeue(number, &mut self.connections);
        }
    }

    fn number(&self, name: &str) -> Option<u32> {
        let same = |&at: &u32| is_named(&self.connections, at, name);
        self.by_name.find(hash_bytes(&self.hasher, name.as_bytes()), same).copied()
    }
}

/// The presence of a user; `None`: offline.
fn online_mut<'p>(
    present: &'p mut ChunkedVec<Online>,
    users: &Users,
    user: UserNumber,
) -> Option<&'p mut Online> {
    let number = users.get(user)?.online.0;
    present.get_mut(number).filter(|online| online.user == user)
}

fn is_named(connections: &ChunkedVec<Connection>, number: u32, name: &str) -> bool {
    connections.get(number).is_some_and(|other| other.name.is(name))
}

/// The hash of a name. It leaves out the length that hashing a slice adds, because every beat
/// hashes twice.
fn hash_bytes(hasher: &DefaultHashBuilder, name: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(name);
    hasher.finish()
}

fn hash_of(hasher: &DefaultHashBuilder, connections: &ChunkedVec<Connection>, number: u32) -> u64 {
    hash_bytes(hasher, connections.get(number).map_or(&[], |other| other.name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_do_not_touch_the_heap_and_expiry_finds_what_is_due() {
        let (mut presence, users) = (Presence::default(), Users::default());
        let user = UserNumber(0);
        for (name, deadline) in [("a", 100), ("b", 100), ("c", 300)] {
            assert!(presence.insert(&users, name, user, 0, deadline));
        }
        assert!(!presence.insert(&users, "a", user, 0, 50), "the name is taken");
        assert!(presence.set_deadline("a", 400) && !presence.set_deadline("d", 400));
        assert_eq!(presence.next_deadline(), Some(100), "a lower bound");
        let due = |presence: &Presence, now| {
            let mut names: Vec<_> = presence.due(now, 10).map(|c| c.name.to_string()).collect();
            names.sort();
            names
        };
        assert_eq!(due(&presence, 99), [""; 0]);
        assert_eq!(due(&presence, 350), ["b", "c"]);
        presence.requeue_beaten(350, 10);
        presence.remove(&users, "b");
        presence.remove(&users, "c");
        assert_eq!(presence.next_deadline(), Some(400), "exact by now");
        assert!(presence.set_deadline("a", 200), "sooner than it is queued_at");
        assert_eq!(due(&presence, 200), ["a"]);
        presence.remove(&users, "a");
        assert_eq!(presence.next_deadline(), None);
    }
}
