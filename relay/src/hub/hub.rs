//! The lists of rooms and connections, and what the whole relay shares: settings, upstream, limits.
//!
//! The list of rooms is the list of wanted subscriptions. A room is added when its first connection
//! joins, and removed some time after the last one has left (`--linger`). Nothing here waits while
//! a lock is held.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use chat_protocol::names::{RoomKind, room_kind};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

use crate::auth::ApiKeys;
use crate::client::connection::Connection;
use crate::client::json;
use crate::client::reply::{self, AuthReply};
use crate::clock::now_ms;
use crate::config::{Auth, Config};
use crate::hub::event_queue::EventQueue;
use crate::hub::flusher::Flusher;
use crate::hub::follow_cache::FollowCache;
use crate::hub::logins::hello::hello;
use crate::hub::logins::login::Login;
use crate::hub::logins::user_connections::UserConnections;
use crate::hub::profiles::ProfileTracker;
use crate::hub::standing::{KeptAnswers, PresentUsers};
use crate::hub::sync_permits::SyncPermits;
use crate::hub::upstream_status::{Told, UpstreamStatus};
use crate::metrics::METRICS;
use crate::rate_limit::{Allowances, Refusals, SignalRateLimit};
use crate::room::fetch::{self, Fetch, Key};
use crate::room::subscribers::PendingFlush;
use crate::room::{Joiner, Room};
use crate::send_hook::SendHook;
use crate::upstream::Upstream;
use crate::verification::{Sessions, Verification};
use crate::watch::Watches;

/// Number of new connections that may ask Redis for their first rooms at the same time.
const LOGINS: usize = 64;

/// What sessions and tasks share.
pub(crate) struct Hub {
    /// The relay's settings.
    pub config: Config,
    /// The connections to Redis.
    pub upstream: Arc<Upstream>,
    /// Bounds the syncs that run at the same time, for each node.
    pub(super) syncs: SyncPermits,
    /// Bounds the logins that run at the same time. When many clients arrive at once, what others
    /// request would else wait behind the commands of all of them.
    pub logins: Semaphore,
    /// Bounds the sends that wait for Redis, over all connections.
    pub sends_waiting: Semaphore,
    /// Rooms that are known to be in users' lists of rooms.
    pub follow_cache: FollowCache,
    /// Limits signals per user, room and name.
    pub signals: SignalRateLimit,
    /// Verifies tokens. `None`: there are none.
    pub verification: Option<Arc<Verification>>,
    /// Asks the application about sessions. `None`: there are none.
    pub sessions: Option<Arc<Sessions>>,
    /// Asks the service that judges what users write. `None`: there is none.
    pub send_hook: Option<SendHook>,
    /// The places of guests. `None`: guests are not let in.
    pub guests: Option<Arc<Semaphore>>,
    /// The patterns of rooms that connections watch.
    pub watches: Arc<Watches>,
    /// The rate limits of all users.
    pub allowances: Arc<Allowances>,
    /// Limits the wrong credentials of each address.
    pub refusals: Refusals,
    /// The rate limits of API keys and of other credentials of the backend.
    pub key_allowances: Arc<Allowances>,
    /// The API keys. They are read again at SIGHUP.
    pub api_keys: RwLock<ApiKeys>,
    /// Bounds the connections of each user.
    pub user_connections: Arc<UserConnections>,
    rooms: RwLock<HashMap<Arc<str>, Arc<Room>>>,
    connections: Mutex<HashMap<u64, Arc<Connection>>>,
    next_connection: AtomicU64,
    boot: String,
    pub(super) event_queue: EventQueue,
    pub(super) flusher: Flusher,
    pub(super) told: Told,
    /// Profile changes that are scheduled or were delivered recently.
    pub profile_updates: ProfileTracker,
    /// The users who have a connection to this relay.
    pub(super) present_users: PresentUsers,
    /// What the store has said of users in the last second.
    pub(super) kept_answers: KeptAnswers,
}

/// Number of sends that may wait for Redis at the same time.
pub(crate) const SENDS_WAITING: usize = 10_000;

impl Hub {
    /// A hub without rooms. `boot` distinguishes this process from earlier ones with the same relay
    /// name.
    pub(crate) fn new(config: Config, upstream: Arc<Upstream>, boot: String) -> Arc<Hub> {
        let allowances = Allowances::new(&config);
        let most = config.guests.map(|most| most.min(Semaphore::MAX_PERMITS));
        let guests = most.map(|most| Arc::new(Semaphore::new(most)));
        let refusals = Refusals::new(config.edge.max_refusals);
        let (mut verification, mut sessions) = (None, None);
        match &config.auth {
            Auth::None => {}
            Auth::Jwt(jwt) => verification = Some(Arc::new(Verification::new(jwt.clone()))),
            Auth::Http(settings) => sessions = Some(Sessions::new(settings, &config.name)),
        }
        let key_allowances = Allowances::of_keys(&config, config.api.operations_per_second);
        let api_keys = RwLock::new(config.api.keys.clone());
        let user_connections = UserConnections::new(config.edge.max_connections_per_user);
        let hook = config.send_hook.as_ref();
        let send_hook = hook.map(|settings| SendHook::new(settings, config.max_frame));
        Arc::new(Hub {
            config,
            send_hook,
            user_connections,
            verification,
            sessions,
            guests,
            watches: Arc::default(),
            upstream,
            syncs: SyncPermits::default(),
            logins: Semaphore::new(LOGINS),
            sends_waiting: Semaphore::new(SENDS_WAITING),
            follow_cache: FollowCache::default(),
            signals: SignalRateLimit::default(),
            allowances,
            refusals,
            key_allowances,
            api_keys,
            rooms: RwLock::default(),
            connections: Mutex::default(),
            next_connection: AtomicU64::new(1),
            boot,
            event_queue: EventQueue::default(),
            flusher: Flusher::default(),
            told: Told::default(),
            profile_updates: ProfileTracker::default(),
            present_users: PresentUsers::default(),
            kept_answers: KeptAnswers::default(),
        })
    }

