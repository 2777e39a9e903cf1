//! The upstream: keeps a link to Redis open and calls commands over it.
//!
//! The one idea: the link is proven, not assumed. Both connections are opened together, and a
//! message published on the first must arrive on the second, every few seconds. If it does not, or
//! if the server turns out to be a replica, both are closed and opened again (`link.rs`).
//! Everything in flight then ends at once with [`Unavailable`], so nothing waits for a lost
//! connection. Before a link counts as open, `check.rs` tests whether the server has what a relay
//! needs. A server that refuses writes, or everything for a while, stays connected: the [`State`]
//! names the problem, and the server is tested until there is none.
//!
//! The redis client's own resubscription is not used: in a trial it left many rooms without their
//! subscription after a lost node. The hub keeps the list of wanted rooms, and each subscription is
//! confirmed by name.
//!
//! This file knows one standalone server. It does not know what commands mean.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::Rng;
use redis::{Client, Value};
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use crate::client::error::Error;
use crate::config::{RedisSettings, Servers};
use crate::metrics::METRICS;
use crate::upstream::check;
use crate::upstream::commands::{self, Command};
use crate::upstream::health::{self, Problem, State};
use crate::upstream::link::Link;
use crate::upstream::listener::Listener;
use crate::upstream::outcome::{CommandError, Reply, Unavailable};

/// The first and the longest pause before a connection attempt.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// Subscriptions requested in one pipeline.
const SUBSCRIPTION_BATCH: usize = 500;
/// Pause between two tests whether writes are accepted again.
const RECHECK_INTERVAL: Duration = Duration::from_millis(250);
/// A lasting problem is logged once in this time, not once per attempt.
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// The upstream, shared by the whole relay, open or not.
pub(crate) struct Upstream {
    client: Client,
    /// A room that cannot exist. Also the channel of the probe.
    probe_room: String,
    probe_interval: Duration,
    link: watch::Sender<Option<Arc<Link>>>,
    state: watch::Sender<State>,
    changes: Mutex<Vec<Change>>,
    changed: Notify,
}

enum Change {
    Subscribe(Arc<str>),
    Unsubscribe(Arc<str>),
}

/// A client of this server with the options that a relay needs.
pub(super) fn client(settings: &RedisSettings) -> Result<Client, redis::RedisError> {
    let unsupported = |what| Err((redis::ErrorKind::InvalidClientConfig, what).into());
    if settings.tls.is_some() {
        return unsupported("TLS to Redis is not supported yet");
    }
    let Servers::Seeds(seeds) = &settings.servers else {
        return unsupported("Sentinel is not supported yet");
    };
    let [server] = &seeds[..] else { return unsupported("a cluster is not supported yet") };
    let mut login = redis::RedisConnectionInfo::default()
        .set_protocol(redis::ProtocolVersion::RESP3)
        .set_lib_name("chat-relay", env!("CARGO_PKG_VERSION"));
    match settings.login.read() {
        Ok(None) => {}
        Ok(Some((user, password))) => {
            let password = String::from_utf8_lossy(password.bytes()).into_owned();
            login = login.set_username(user).set_password(password);
        }
        Err(why) => return Err(std::io::Error::other(why).into()),
    }
    let tcp = redis::io::tcp::TcpSettings::default().set_nodelay(true);
    let address = redis::ConnectionAddr::Tcp(server.host.to_string(), server.port);
    let info = redis::IntoConnectionInfo::into_connection_info(address)?;
    Client::open(info.set_redis_settings(login).set_tcp_settings(tcp))
}

impl Upstream {
    /// An upstream that is not open yet; [`Upstream::run`] opens it.
    pub(crate) fn new(
        redis: &RedisSettings,
        probe_room: String,
        probe_interval: Duration,
    ) -> Result<Upstream, redis::RedisError> {
        Ok(Upstream {
            client: client(redis)?,
            probe_room,
            probe_interval,
            link: watch::Sender::new(None),
            state: watch::Sender::new(State::Unavailable(Problem::Unreachable(
                "not yet tried".into(),
            ))),
            changes: Mutex::new(Vec::new()),
            changed: Notify::new(),
        })
    }

    /// Whether a link is open and proven.
    pub(crate) fn is_up(&self) -> bool {
        self.link.borrow().is_some()
    }

    /// Returns once a link is open.
    pub(crate) async fn wait_up(&self) {
        let mut link = self.link.subscribe();
        // The sender lives in `self`: waiting cannot fail.
        let _ = link.wait_for(Option::is_some).await;
    }

