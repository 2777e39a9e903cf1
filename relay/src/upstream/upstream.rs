//! The Redis side of the relay: one connection for commands, one for subscriptions.
//!
//! The one idea: the path is proven, not assumed. Both connections are opened together, what is
//! published on the first must come back on the second, and again every few seconds; if it does
//! not, or if the server turns out to be a replica, both are closed and opened anew ([`path`]).
//! Everything in flight then ends at once with [`Unavailable`], so nobody waits for a connection that is
//! gone. Whether the server has what a relay needs is asked before the path counts as open
//! ([`check`]). A server that refuses writes, or everything for a while, is still there: the
//! [`State`] says what is the matter and is asked about until nothing is.
//!
//! The redis client's own resubscription is not used: in a trial it left many rooms deaf after a
//! lost node. The hub keeps the list of wanted rooms; each subscription is confirmed by name.
//!
//! This file knows one standalone server; it does not know what commands mean.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::Rng;
use redis::{Client, Value};
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use crate::client::error::Error;
use crate::metrics::METRICS;
use crate::upstream::check;
use crate::upstream::commands::{self, Command};
use crate::upstream::health::{self, Problem, State};
use crate::upstream::listener::Listener;
use crate::upstream::outcome::{CommandError, Reply, Unavailable};
use crate::upstream::path::Path;

/// Pause before the first attempt to come back, and the longest one.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_MOST: Duration = Duration::from_secs(2);
/// Subscriptions asked for in one pipeline.
const SUBSCRIPTION_BATCH: usize = 500;
/// Pause between two questions whether writes are accepted again.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// One line of what is the matter in this time, not one per attempt.
const TELL_AGAIN: Duration = Duration::from_secs(30);

/// The upstream: shared by all, open or not.
pub(crate) struct Upstream {
    client: Client,
    /// A room that cannot exist; the channel of the probe.
    no_room: String,
    probe_interval: Duration,
    path: watch::Sender<Option<Arc<Path>>>,
    state: watch::Sender<State>,
    changes: Mutex<Vec<Change>>,
    changed: Notify,
}

enum Change {
    Subscribe(Arc<str>),
    Unsubscribe(Arc<str>),
}

impl Upstream {
    /// An upstream that is not open yet; [`Upstream::run`] opens it.
    pub(crate) fn new(
        redis: &redis::ConnectionInfo,
        no_room: String,
        probe_interval: Duration,
    ) -> Result<Upstream, redis::RedisError> {
        let settings = redis
            .redis_settings()
            .clone()
            .set_protocol(redis::ProtocolVersion::RESP3)
            .set_lib_name("chat-relay", env!("CARGO_PKG_VERSION"));
        let tcp = redis::io::tcp::TcpSettings::default().set_nodelay(true);
        let redis = redis.clone().set_redis_settings(settings).set_tcp_settings(tcp);
        Ok(Upstream {
            client: Client::open(redis)?,
            no_room,
            probe_interval,
            path: watch::Sender::new(None),
            state: watch::Sender::new(State::Unavailable(Problem::Unreachable(
                "not yet tried".into(),
            ))),
            changes: Mutex::new(Vec::new()),
            changed: Notify::new(),
        })
    }

    /// Whether the path is open and proven.
    pub(crate) fn is_up(&self) -> bool {
        self.path.borrow().is_some()
    }

    /// Returns once the path is open.
    pub(crate) async fn wait_up(&self) {
        let mut path = self.path.subscribe();
        // The sender lives in `self`: waiting cannot fail.
        let _ = path.wait_for(Option::is_some).await;
    }

    /// Whether Redis can be used, and if not, why.
    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Tells of changes of the state.
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