    // Connections.

    /// Registers a socket as a connection, with a number and a name that are never used again.
    pub(crate) fn connect(
        &self,
        login: impl Into<Login>,
        socket: tokio::net::TcpStream,
    ) -> Arc<Connection> {
        let login = login.into();
        let (number, name) = self.next_connection();
        let (user, outbox) = (login.user.clone(), self.config.outbox);
        self.register(Connection::new(number, name, user, socket, outbox), login)
    }

    /// As [`Hub::connect`], for a connection whose outbox another task drains.
    pub(crate) fn connect_detached(&self, login: Login) -> Arc<Connection> {
        let (number, name) = self.next_connection();
        let (user, outbox) = (login.user.clone(), self.config.outbox);
        self.register(Connection::detached(number, name, user, outbox), login)
    }

    fn next_connection(&self) -> (u64, Arc<str>) {
        let number = self.next_connection.fetch_add(1, Ordering::Relaxed);
        (number, format!("{}-{number}", self.process_name()).into())
    }

    /// The name of this process: of the relay, and of what distinguishes it from earlier ones.
    pub(super) fn process_name(&self) -> String {
        format!("{}-{}", self.config.name, self.boot)
    }

    fn register(&self, mut connection: Connection, login: Login) -> Arc<Connection> {
        let Login { identity, answer_to, way, .. } = login;
        connection.way = way;
        let connection = Arc::new(connection);
        let expires_in = identity.as_ref().and_then(|identity| identity.renew_in(now_ms()));
        if let Some(identity) = identity {
            connection.set_identity(identity);
        }
        // Before the connection is registered, so that nothing can be queued before `hello`. All of
        // it waits until the login has got its answer: who is refused gets nothing else.
        connection.cork();
        if let Some(reference) = answer_to {
            let object = json::write(&AuthReply { expires_in });
            connection.send_text(&reply::ok(&reference, &object));
        }
        connection.send_text(&hello(&self.config, &connection, expires_in));
        {
            let mut connections = self.connections.lock();
            connections.insert(connection.number, connection.clone());
            METRICS.connections.set(connections.len() as f64);
        }
        METRICS.connections_opened.increment(1);
        // From here on events end the connection. Guests have no room of their own.
        if !connection.is_guest() {
            self.present_users.add(&connection);
            self.receive(&format!("@{}", connection.user));
        }
        let status = self.told.whole();
        if status != UpstreamStatus::Back {
            connection.send(status.frame(&[]));
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
        self.present_users.remove(connection);
        self.watches.remove(connection);
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

    /// Starts to join a room. Adds and subscribes to the room if it is not in the list.
    pub(crate) fn begin_join(&self, name: &str, connection: &Connection) -> (Arc<Room>, Joiner) {
        if let Some(room) = self.rooms.read().get(name) {
            return (room.clone(), room.begin_join(connection));
        }
        let mut rooms = self.rooms.write();
        let room = self.add_room(&mut rooms, name);
        let joiner = room.begin_join(connection);
        (room, joiner)
    }

    /// Adds a room to the list, without a connection in it.
    fn receive(&self, name: &str) {
        if self.room(name).is_some() {
            return;
        }
        self.add_room(&mut self.rooms.write(), name);
    }

    fn add_room(&self, rooms: &mut HashMap<Arc<str>, Arc<Room>>, name: &str) -> Arc<Room> {
        let name: Arc<str> = name.into();
        let room = match rooms.entry(name.clone()) {
            Entry::Occupied(room) => room.into_mut(),
            Entry::Vacant(place) => {
                self.upstream.subscribe(name.clone());
                place.insert(Arc::new(Room::new(name)))
            }
        };
        let room = room.clone();
        METRICS.rooms.set(rooms.len() as f64);
        room
    }

    /// The room of this name, if it is in the list.
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

    /// What a joining connection fetches from Redis; connections that fetch the same share it.
    pub(crate) fn fetch(&self, room: &Room, key: Key) -> Fetch {
        room.fetch(key, || fetch::fetch(self.upstream.clone(), room.name.clone(), key))
    }

    /// Flushes these connections: at once if they are few, else in a task.
    pub(crate) fn flush(&self, connections: PendingFlush) {
        self.flusher.flush(connections);
    }

    /// Removes those of these rooms, which were empty for long, that still are.
    pub(super) fn remove_empty_rooms(&self, now: Instant, empty: Vec<Arc<Room>>) {
        if empty.is_empty() {
            return;
        }
        let is_left = |since| now.saturating_duration_since(since) >= self.config.linger;
        let mut rooms = self.rooms.write();
        // No connection can join meanwhile: joining takes this lock.
        for room in empty {
            if self.is_of_present_user(&room) {
                room.keep_empty(now);
            } else if room.empty_since().is_some_and(is_left) && rooms.remove(&room.name).is_some()
            {
                self.upstream.unsubscribe(room.name.clone());
            }
        }
        METRICS.rooms.set(rooms.len() as f64);
    }

    /// Whether this is the personal room of a user who has a connection.
    fn is_of_present_user(&self, room: &Room) -> bool {
        matches!(room_kind(&room.name), Some(RoomKind::Personal(user)) if self.present_users.contains(user))
    }
}
