//! Reads the events of all rooms that somebody watches, by the rules of `CHAT.CHANGES`.
//!
//! The follower notes the newest id of every room that matches a pattern. `CHAT.CHANGES` lists the
//! rooms that have changed since, and `CHAT.SYNC` has the events after the noted id. It begins with
//! the cursors of now; a walk then notes the rooms of those who begin to watch. So a room that is
//! listed and has no noted id is a new one, and is read from its beginning.
//!
//! A node that is away is not asked until it is back, so that the rooms of the others do not wait for it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_protocol::event_header::{EventHeader, Place};
use chat_protocol::id::Id;
use chat_protocol::slot::SLOTS;
use parking_lot::Mutex;
use tracing::warn;

use crate::client::connection::Connection;
use crate::client::error::Error;
use crate::client::frame;
use crate::client::outbox::Class;
use crate::client::relay_frame::RelayFrame;
use crate::metrics::METRICS;
use crate::rate_limit::LogLimit;
use crate::upstream::commands::{self, Bounds, Reader, feed};
use crate::upstream::replies::{Changes, Synced};
use crate::upstream::{CommandError, NodeId, Reply, Upstream};
use crate::watch::walk::{self, Walk};
use crate::watch::watches::{Interest, Watches};

/// Only these rooms can be watched: what people write to each other cannot.
const KINDS: &str = "ordinary";
/// Rooms examined at each node by one look.
const COUNT: u64 = 1_000;
/// Rooms read in one write, and the events and bytes of each.
const ROOMS: usize = 50;
const PAGE: Bounds = Bounds { count: Some(100), bytes: Some(64 << 10) };
/// The pause when nothing has changed, and between two steps of a walk, or two looks where there is
/// more to list: after a failover a node lists all of its rooms.
const IDLE: Duration = Duration::from_millis(50);
const WALKING: Duration = Duration::from_millis(10);
/// How long those who begin to watch wait for a node that is away.
const AWAY_MAX: Duration = Duration::from_secs(5);
/// Noted ids that are examined at each step, for rooms that nobody watches any more.
const SWEPT: usize = 200;
/// Rooms named in one frame.
const LOST_MAX: usize = 100;

/// While Redis refuses to say what has changed.
static LINES: Mutex<LogLimit> = Mutex::new(LogLimit::every(Duration::from_secs(60)));

/// See the documentation of this file.
pub(super) struct Follower {
    watches: Arc<Watches>,
    upstream: Arc<Upstream>,
    cursors: HashMap<NodeId, String>,
    has_begun: bool,
    positions: BTreeMap<Arc<str>, Id>,
    /// Rooms to be read.
    owed: VecDeque<Arc<str>>,
    is_owed: HashSet<Arc<str>>,
    /// Rooms that were not listed since a node listed all of its rooms anew.
    unlisted: Option<BTreeSet<Arc<str>>>,
    walk: Option<Walk>,
    /// When the last step of a walk began.
    walked_at: Option<Instant>,
    /// A node has more changes.
    is_behind: bool,
    /// There is more to read at once.
    has_more: bool,
    /// The room after which the search for rooms that nobody watches goes on.
    swept: Option<Arc<str>>,
}

/// Why a step failed.
enum Failure {
    /// A node is away.
    Away,
    /// A node refuses, and says why.
    Refused(String),
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Failure {
        match error {
            CommandError::Unavailable(_) => Failure::Away,
            CommandError::Refused(error) => {
                Failure::Refused(format!("{} {}", error.code, error.message))
            }
        }
    }
}

impl Follower {
    /// A follower that has read nothing.
    pub(super) fn new(watches: Arc<Watches>, upstream: Arc<Upstream>) -> Follower {
        Follower {
            watches,
            upstream,
            cursors: HashMap::new(),
            has_begun: false,
            positions: BTreeMap::new(),
            owed: VecDeque::new(),
            is_owed: HashSet::new(),
            unlisted: None,
            walk: None,
            walked_at: None,
            is_behind: false,
            has_more: false,
            swept: None,
        }
    }

    /// Follows until nobody watches any more.
    pub(super) async fn run(mut self) {
        let mut away_since = None;
        while self.watches.is_needed() {
            match self.step().await {
                Ok(()) => away_since = None,
                Err(Failure::Away) => {
                    let since = *away_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= AWAY_MAX {
                        self.watches.refuse_waiting();
                        self.walk = None;
                    }
                }
                Err(Failure::Refused(why)) => {
                    // Each client that asks to watch may cause one.
                    if let Some(times) = LINES.lock().note(Instant::now()) {
                        warn!(times, "rooms cannot be watched: Redis refuses CHAT.CHANGES: {why}");
                    }
                    self.watches.end_all(&Error::unavailable());
                }
            }
            tokio::time::sleep(self.pause()).await;
        }
    }

    /// The pause until the next round.
    fn pause(&self) -> Duration {
        match self.is_behind || self.walk.is_some() {
            _ if self.has_more => Duration::ZERO,
            true => WALKING,
            false => IDLE,
        }
    }

