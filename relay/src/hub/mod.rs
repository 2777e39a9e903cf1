//! Where sessions and upstream meet: room -> connections on this relay.
//!
//! Events come in on the upstream's task and wait in the event_queue for those that came with them; a
//! task hands them to their rooms, which they leave as queued frames; a few flushing tasks write
//! them, so that what has queued up meanwhile goes out in one write. The hub keeps the list of rooms
//! the relay wants to hear, asks for them again after every outage and has each synced from its
//! position. It never awaits while locked.

pub(crate) mod access;
mod dispatch;
mod event_queue;
mod follow_cache;
pub(crate) mod presence;
pub(crate) mod profile;
pub(crate) mod profile_updates;
mod signal_rate_limit;
mod sync;
mod upstream_status;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, Semaphore};

use crate::client::close;
use crate::client::connection::{Connection, End};
use crate::config::Config;
use crate::hub::event_queue::EventQueue;
use crate::hub::follow_cache::FollowCache;
use crate::hub::profile_updates::ProfileUpdates;
use crate::hub::signal_rate_limit::SignalRateLimit;
use crate::hub::sync::Cause;
use crate::metrics::METRICS;
use crate::panics::restart_on_panic;
use crate::rate_limit::Allowances;
use crate::room::fetch::{self, Fetch, Key};
use crate::room::subscribers::PendingFlush;
use crate::room::{Joiner, Next, Room};
use crate::server::session;
use crate::upstream::Upstream;

/// Rooms that sync at the same time.
const SYNCS: usize = 64;
/// Subscriptions not confirmed within this time are asked for again.
const CONFIRM_WITHIN: Duration = Duration::from_secs(3);
/// Connections that one flushing task takes at a time.
const FLUSH_BATCH: usize = 64;

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
    event_queue: EventQueue,
    pending_flush: Mutex<PendingFlush>,
    flush: Notify,
    told: upstream_status::Told,
    /// Changed profiles that others are told of.
    pub profile_updates: ProfileUpdates,
    me: Weak<Hub>,
}

/// Sends that may wait for Redis at a time.
pub(crate) const SENDS_WAITING: usize = 10_000;

impl Hub {
    /// A hub without rooms. `boot` tells this process from earlier ones of the same name.
    pub(crate) fn new(config: Config, upstream: Arc<Upstream>, boot: String) -> Arc<Hub> {
        let allowances = Allowances::new(&config);
        Arc::new_cyclic(|me| Hub {
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
            pending_flush: Mutex::default(),
            flush: Notify::new(),
            told: upstream_status::Told::default(),
            profile_updates: ProfileUpdates::default(),
            me: me.clone(),
        })
    }

    /// Runs the hub's tasks: upstream, handing out, flushing, housekeeping.
    /// A defect that ends one round of them must not end them all.
    pub(crate) fn start(self: &Arc<Self>) {
        let hub = self.clone();
        tokio::spawn(restart_on_panic("reaching Redis", move || {
            hub.upstream.clone().run(hub.clone())
        }));
        let hub = self.clone();
        let watch = move || hub.clone().keep_watching_upstream();
        tokio::spawn(restart_on_panic("watching how Redis stands", watch));
        let hub = self.clone();
        let tell = move || hub.clone().keep_telling_standing();
        tokio::spawn(restart_on_panic("telling how Redis stands", tell));
        let hub = self.clone();
        tokio::spawn(restart_on_panic("handing out events", move || hub.clone().run_dispatch()));
        for _ in 0..2 {
            let hub = self.clone();
            tokio::spawn(restart_on_panic("writing to sockets", move || hub.clone().run_flush()));
        }
        let hub = self.clone();
        tokio::spawn(restart_on_panic("keeping house", move || hub.clone().housekeeping()));
    }

    // Connections.

    /// Makes a connection of a socket: a number and a name that no other ever has.
    pub(crate) fn connect(&self, user: Arc<str>, socket: tokio::net::TcpStream) -> Arc<Connection> {
        let number = self.next_connection.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{}-{number}", self.config.name, self.boot).into();
        let connection = Connection::new(number, name, user, socket, self.config.outbox);
        let connection = Arc::new(connection);
        // Before anybody can send to it: this is what a client hears first.
        connection.send_text(&session::hello(self, &connection));
        {
            let mut connections = self.connections.lock();
            connections.insert(number, connection.clone());
            METRICS.connections.set(connections.len() as f64);
        }
        METRICS.connections_total.increment(1);
        self.tell_standing(&connection);
        connection
    }

