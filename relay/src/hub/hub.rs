//! Where sessions and upstream meet: room -> connections on this relay.
//!
//! Events come in on the upstream's task and wait in the event_queue for those that came with them; a
//! task hands them to their rooms, which they leave as queued frames; a few flushing tasks write
//! them, so that what has queued up meanwhile goes out in one write. The hub keeps the list of rooms
//! the relay wants to hear, asks for them again after every outage and has each synced from its
//! position. It never awaits while locked.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

use crate::client::connection::Connection;
use crate::config::Config;
use crate::hub::event_queue::EventQueue;
use crate::hub::flusher::Flusher;
use crate::hub::follow_cache::FollowCache;
use crate::hub::hello::hello;
use crate::hub::profiles::ProfileTracker;
use crate::hub::upstream_status::{CurrentStatus, UpstreamStatus};
use crate::metrics::METRICS;
use crate::rate_limit::{Allowances, SignalRateLimit};
use crate::room::fetch::{self, Fetch, Key};
use crate::room::subscribers::PendingFlush;
use crate::room::{Joiner, Room};
use crate::upstream::Upstream;

/// Rooms that sync at the same time.
const SYNCS: usize = 64;

/// The hub.
pub(crate) struct Hub {
    /// The relay's settings.
    pub config: Config,
    /// The way to Redis.
    pub upstream: Arc<Upstream>,
    /// Bounds the syncs that run at a time.
    pub syncs: Semaphore,
    /// Sends that wait for Redis, all connections together.
    pub sends_waiting: Semaphore,
    /// Rooms that are known to be in users' lists.
    pub follow_cache: FollowCache,
    /// Signals that came too fast are not passed on.
    pub signals: SignalRateLimit,
    /// How much each user may ask.
    pub allowances: Arc<Allowances>,
    rooms: RwLock<HashMap<Arc<str>, Arc<Room>>>,
    connections: Mutex<HashMap<u64, Arc<Connection>>>,
    next_connection: AtomicU64,
    boot: String,
    pub(super) event_queue: EventQueue,
    pub(super) flusher: Flusher,
    pub(super) upstream_status: CurrentStatus,
    /// Changed profiles that others are told of.
    pub profile_updates: ProfileTracker,
}

/// Sends that may wait for Redis at a time.
pub(crate) const SENDS_WAITING: usize = 10_000;

impl Hub {
    /// A hub without rooms. `boot` tells this process from earlier ones of the same name.
    pub(crate) fn new(config: Config, upstream: Arc<Upstream>, boot: String) -> Arc<Hub> {
        let allowances = Allowances::new(&config);
        Arc::new(Hub {
            config,
            upstream,
            syncs: Semaphore::new(SYNCS),
            sends_waiting: Semaphore::new(SENDS_WAITING),
            follow_cache: FollowCache::default(),
            signals: SignalRateLimit::default(),
            allowances,
            rooms: RwLock::default(),
            connections: Mutex::default(),
            next_connection: AtomicU64::new(1),
            boot,
            event_queue: EventQueue::default(),
            flusher: Flusher::default(),
            upstream_status: CurrentStatus::default(),
            profile_updates: ProfileTracker::default(),
        })
    }

    // Connections.

    /// Makes a connection of a socket: a number and a name that no other ever has.
    pub(crate) fn connect(&self, user: Arc<str>, socket: tokio::net::TcpStream) -> Arc<Connection> {
        let number = self.next_connection.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{}-{number}", self.config.name, self.boot).into();
        let connection = Connection::new(number, name, user, socket, self.config.outbox);
        let connection = Arc::new(connection);
        // Before anybody can send to it: this is what a client hears first.
        connection.send_text(&hello(&self.config, &connection));
        {
            let mut connections = self.connections.lock();
            connections.insert(number, connection.clone());
            METRICS.connections.set(connections.len() as f64);
        }
        METRICS.connections_total.increment(1);
        let status = self.upstream_status.get();
        if status != UpstreamStatus::Back {
            connection.send(status.frame());
        }
        connection
    }

    /// Removes a connection and returns the names of the rooms that it was in.
    pub(super) fn remove_connection(&self, connection: &Connection) -> Vec<Arc<str>> {
        {
            let mut connections = self.connections.lock();
            connections.remove(&connection.number);
            METRICS.connections.set(connections.len() as f64);
        }
        let rooms = connection.take_rooms();
        for room in rooms.iter().filter_map(|name| self.room(name)) {
            room.remove(connection);
        }
        rooms
    }

    /// All connections.
    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        self.connections.lock().values().cloned().collect()
    }

    /// How many connections there are.
    pub(crate) fn connection_count(&self) -> usize {
        self.connections.lock().len()
    }

    // Rooms.

    /// Brings a connection to a room, which is subscribed to if it was not.
    pub(crate) fn begin_join(&self, name: &str, connection: &Connection) -> (Arc<Room>, Joiner) {
        if let Some(room) = self.rooms.read().get(name) {
            return (room.clone(), room.begin_join(connection));
        }
        let mut rooms = self.rooms.write();
        let name: Arc<str> = name.into();
        let room = match rooms.entry(name.clone()) {
            Entry::Occupied(room) => room.into_mut(),
            Entry::Vacant(place) => {
                self.upstream.subscribe(name.clone());
                place.insert(Arc::new(Room::new(name)))
            }
        };
        let arrived = (room.clone(), room.begin_join(connection));
        METRICS.rooms.set(rooms.len() as f64);
        arrived
    }

    /// The room of this name, if the relay follows it.
    pub(crate) fn room(&self, name: &str) -> Option<Arc<Room>> {
        self.rooms.read().get(name).cloned()
    }

    /// The room of this name, if this connection is in it.
    pub(crate) fn room_of(&self, connection: &Connection, name: &str) -> Option<Arc<Room>> {
        connection.is_in(name).then(|| self.room(name)).flatten()
    }

    /// All rooms.
    pub(crate) fn rooms(&self) -> Vec<Arc<Room>> {
        self.rooms.read().values().cloned().collect()
    }

    /// What a newcomer to this room asks Redis for, shared with others who ask the same.
    pub(crate) fn fetch(&self, room: &Room, key: Key) -> Fetch {
        room.fetch(key, || fetch::fetch(self.upstream.clone(), room.name.clone(), key))
    }

    /// Writes to these connections: now if they are few, else soon.
    pub(crate) fn flush(&self, connections: PendingFlush) {
        self.flusher.flush(connections);
    }

    pub(super) fn remove_empty_rooms(&self, now: Instant) {
        let linger = self.config.linger;
        let is_left = |room: &Room| {
            room.empty_since().is_some_and(|since| now.saturating_duration_since(since) >= linger)
        };
        if !self.rooms.read().values().any(|room| is_left(room)) {
            return;
        }
        let mut rooms = self.rooms.write();
        // Nobody can arrive meanwhile: arriving takes this lock.
        rooms.retain(|name, room| {
            let left = is_left(room);
            if left {
                self.upstream.unsubscribe(name.clone());
            }
            !left
        });
        METRICS.rooms.set(rooms.len() as f64);
    }
}

/// Milliseconds since the epoch by this machine's clock.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