    /// One round.
    async fn step(&mut self) -> Result<(), Failure> {
        self.has_more = false;
        if !self.has_begun {
            self.begin().await?;
        }
        let looked = self.look().await;
        let read = self.read().await;
        self.sweep();
        if self.walk.is_none() {
            self.walk = self.watches.begin_walk().map(Walk::new);
        }
        let is_due = self.walked_at.is_none_or(|at| at.elapsed() >= WALKING);
        let walked = match self.walk.take_if(|_| is_due) {
            Some(walk) => {
                self.walked_at = Some(Instant::now());
                self.walk_on(walk).await
            }
            None => Ok(()),
        };
        let has_read = matches!(read, Ok(true));
        self.has_more = has_read && !self.owed.is_empty();
        looked.and(read.map(|_| ())).and(walked)
    }

    /// Takes the cursors of now.
    async fn begin(&mut self) -> Result<(), Failure> {
        let pages = self.ask(COUNT, |_| Some("$".to_owned())).await;
        let mut cursors = HashMap::new();
        for (node, reply) in pages {
            cursors.insert(node, page(reply)?.next);
        }
        if cursors.is_empty() || self.upstream.overview().readable_slots() != SLOTS {
            return Err(Failure::Away);
        }
        (self.cursors, self.has_begun) = (cursors, true);
        Ok(())
    }

    /// Asks each node for which `cursor` has one.
    async fn ask(
        &self,
        count: u64,
        cursor: impl Fn(&NodeId) -> Option<String>,
    ) -> Vec<(NodeId, Reply)> {
        let (pattern, overview) = (self.watches.only_pattern(), self.upstream.overview());
        let away = overview.nodes.iter().filter(|node| !node.state.can_read());
        let away: Vec<&NodeId> = away.map(|node| &node.id).collect();
        let ask = |node: &NodeId| {
            let cursor = cursor(node).filter(|_| !away.contains(&node))?;
            Some(feed::changes(&cursor, count, pattern.as_deref(), Some(KINDS)))
        };
        self.upstream.call_every_node(ask).await
    }

    /// Learns which rooms have changed.
    async fn look(&mut self) -> Result<(), Failure> {
        let cursors = &self.cursors;
        // A node that is new lists all of its rooms.
        let cursor = |node: &NodeId| Some(cursors.get(node).map_or("0", String::as_str).to_owned());
        let pages = self.ask(COUNT, cursor).await;
        let mut outcome = Ok(());
        self.is_behind = false;
        for (node, reply) in pages {
            match page(reply) {
                Ok(page) => self.take(node, page),
                Err(failure) => outcome = Err(failure),
            }
        }
        if self.upstream.overview().readable_slots() != SLOTS {
            return outcome.and(Err(Failure::Away));
        }
        if outcome.is_ok() && !self.is_behind {
            // What no node has listed may be gone.
            for room in self.unlisted.take().unwrap_or_default() {
                self.owe(room);
            }
        }
        outcome
    }

    fn take(&mut self, node: NodeId, page: Changes) {
        if page.anew || !self.cursors.contains_key(&node) {
            self.unlisted = Some(self.positions.keys().cloned().collect());
        }
        for (room, newest) in page.rooms {
            let room: Arc<str> = room.into();
            if let Some(unlisted) = &mut self.unlisted {
                unlisted.remove(&room);
            }
            let known = self.positions.get(&room).copied();
            match (self.watches.interest(&room), newest) {
                (Interest::None, _) => drop(self.positions.remove(&room)),
                (_, None) if known.is_none() => {}
                // Its watchers begin after what it has now.
                (Interest::Later, Some(newest)) if known.is_none() => {
                    self.positions.insert(room, newest);
                }
                (_, newest) if newest.is_some() && newest == known => {}
                _ => self.owe(room),
            }
        }
        self.is_behind |= page.more;
        self.cursors.insert(node, page.next);
    }

    fn owe(&mut self, room: Arc<str>) {
        if self.is_owed.insert(room.clone()) {
            self.owed.push_back(room);
        }
    }

    /// One step of a walk.
    async fn walk_on(&mut self, mut walk: Walk) -> Result<(), Failure> {
        let pages = self.ask(walk::COUNT, |node| walk.cursor(node).map(str::to_owned)).await;
        let mut outcome = Ok(());
        for (node, reply) in pages {
            match page(reply) {
                Ok(page) => {
                    self.note_rooms(&page);
                    walk.note(node, page.more.then_some(page.next));
                }
                Err(failure) => outcome = Err(failure),
            }
        }
        if walk.is_complete(&self.upstream) {
            self.watches.end_walk(walk.number);
        } else {
            self.walk = Some(walk);
        }
        outcome
    }