    /// Forgets a connection whose session has ended. Its presence is shortened to the grace; that
    /// of who was kicked ends at once.
    pub(crate) fn disconnect(&self, connection: &Arc<Connection>) {
        {
            let mut connections = self.connections.lock();
            connections.remove(&connection.number);
            METRICS.connections.set(connections.len() as f64);
        }
        let rooms = connection.take_rooms();
        for room in rooms.iter().filter_map(|name| self.room(name)) {
            room.remove(connection);
        }
        if let Some(hub) = self.me.upgrade()
            && !rooms.is_empty()
        {
            let connection = connection.clone();
            tokio::spawn(async move {
                match connection.ended() {
                    Some(End::Close(close::KICKED)) => {
                        presence::end(&hub, &connection, &rooms).await;
                    }
                    _ => presence::shorten(&hub, &connection, &rooms).await,
                }
            });
        }
    }

    /// As [`Hub::disconnect`], for one whose session may have ended between any two steps: it may
    /// receive rooms that it does not know it is in.
    pub(crate) fn disconnect_everywhere(&self, connection: &Arc<Connection>) {
        for room in self.rooms() {
            if room.holds(connection) {
                connection.add_room(&room.name);
            }
        }
        self.disconnect(connection);
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

    /// Runs a sync of this room, unless one is running.
    pub(crate) fn sync(&self, room: Arc<Room>, cause: Cause) {
        if let Some(hub) = self.me.upgrade() {
            tokio::spawn(sync::run(hub, room, cause));
        }
    }

    /// Like [`Hub::sync`], to its end.
    pub(crate) async fn catch_up(&self, room: Arc<Room>) {
        if let Some(hub) = self.me.upgrade() {
            sync::run(hub, room, Cause::Hole).await;
        }
    }

    /// Does what events have asked for: who is paused is asked about, a changed profile is told.
    pub(crate) fn attend(self: &Arc<Self>, room: &Arc<Room>) {
        access::ask_later(self, room);
        profile_updates::look(self, room);
    }

    /// Does what an event or a beat has asked for.
    pub(crate) fn follow(&self, room: &Arc<Room>, next: Next) {
        if next == Next::Sync {
            self.sync(room.clone(), Cause::Hole);
        }
    }

    // Flushing.

    /// Has these connections written to: now if they are few, else soon.
    pub(crate) fn flush(&self, mut connections: PendingFlush) {
        if connections.len() <= FLUSH_BATCH {
            connections.iter().for_each(|connection| connection.flush());
            return;
        }
        self.pending_flush.lock().append(&mut connections);
        self.flush.notify_one();
    }

    async fn run_flush(self: Arc<Self>) {
        loop {
            let batch: PendingFlush = {
                let mut pending_flush = self.pending_flush.lock();
                let count = pending_flush.len().min(FLUSH_BATCH);
                pending_flush.drain(..count).collect()
            };
            if batch.is_empty() {
                self.flush.notified().await;
                continue;
            }
            if batch.len() == FLUSH_BATCH {
                // There may be more than one task should do alone.
                self.flush.notify_one();
            }
            for connection in &batch {
                connection.flush();
            }
            tokio::task::yield_now().await;
        }
    }

    // Housekeeping.

    async fn housekeeping(self: Arc<Self>) {
        let beat_interval = self.config.presence_ttl / 3;
        let mut tick = tokio::time::interval((beat_interval / 4).min(Duration::from_secs(1)));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let now = Instant::now();
            let (mut due, mut pending_flush) = (Vec::new(), PendingFlush::new());
            for room in self.rooms() {
                if room.beat_is_due(now, beat_interval) {
                    due.push(room.clone());
                }
                if self.upstream.is_up()
                    && now.checked_sub(CONFIRM_WITHIN).is_some_and(|since| room.ask_again(since))
                {
                    self.upstream.subscribe(room.name.clone());
                }
                let next = room.tidy(now);
                self.follow(&room, next);
                if self.upstream.is_up() {
                    room.end_long_pauses(now, &mut pending_flush);
                } else {
                    room.restart_pauses();
                }
                self.attend(&room);
            }
            self.flush(pending_flush);
            if !due.is_empty() && self.upstream.is_up() {
                let hub = self.clone();
                tokio::spawn(async move { presence::beat(&hub, due).await });
            }
            self.leave_empty_rooms(now);
            self.follow_cache.tidy(now);
            self.signals.tidy(now);
            self.profile_updates.tidy(now);
            self.allowances.tidy(now);
        }
    }

    fn leave_empty_rooms(&self, now: Instant) {
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