    /// Sends commands in one write; the outcome of each in the same order, one for each. A reply that
    /// shows that the server was demoted gives the path up. Dropping the future may leave the
    /// commands sent.
    pub(crate) async fn call(&self, commands: Vec<Command>) -> Vec<Reply> {
        let count = commands.len();
        let Some(path) = self.path.borrow().clone() else { return unanswered(count) };
        let begun = Instant::now();
        let values = path.send(commands).await;
        METRICS.command_seconds.record(begun.elapsed());
        match values {
            Some(Ok(Ok(values))) if values.len() == count => {
                return values.into_iter().map(|value| self.reply(&path, value)).collect();
            }
            Some(Ok(Ok(_))) => {
                self.give_up(&path, Problem::Unreachable("replies out of step".into()))
            }
            Some(Ok(Err(error))) => {
                self.give_up(&path, Problem::Unreachable(error.to_string()));
            }
            // The path may only be slow. If it is dead, the next probe finds out.
            Some(Err(_)) | None => {}
        }
        unanswered(count)
    }

    /// One command.
    pub(crate) async fn call_one(&self, command: Command) -> Reply {
        let mut replies = self.call(vec![command]).await;
        replies.pop().unwrap_or(Err(CommandError::Unavailable(Unavailable::Unreachable)))
    }

    fn reply(&self, path: &Path, value: Value) -> Reply {
        let Value::ServerError(error) = value else { return Ok(value) };
        let (code, details) = (error.code(), error.details().unwrap_or(""));
        if let Some(state) = State::from_error(code, details) {
            self.note(path, state);
        }
        Err(match Unavailable::from_code(code) {
            Some(away) => CommandError::Unavailable(away),
            None if health::denied_command(details).is_some() => {
                CommandError::Unavailable(Unavailable::NotServing)
            }
            None => CommandError::Refused(Error::from_reply(code, details)),
        })
    }

    /// Takes note of what an error says about the server.
    fn note(&self, path: &Path, state: State) {
        if path.is_dead() {
            return;
        }
        match state {
            // These do not pass by themselves, or only with another path.
            State::Unavailable(problem @ (Problem::Replica | Problem::Command(_))) => {
                self.give_up(path, problem);
            }
            state => self.set_state(state),
        }
    }

    fn set_state(&self, state: State) {
        let changed = self.state.send_if_modified(|old| {
            let changed = *old != state;
            old.clone_from(&state);
            changed
        });
        if !changed {
            return;
        }
        METRICS.upstream_writes.set(f64::from(u8::from(state == State::Open)));
        match &state {
            State::Open => info!(source = "upstream", "Redis accepts everything"),
            State::WritesRefused(problem) | State::Unavailable(problem) => {
                METRICS.upstream_problem(problem.kind());
                warn!(source = "upstream", "{problem}");
            }
        }
    }

    fn give_up(&self, path: &Path, problem: Problem) {
        if path.give_up() {
            self.set_state(State::Unavailable(problem));
        }
    }

    /// Asks for a subscription; [`Listener::subscribed`] tells when it is in force. Lost with the
    /// path: after [`Listener::opened`] it must be asked for again.
    pub(crate) fn subscribe(&self, channel: Arc<str>) {
        self.changes.lock().push(Change::Subscribe(channel));
        self.changed.notify_one();
    }

    /// Ends a subscription.
    pub(crate) fn unsubscribe(&self, channel: Arc<str>) {
        self.changes.lock().push(Change::Unsubscribe(channel));
        self.changed.notify_one();
    }