    /// Whether Redis can be used, and if not, why.
    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// A receiver of the state's changes.
    pub(crate) fn states(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Whether writes are accepted, as far as is known.
    pub(crate) fn is_open(&self) -> bool {
        *self.state.borrow() == State::Open
    }

    /// Returns once writes are accepted.
    pub(crate) async fn wait_open(&self) {
        let mut state = self.state.subscribe();
        let _ = state.wait_for(|state| *state == State::Open).await;
    }

    /// Returns once reading works.
    pub(crate) async fn wait_readable(&self) {
        let mut state = self.state.subscribe();
        let _ = state.wait_for(State::can_read).await;
    }

    /// Sends commands in one write. Returns one outcome per command, in order. A reply which shows
    /// that the server was demoted closes the link. If the future is dropped, the commands may have
    /// been sent.
    pub(crate) async fn call(&self, commands: Vec<Command>) -> Vec<Reply> {
        let count = commands.len();
        let Some(link) = self.link.borrow().clone() else { return unanswered(count) };
        let begun = Instant::now();
        let values = link.send(commands).await;
        METRICS.command_seconds.record(begun.elapsed());
        match values {
            Some(Ok(Ok(values))) if values.len() == count => {
                return values.into_iter().map(|value| self.reply(&link, value)).collect();
            }
            Some(Ok(Ok(_))) => {
                self.give_up(&link, Problem::Unreachable("replies out of step".into()))
            }
            Some(Ok(Err(error))) => {
                self.give_up(&link, Problem::Unreachable(error.to_string()));
            }
            // The link may only be slow. If it is broken, the next probe finds out.
            Some(Err(_)) | None => {}
        }
        unanswered(count)
    }

    /// Sends one command.
    pub(crate) async fn call_one(&self, command: Command) -> Reply {
        let mut replies = self.call(vec![command]).await;
        replies.pop().unwrap_or(Err(CommandError::Unavailable(Unavailable::Unreachable)))
    }

    fn reply(&self, link: &Link, value: Value) -> Reply {
        let Value::ServerError(error) = value else { return Ok(value) };
        let (code, details) = (error.code(), error.details().unwrap_or(""));
        if let Some(state) = State::from_error(code, details) {
            self.note(link, state);
        }
        Err(match Unavailable::from_code(code) {
            Some(away) => CommandError::Unavailable(away),
            None if health::denied_command(details).is_some() => {
                CommandError::Unavailable(Unavailable::NotServing)
            }
            None => CommandError::Refused(Error::from_reply(code, details)),
        })
    }

    /// Notes the state that an error shows.
    fn note(&self, link: &Link, state: State) {
        if link.is_closed() {
            return;
        }
        match state {
            // These problems stay on this link: open another one.
            State::Unavailable(problem @ (Problem::Replica | Problem::Command(_))) => {
                self.give_up(link, problem);
            }
            state => {
                self.set_state(state);
            }
        }
    }

    /// Whether it changed, which is logged.
    fn set_state(&self, state: State) -> bool {
        let changed = self.state.send_if_modified(|old| {
            let changed = *old != state;
            old.clone_from(&state);
            changed
        });
        if !changed {
            return false;
        }
        METRICS.upstream_writes.set(f64::from(u8::from(state == State::Open)));
        match &state {
            State::Open => info!(source = "upstream", "Redis accepts everything"),
            State::WritesRefused(problem) | State::Unavailable(problem) => {
                METRICS.upstream_problem(problem.kind());
                warn!(source = "upstream", "{problem}");
            }
        }
        true
    }

    fn give_up(&self, link: &Link, problem: Problem) {
        if link.close() {
            self.set_state(State::Unavailable(problem));
        }
    }

    /// Requests a subscription. [`Listener::subscribed`] is called
    /// when it is confirmed. A subscription ends with its link: after `Listener::connected` it must
    /// be requested again.
    pub(crate) fn subscribe(&self, channel: Arc<str>) {
        self.changes.lock().push(Change::Subscribe(channel));
        self.changed.notify_one();
    }

    /// Ends a subscription.
    pub(crate) fn unsubscribe(&self, channel: Arc<str>) {
        self.changes.lock().push(Change::Unsubscribe(channel));
        self.changed.notify_one();
    }

    /// Opens a link and keeps one open, forever.
    pub(crate) async fn run(self: Arc<Self>, listener: Arc<dyn Listener>) {
        let mut backoff = BACKOFF_FIRST;
        let mut logged_at: Option<Instant> = None;
        loop {
            match self.open(&listener).await {
                Ok((link, state)) => {
                    info!(source = "upstream", "connected to Redis");
                    (backoff, logged_at) = (BACKOFF_FIRST, None);
                    METRICS.upstream_connects.increment(1);
                    METRICS.upstream_up.set(1.0);
                    self.changes.lock().clear();
                    self.link.send_replace(Some(link.clone()));
                    self.set_state(state);
                    listener.connected();
                    tokio::join!(
                        self.run_probes(&link),
                        self.run_subscriptions(&link),
                        self.recheck_until_open(&link)
                    );
                    METRICS.upstream_up.set(0.0);
                    self.link.send_replace(None);
                    if self.state.borrow().can_read() {
                        let why = "the connection was lost".to_owned();
                        self.set_state(State::Unavailable(Problem::Unreachable(why)));
                    }
                }
                Err(problem) => {
                    let state = State::Unavailable(problem.clone());
                    if self.set_state(state) {
                        logged_at = Some(Instant::now());
                    } else if logged_at.is_none_or(|at| at.elapsed() > LOG_INTERVAL) {
                        warn!(source = "upstream", "{problem}");
                        logged_at = Some(Instant::now());
                    }
                }
            }
            METRICS.upstream_failures.increment(1);
            let pause = rand::rng().random_range(backoff / 2..=backoff);
            tokio::time::sleep(pause).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    /// Opens a link to a server that has what a relay needs.
    async fn open(&self, listener: &Arc<dyn Listener>) -> Result<(Arc<Link>, State), Problem> {
        let link = Link::open(&self.client, &self.probe_room, listener).await?;
        let state = link.check(&self.probe_room).await?;
        link.probe(&self.probe_room, self.probe_timeout()).await?;
        Ok((Arc::new(link), state))
    }

    /// At least a second, so that a very short probe interval does not close a healthy link.
    fn probe_timeout(&self) -> Duration {
        self.probe_interval.max(Duration::from_secs(1))
    }

    /// Probes until the link is closed.
    async fn run_probes(&self, link: &Link) {
        loop {
            if link.unless_closed(tokio::time::sleep(self.probe_interval)).await.is_none() {
                return;
            }
            let probe = link.probe(&self.probe_room, self.probe_timeout());
            match link.unless_closed(probe).await {
                None => return,
                Some(Ok(())) => {}
                // The server is reachable and will serve again.
                Some(Err(problem @ Problem::NotServing(_))) => {
                    self.set_state(State::Unavailable(problem));
                }
                Some(Err(problem)) => return self.give_up(link, problem),
            }
        }
    }

    /// Tests writes while any are refused, until the link is closed.
    async fn recheck_until_open(&self, link: &Link) {
        let mut states = self.state.subscribe();
        loop {
            let not_open = states.wait_for(|state| *state != State::Open);
            if link.unless_closed(not_open).await.is_none() {
                return;
            }
            if link.unless_closed(tokio::time::sleep(RECHECK_INTERVAL)).await.is_none() {
                return;
            }
            let question = check::write_question(&self.probe_room);
            let Some(reply) = link.unless_closed(link.ask(vec![question])).await else { return };
            // If it does not answer, the next probe finds out.
            if let Some([reply]) = reply.as_deref() {
                self.note(link, check::writes(reply));
            }
        }
    }

    /// Sends changes of subscriptions until the link is closed.
    async fn run_subscriptions(&self, link: &Link) {
        loop {
            let batch: Vec<Change> = {
                let mut changes = self.changes.lock();
                let count = changes.len().min(SUBSCRIPTION_BATCH);
                changes.drain(..count).collect()
            };
            if batch.is_empty() {
                if link.unless_closed(self.changed.notified()).await.is_none() {
                    return;
                }
                continue;
            }
            let commands = batch.iter().map(|change| match change {
                Change::Subscribe(channel) => commands::subscribe(channel),
                Change::Unsubscribe(channel) => commands::unsubscribe(channel),
            });
            if link.subscription_call(commands.collect()).await.is_none() {
                self.give_up(link, Problem::Unreachable("a subscription was not confirmed".into()));
                return;
            }
        }
    }
}

fn unanswered(count: usize) -> Vec<Reply> {
    (0..count).map(|_| Err(CommandError::Unavailable(Unavailable::Unreachable))).collect()
}
