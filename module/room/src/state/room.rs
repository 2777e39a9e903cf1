//! The room: one value that holds everything about itself except its name.
//!
//! Each part has its own file. The parts refer to each other: ids chain the events, journal entries
//! name messages by number, messages and members name users by number. This file only reads;
//! `apply.rs` changes a room.

use chat_protocol::id::Id;

use crate::collections::rare::{Rare, blank};
use crate::state::follows::Follows;
use crate::state::limits::Limits;
use crate::state::log::annotations::Annotations;
use crate::state::log::id_lead::IdLead;
use crate::state::log::journal::Journal;
use crate::state::log::message_body::Body;
use crate::state::log::message_run::Message;
use crate::state::log::messages::Messages;
use crate::state::nonces::Nonces;
use crate::state::numbers::{FULL, PLAUSIBLE_END};
use crate::state::pending_free::PendingFree;
use crate::state::presence::presence_table::{Online, Presence};
use crate::state::rate_limit::RateLimits;
use crate::state::sanctions::Sanctions;
use crate::state::settings::table::{Settings, UNCHANGED};
use crate::state::users::import_run::ImportRun;
use crate::state::users::members::Role;
use crate::state::users::range_counts::RangeCounts;
use crate::state::users::user_list::UserList;
use crate::state::users::user_table::Users;

/// The most messages beyond `history_max` that are hidden from readers before they are removed.
/// After the setting was lowered by more than this, the other messages stay visible until the timer
/// removes them, which takes seconds. The bound keeps exact unread counts cheap: they subtract the
/// hidden messages.
pub(crate) const PENDING_TRIM_MAX: u64 = 1_024;

/// Milliseconds between two `occupancy` events of a room.
pub(crate) const OCCUPANCY_INTERVAL: u64 = 1_000;

// Personal rooms have hardly any of them, and there is one for each user.
blank!(Messages, Annotations, Journal, Sanctions, RateLimits, Nonces);

/// The time a decision is made at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The server's clock, milliseconds since the epoch.
    pub ms: u64,
    /// The millisecond for ids: the clock, or later while the clock may be behind an id that was
    /// already published.
    pub id_ms: u64,
    /// A millisecond that this server has never used for an id, for the first event of a room.
    pub unused_ms: u64,
    /// Monotonic clock, aligned with `ms` at start. Connection deadlines use it, so setting the
    /// wall clock neither expires nor extends presence.
    pub monotonic_ms: u64,
}

/// Whether the time between saving and loading a room counts towards the deadlines of its
/// connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downtime {
    /// The server was down.
    Counted,
    /// The room moved, perhaps to a server with another clock.
    NotCounted,
}

/// A room. `Room::default()` is blank: the room does not exist yet.
#[derive(Clone, Debug, Default)]
pub struct Room {
    /// When it was created, milliseconds since the epoch; 0: not yet.
    pub(crate) created: u64,
    /// The id of the newest durable event.
    pub(crate) last: Id,
    /// By how much ids are ahead of the clock.
    pub(crate) id_lead: IdLead,
    pub(crate) settings: Option<Box<Settings>>,
    pub(crate) users: Users,
    pub(crate) messages: Rare<Messages>,
    pub(crate) annotations: Rare<Annotations>,
    /// Only in a room with a long history.
    pub(crate) range_counts: Option<Box<RangeCounts>>,
    pub(crate) journal: Rare<Journal>,
    /// Members in the order of joining.
    pub(crate) members: UserList,
    /// Moves the read cursors along with imported messages.
    pub(crate) import_run: ImportRun,
    pub(crate) sanctions: Rare<Sanctions>,
    pub(crate) presence: Presence,
    pub(crate) rate_limits: Rare<RateLimits>,
    pub(crate) nonces: Rare<Nonces>,
    /// Personal rooms: the rooms that the user follows, and since when.
    pub(crate) follows: Follows,
    /// Personal rooms: when the user last went offline, or came online if still online; 0: never.
    pub(crate) last_seen: u64,
    /// Personal rooms: the newest durable event of presence says that the user came online.
    pub(crate) logged_online: bool,
    /// What is still to be freed, a bounded part at a time.
    pub(crate) pending_free: Option<Box<PendingFree>>,
}