    /// Opens the path and keeps it open, for ever.
    pub(crate) async fn run(self: Arc<Self>, listener: Arc<dyn Listener>) {
        let mut backoff = BACKOFF_FIRST;
        let mut told: Option<Instant> = None;
        loop {
            match self.open(&listener).await {
                Ok((path, state)) => {
                    info!(source = "upstream", "Redis is there");
                    (backoff, told) = (BACKOFF_FIRST, None);
                    METRICS.upstream_connects.increment(1);
                    METRICS.upstream_up.set(1.0);
                    self.changes.lock().clear();
                    self.path.send_replace(Some(path.clone()));
                    self.set_state(state);
                    listener.opened();
                    tokio::join!(
                        self.prove(&path),
                        self.keep_subscriptions(&path),
                        self.ask_until_open(&path)
                    );
                    METRICS.upstream_up.set(0.0);
                    self.path.send_replace(None);
                    if self.state.borrow().can_read() {
                        let why = "the connection was lost".to_owned();
                        self.set_state(State::Unavailable(Problem::Unreachable(why)));
                    }
                }
                Err(problem) => {
                    if told.is_none_or(|at| at.elapsed() > TELL_AGAIN) {
                        warn!(source = "upstream", "{problem}");
                        told = Some(Instant::now());
                    }
                    self.set_state(State::Unavailable(problem));
                }
            }
            METRICS.upstream_failures.increment(1);
            let pause = rand::rng().random_range(backoff / 2..=backoff);
            tokio::time::sleep(pause).await;
            backoff = (backoff * 2).min(BACKOFF_MOST);
        }
    }

    /// Opens a path to a server that has what a relay needs.
    async fn open(&self, listener: &Arc<dyn Listener>) -> Result<(Arc<Path>, State), Problem> {
        let path = Path::open(&self.client, &self.no_room, listener).await?;
        let state = path.check(&self.no_room).await?;
        path.probe(&self.no_room, self.patience()).await?;
        Ok((Arc::new(path), state))
    }

    /// At least a second, so that a very short interval does not mean a nervous relay.
    fn patience(&self) -> Duration {
        self.probe_interval.max(Duration::from_secs(1))
    }

    /// Probes until the path is dead.
    async fn prove(&self, path: &Path) {
        loop {
            if path.unless_dead(tokio::time::sleep(self.probe_interval)).await.is_none() {
                return;
            }
            let probe = path.probe(&self.no_room, self.patience());
            match path.unless_dead(probe).await {
                None => return,
                Some(Ok(())) => {}
                // It is there, and will serve again.
                Some(Err(problem @ Problem::NotServing(_))) => {
                    self.set_state(State::Unavailable(problem))
                }
                Some(Err(problem)) => return self.give_up(path, problem),
            }
        }
    }

    /// While something is refused asks whether it still is, until the path is dead.
    async fn ask_until_open(&self, path: &Path) {
        let mut states = self.state.subscribe();
        loop {
            let troubled = states.wait_for(|state| *state != State::Open);
            if path.unless_dead(troubled).await.is_none() {
                return;
            }
            if path.unless_dead(tokio::time::sleep(ASK_AGAIN)).await.is_none() {
                return;
            }
            let question = check::write_question(&self.no_room);
            let Some(reply) = path.unless_dead(path.ask(vec![question])).await else { return };
            // If it does not answer, the next probe finds out.
            if let Some([reply]) = reply.as_deref() {
                self.note(path, check::writes(reply));
            }
        }
    }

    /// Carries out changes of subscriptions until the path is dead.
    async fn keep_subscriptions(&self, path: &Path) {
        loop {
            let batch: Vec<Change> = {
                let mut changes = self.changes.lock();
                let count = changes.len().min(SUBSCRIPTION_BATCH);
                changes.drain(..count).collect()
            };
            if batch.is_empty() {
                if path.unless_dead(self.changed.notified()).await.is_none() {
                    return;
                }
                continue;
            }
            let commands = batch.iter().map(|change| match change {
                Change::Subscribe(channel) => commands::subscribe(channel),
                Change::Unsubscribe(channel) => commands::unsubscribe(channel),
            });
            if path.subscription_call(commands.collect()).await.is_none() {
                self.give_up(path, Problem::Unreachable("a subscription was not confirmed".into()));
                return;
            }
        }
    }
}

fn unanswered(count: usize) -> Vec<Reply> {
    (0..count).map(|_| Err(CommandError::Unavailable(Unavailable::Unreachable))).collect()
}