    fn note_rooms(&mut self, page: &Changes) {
        for (room, newest) in &page.rooms {
            let Some(newest) = newest else { continue };
            // Of the other ones that match, all are noted, or new.
            if self.watches.interest(room) == Interest::Later {
                self.positions.insert(room.as_str().into(), *newest);
            }
        }
    }

    /// Reads events of rooms that have changed, of some of them. False: none can be read now.
    async fn read(&mut self) -> Result<bool, Failure> {
        let some: Vec<Arc<str>> = self.owed.drain(..self.owed.len().min(ROOMS)).collect();
        let is_away = |room: &Arc<str>| self.upstream.is_away(room);
        let (away, rooms): (Vec<_>, Vec<_>) = some.into_iter().partition(is_away);
        self.owed.extend(away);
        if rooms.is_empty() {
            return Ok(false);
        }
        for room in &rooms {
            self.is_owed.remove(room);
        }
        let after = |room: &Arc<str>| self.positions.get(room).copied().unwrap_or(Id::ZERO);
        let asked =
            rooms.iter().map(|room| commands::sync(room, after(room), PAGE, Reader::Backend));
        let replies = self.upstream.call(asked.collect()).await;
        let mut outcome = Ok(true);
        let mut delivery = Delivery::default();
        for (room, reply) in rooms.into_iter().zip(replies) {
            match reply.map(Synced::read) {
                Ok(Ok(synced)) => self.events(room, synced, &mut delivery),
                // The key holds something else: for a reader the room is gone.
                Ok(Err(_)) | Err(CommandError::Refused(_)) => drop(self.positions.remove(&room)),
                Err(CommandError::Unavailable(_)) => {
                    self.owe(room);
                    outcome = Err(Failure::Away);
                }
            }
        }
        delivery.finish();
        outcome
    }

    fn events(&mut self, room: Arc<str>, synced: Synced, delivery: &mut Delivery) {
        if synced.newest == Id::ZERO {
            self.positions.remove(&room);
            return;
        }
        let receivers = self.watches.receivers(&room);
        if !synced.recovered {
            // Its past is another one, or was trimmed: what is missed is not known.
            self.positions.insert(room.clone(), synced.newest);
            delivery.lose(&room, &receivers);
            return;
        }
        let mut last = None;
        for event in &synced.events {
            let Some(header) = EventHeader::parse(event) else { continue };
            let Place::Durable { id, .. } = header.place else { continue };
            last = Some(id);
            if header.raw("imported") != Some(b"true") {
                delivery.event(&room, id, event, &receivers);
            }
        }
        match last {
            Some(last) if synced.more => {
                self.positions.insert(room.clone(), last);
                self.owe(room);
            }
            _ => drop(self.positions.insert(room, synced.newest)),
        }
    }

    /// Forgets some rooms that nobody watches any more.
    fn sweep(&mut self) {
        use std::ops::Bound::{Excluded, Unbounded};
        let after = self.swept.take().map_or(Unbounded, Excluded);
        let some = self.positions.range::<Arc<str>, _>((after, Unbounded)).take(SWEPT);
        let some: Vec<Arc<str>> = some.map(|(room, _)| room.clone()).collect();
        for room in &some {
            if self.watches.interest(room) == Interest::None {
                self.positions.remove(room);
            }
        }
        self.swept = some.into_iter().next_back();
    }
}

/// What is queued for watchers by one reading.
#[derive(Default)]
struct Delivery {
    to_flush: Vec<Arc<Connection>>,
    lost: BTreeMap<u64, (Arc<Connection>, Vec<Arc<str>>)>,
}

impl Delivery {
    fn event(&mut self, room: &Arc<str>, id: Id, event: &[u8], receivers: &[Arc<Connection>]) {
        let frame = frame::text(event);
        let mut count = 0;
        for connection in receivers {
            let Some(must_flush) = connection.push_once(room, id, frame.clone()) else { continue };
            count += 1;
            if must_flush {
                self.to_flush.push(connection.clone());
            }
        }
        METRICS.events_delivered.increment(count);
    }

    fn lose(&mut self, room: &Arc<str>, receivers: &[Arc<Connection>]) {
        for connection in receivers {
            let lost = self.lost.entry(connection.number);
            lost.or_insert_with(|| (connection.clone(), Vec::new())).1.push(room.clone());
        }
    }

    /// Writes what was queued.
    fn finish(mut self) {
        for (connection, rooms) in self.lost.into_values() {
            for rooms in rooms.chunks(LOST_MAX) {
                let lost: Vec<&str> = rooms.iter().map(|room| &**room).collect();
                let frame = RelayFrame::Watch { lost: &lost, pattern: None, why: None }.encode();
                if connection.push(frame, Class::Live) {
                    self.to_flush.push(connection.clone());
                }
            }
        }
        self.to_flush.iter().for_each(|connection| connection.flush());
    }
}

fn page(reply: Reply) -> Result<Changes, Failure> {
    Changes::read(reply?).map_err(|_| Failure::Refused("an unknown reply".to_owned()))
}