/// The earlier of two optional times.
fn sooner(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl Room {
    /// Whether this room does not exist yet.
    pub fn is_blank(&self) -> bool {
        self.created == 0
    }

    /// The id of the newest durable event; `0-0` before the first.
    pub fn last(&self) -> Id {
        self.last
    }

    /// The time of the newest durable event, milliseconds since the epoch.
    pub fn last_activity(&self) -> u64 {
        self.time_of(self.last).max(self.created)
    }

    /// When the event with this id happened, milliseconds since the epoch.
    #[inline]
    pub(crate) fn time_of(&self, id: Id) -> u64 {
        id.ms.saturating_sub(self.id_lead.of(id.n))
    }

    /// When a message was sent, milliseconds since the epoch: an imported one before its id was given.
    #[inline]
    pub(crate) fn message_time(&self, message: Message<'_>) -> u64 {
        Body::imported_at(message.body).unwrap_or_else(|| self.time_of(message.id))
    }

    /// Users online.
    pub fn online(&self) -> usize {
        self.presence.users()
    }

    /// Connections online.
    pub fn connections(&self) -> usize {
        self.presence.connections()
    }

    /// Connections, messages, journal entries and nonces: everything that can expire.
    pub fn expirable_items(&self) -> usize {
        self.connections() + self.messages.len() + self.journal.entry_count() + self.nonces.len()
    }

    /// Members.
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// The topic; empty if none.
    pub fn topic(&self) -> &str {
        &self.settings().topic
    }

    /// The role of `user`; `None`: not a member.
    pub fn role(&self, user: &str) -> Option<Role> {
        self.users.by_name(user)?.membership().map(|membership| membership.role)
    }

    /// The presence of `user`; `None`: offline.
    pub(crate) fn presence_of(&self, user: &str) -> Option<&Online> {
        let user = self.users.find(user)?;
        self.presence.online(user, self.users.get(user)?)
    }

    /// The next time, by the monotonic clock, at which the timer must look at this room: a
    /// connection, a message or a nonce expires, or the number of users online must be published.
    /// It is a lower bound.
    pub fn next_deadline(&self, limits: &Limits, now: Now) -> Option<u64> {
        let retention = self.retention_deadline(limits);
        let retention =
            retention.map(|at| at.saturating_add(now.monotonic_ms).saturating_sub(now.ms));
        let first = sooner(self.presence.next_deadline(), self.occupancy_deadline(limits));
        let leave = self.lacks_leave().then_some(now.monotonic_ms);
        sooner(sooner(first, leave), retention)
    }

    /// Whether the user was logged as online and has no connection: the room was loaded, restored,
    /// renamed or copied without them.
    pub fn lacks_leave(&self) -> bool {
        self.logged_online && self.presence.connections() == 0
    }

    /// The time, by the monotonic clock, at which the number of users online must be published.
    pub(crate) fn occupancy_deadline(&self, limits: &Limits) -> Option<u64> {
        let published = self.presence.published;
        let changed =
            self.announces_by_count(self.online(), limits) && published.users != self.online();
        changed.then(|| published.occupancy_at.saturating_add(OCCUPANCY_INTERVAL))
    }

    /// Whether joins and leaves are published as a number only, with this many users online.
    pub(crate) fn announces_by_count(&self, users: usize, limits: &Limits) -> bool {
        users as u64 > limits.presence_announce
    }

    /// Turns the remaining times of a loaded room's connections into deadlines. `downtime` says
    /// whether the time since the room was saved is subtracted.
    pub fn restore_deadlines(&mut self, now: Now, downtime: Downtime) {
        let passed = match downtime {
            Downtime::Counted => now.ms.saturating_sub(self.presence.saved_at),
            Downtime::NotCounted => 0,
        };
        if self.presence.saved_at > 0 {
            self.presence.restore_deadlines(now.monotonic_ms, passed);
        }
    }

    /// Requeues connections that were extended since they were queued, at most `most`. Only makes
    /// [`Room::next_deadline`] more exact.
    pub fn requeue_beaten(&mut self, now: Now, most: usize) {
        self.presence.requeue_beaten(now.monotonic_ms, most);
    }

    /// When the oldest message or the oldest nonce expires, by the wall clock. Nonces are kept a
    /// little longer than necessary, so that one step removes many.
    fn retention_deadline(&self, limits: &Limits) -> Option<u64> {
        const MANY_AT_A_TIME: u64 = 10_000;
        let ttl = self.settings().history_ttl(limits);
        let oldest = if ttl > 0 { self.messages.oldest() } else { None };
        let message = oldest.map(|message| self.message_time(message).saturating_add(ttl));
        let nonce_life = limits.nonce_window.saturating_add(MANY_AT_A_TIME);
        let nonce = self.nonces.oldest().map(|nonce| nonce.id.ms.saturating_add(nonce_life));
        sooner(message, nonce)
    }

    /// Bytes of messages, annotations and the journal, which the setting `room_bytes` bounds. The
    /// sums are kept up to date, so this counts nothing.
    #[inline]
    pub(crate) fn bytes(&self) -> u64 {
        self.messages.bytes() + self.annotations.bytes() + self.journal.bytes()
    }

    /// Bytes it takes in memory, within a few percent: adds totals that are kept up to date, and
    /// visits each chunk of the larger containers.
    pub fn memory(&self) -> usize {
        size_of::<Room>()
            + self.settings.as_ref().map_or(0, |settings| settings.memory())
            + self.users.memory()
            + self.messages.memory()
            + self.own_memory()
            + self.id_lead.memory()
            + self.range_counts.as_ref().map_or(0, |range_counts| range_counts.memory())
            + self.annotations.memory()
            + self.journal.memory()
            + self.members.memory()
            + self.sanctions.memory()
            + self.presence.memory()
            + self.pending_free.as_ref().map_or(0, |pending_free| pending_free.memory())
            + self.rate_limits.memory()
            + self.nonces.memory()
            + self.follows.memory()
    }

    /// Bytes of the parts that have their own allocation.
    fn own_memory(&self) -> usize {
        self.messages.own_memory()
            + self.annotations.own_memory()
            + self.journal.own_memory()
            + self.sanctions.own_memory()
            + self.rate_limits.own_memory()
            + self.nonces.own_memory()
    }

    /// Whether its numbers are within the bound that RESTORE and records may reach.
    pub fn is_plausible(&self) -> bool {
        self.numbers().into_iter().all(|number| number < PLAUSIBLE_END)
    }

    /// Whether the room assigns no more numbers, see [`FULL`].
    pub(crate) fn is_full(&self) -> bool {
        const { assert!(FULL.is_power_of_two()) };
        self.numbers().into_iter().fold(0, |all, number| all | number) >= FULL
    }

    /// The numbers that only grow: events, messages, places of members and of users online.
    fn numbers(&self) -> [u64; 4] {
        [self.last.n, self.messages.last(), self.members.next(), self.presence.arrivals.next()]
    }

    /// Roughly how many allocations freeing it releases. Redis frees a room with a large value in
    /// the background.
    pub fn free_effort(&self) -> usize {
        1 + self.messages.runs() * 2
            + self.users.len()
            + self.annotations.len() * 2
            + self.journal.entry_count() * 2
            + self.sanctions.len()
            + self.presence.connections()
            + self.pending_free.as_ref().map_or(0, |pending_free| pending_free.free_effort())
            + self.rate_limits.len()
            + self.nonces.len()
            + self.follows.len()
    }

    pub(crate) fn settings(&self) -> &Settings {
        self.settings.as_deref().unwrap_or(&UNCHANGED)
    }

    /// The number of the first message that readers see: not expired and within `history_max`.
    /// Older ones may still be stored; see [`PENDING_TRIM_MAX`].
    pub(crate) fn first_visible(&self, now: u64, settings: &Settings, limits: &Limits) -> u64 {
        let (first, most) = (self.messages.first(), settings.history_max(limits));
        let counted = (self.messages.last() + 1).saturating_sub(most).max(first);
        let counted = counted.min(first + PENDING_TRIM_MAX);
        match settings.history_ttl(limits) {
            0 => counted,
            ttl => {
                let expired =
                    |message: Message<'_>| self.message_time(message).saturating_add(ttl) <= now;
                self.messages.partition_messages(expired).max(counted)
            }
        }
    }

    /// The id of event `n`, if a reader can resume from it.
    pub(crate) fn id_at(&self, n: u64) -> Option<Id> {
        let base = self.journal.base();
        if n <= base.n {
            return (n == base.n).then_some(base);
        }
        if n == self.last.n {
            return Some(self.last);
        }
        let message = || {
            let m = self.messages.partition(|id| id.n < n);
            self.messages.get(m).map(|message| message.id).filter(|id| id.n == n)
        };
        self.journal.entry(n).map(|entry| entry.id).or_else(message)
    }

    /// How many events the journal covers, messages included.
    pub(crate) fn journal_len(&self) -> u64 {
        self.last.n.saturating_sub(self.journal.base().n)
    }
}
