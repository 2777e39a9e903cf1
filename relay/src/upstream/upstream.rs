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
//! subscription after a lost node. The upstream keeps the list of wanted channels and asks again for
//! every one that is lost or not confirmed.
//!
//! Users of the upstream ask for the state of the room that they mean, and each command has its own
//! outcome, because rooms may lie on different nodes. This file knows one standalone server, which
//! has all rooms. It does not know what commands mean.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::Rng;
use redis::Value;
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use crate::client::error::Error;
use crate::config::{Endpoint, RedisSettings, Servers};
use crate::metrics::METRICS;
use crate::upstream::check;
use crate::upstream::commands::{self, Command};
use crate::upstream::dial::Dialler;
use crate::upstream::health::{self, Problem, State};
use crate::upstream::link::Link;
use crate::upstream::listener::{LinkListener, Listener};
use crate::upstream::outcome::{CommandError, Reply, Unavailable};
use crate::upstream::overview::{NodeId, NodeOverview, Overview, SLOTS};

/// The first and the longest pause before a connection attempt.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// Subscriptions requested in one pipeline.
const SUBSCRIPTION_BATCH: usize = 500;
/// Subscriptions that are not confirmed within this time are requested again.
const CONFIRM_WITHIN: Duration = Duration::from_secs(3);
/// Pause between two tests whether writes are accepted again.
const RECHECK_INTERVAL: Duration = Duration::from_millis(250);
/// A lasting problem is logged once in this time, not once per attempt.
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// The upstream, shared by the whole relay, open or not.
pub(crate) struct Upstream {
    dialler: Dialler,
    server: Endpoint,
    /// A room that cannot exist. Also the channel of the probe.
    probe_room: String,
    probe_interval: Duration,
    link: watch::Sender<Option<Arc<Link>>>,
    overview: watch::Sender<Arc<Overview>>,
    listener: OnceLock<Arc<dyn Listener>>,
    /// The wanted channels, and since when their subscriptions are requested. `None`: confirmed.
    wanted: Mutex<HashMap<Arc<str>, Option<Instant>>>,
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
        redis: &RedisSettings,
        relay: &str,
        probe_room: String,
        probe_interval: Duration,
    ) -> Result<Upstream, &'static str> {
        let server = match &redis.servers {
            Servers::Seeds(seeds) if seeds.len() == 1 => seeds[0].clone(),
            Servers::Seeds(_) => return Err("a cluster is not supported yet"),
            Servers::Sentinel { .. } => return Err("Sentinel is not supported yet"),
        };
        Ok(Upstream {
            dialler: Dialler::to_redis(redis, relay),
            server,
            probe_room,
            probe_interval,
            link: watch::Sender::new(None),
            overview: watch::Sender::new(overview_of(State::Unavailable(Problem::Unreachable(
                "not yet tried".into(),
            )))),
            listener: OnceLock::new(),
            wanted: Mutex::default(),
            changes: Mutex::new(Vec::new()),
            changed: Notify::new(),
        })
    }

    /// Whether the room's node is connected and proven. It may still refuse some commands.
    pub(crate) fn is_up(&self, _room: &str) -> bool {
        self.link.borrow().is_some()
    }

    /// Returns once the room's node is connected and proven.
    pub(crate) async fn wait_up(&self, _room: &str) {
        let mut link = self.link.subscribe();
        // The sender lives in `self`: waiting cannot fail.
        let _ = link.wait_for(Option::is_some).await;
    }

    /// Whether the room's node can be used, and if not, why.
    pub(crate) fn state_of(&self, _room: &str) -> State {
        self.state()
    }

    /// Whether the room's node accepts writes, as far as is known.
    pub(crate) fn is_open(&self, _room: &str) -> bool {
        state_in(&self.overview.borrow()) == State::Open
    }

    /// Returns once the room's node accepts writes.
    pub(crate) async fn wait_open(&self, room: &str) {
        self.wait_for(room, |state| *state == State::Open).await;
    }

    /// Returns once the room's node can be read.
    pub(crate) async fn wait_readable(&self, room: &str) {
        self.wait_for(room, State::can_read).await;
    }

    /// Returns once the state of the room's node is such.
    pub(crate) async fn wait_for(&self, _room: &str, is_such: impl Fn(&State) -> bool) {
        let mut overviews = self.overview.subscribe();
        let _ = overviews.wait_for(|overview| is_such(&state_in(overview))).await;
    }

    /// Returns once something holds that depends on the state of nodes.
    pub(crate) async fn wait_until(&self, holds: impl Fn(&Upstream) -> bool) {
        let mut overviews = self.overviews();
        loop {
            overviews.borrow_and_update();
            if holds(self) || overviews.changed().await.is_err() {
                return;
            }
        }
    }

    /// The node that has the room's slot. `None`: no node is known to.
    pub(crate) fn owner(&self, _room: &str) -> Option<NodeId> {
        self.overview().nodes.first().map(|node| node.id.clone())
    }

    /// The room has moved to another node, by an event of the room.
    pub(crate) fn moved(&self, _room: &str) {}

    /// The state of all nodes.
    pub(crate) fn overview(&self) -> Arc<Overview> {
        self.overview.borrow().clone()
    }

    /// A receiver of changes of [`Upstream::overview`].
    pub(crate) fn overviews(&self) -> watch::Receiver<Arc<Overview>> {
        self.overview.subscribe()
    }

    fn state(&self) -> State {
        state_in(&self.overview())
    }

    /// Sends commands, each to the node of its key. Returns one outcome per command, in order. A
    /// command that met a state which will soon pass is tried again for a moment. If the future is
    /// dropped, the commands may have been sent.
    pub(crate) async fn call(&self, commands: Vec<Command>) -> Vec<Reply> {
        self.call_at_once(commands).await
    }

    /// As [`Upstream::call`], for one command.
    pub(crate) async fn call_one(&self, command: Command) -> Reply {
        only(self.call(vec![command]).await)
    }

    /// As [`Upstream::call_at_once`], for one command.
    pub(crate) async fn call_one_at_once(&self, command: Command) -> Reply {
        only(self.call_at_once(vec![command]).await)
    }

    /// Sends a command without a key to every node. `make` makes it for each; `None`: this node is
    /// not asked.
    #[allow(dead_code, reason = "lists over all nodes use it")]
    pub(crate) async fn call_every_node(
        &self,
        make: impl Fn(&NodeId) -> Option<Command>,
    ) -> Vec<(NodeId, Reply)> {
        let nodes = self.overview().nodes.iter().map(|node| node.id.clone()).collect::<Vec<_>>();
        let asked = nodes.into_iter().filter_map(|node| make(&node).map(|command| (node, command)));
        let (nodes, commands): (Vec<_>, Vec<_>) = asked.unzip();
        nodes.into_iter().zip(self.call(commands).await).collect()
    }

    /// As [`Upstream::call`], without trying again: for what has its own next try, as sends, beats
    /// and syncs have. A reply which shows that the server was demoted closes the link.
    pub(crate) async fn call_at_once(&self, commands: Vec<Command>) -> Vec<Reply> {
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
        let changed = self.overview.send_if_modified(|old| {
            let changed = state_in(old) != state;
            if changed {
                *old = overview_of(state.clone());
            }
            changed
        });
        if !changed {
            return false;
        }
        METRICS.upstream_writes.set(f64::from(u8::from(state == State::Open)));
        match &state {
            State::Open => {
                info!(source = "upstream", "Redis accepts everything");
                if let (Some(listener), Some(node)) = (self.listener.get(), self.owner("")) {
                    listener.opened(&node);
                }
            }
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

    /// Wants a channel: asks for its subscription, and again whenever it is lost.
    /// [`Listener::subscribed`] is called each time it is confirmed.
    pub(crate) fn subscribe(&self, channel: Arc<str>) {
        self.wanted.lock().insert(channel.clone(), Some(Instant::now()));
        self.change(Change::Subscribe(channel));
    }

    /// Wants a channel no more.
    pub(crate) fn unsubscribe(&self, channel: Arc<str>) {
        self.wanted.lock().remove(&channel);
        self.change(Change::Unsubscribe(channel));
    }

    fn change(&self, change: Change) {
        self.changes.lock().push(change);
        self.changed.notify_one();
    }

    /// Asks for all wanted channels: a link is new.
    fn subscribe_all(&self, listener: &Arc<dyn Listener>) {
        let now = Instant::now();
        let mut wanted = self.wanted.lock();
        wanted.values_mut().for_each(|requested| *requested = Some(now));
        let channels: Vec<Arc<str>> = wanted.keys().cloned().collect();
        *self.changes.lock() = channels.iter().cloned().map(Change::Subscribe).collect();
        drop(wanted);
        self.changed.notify_one();
        listener.lost(&channels);
    }

    /// Asks again for the channels that were not confirmed in time.
    fn subscribe_overdue(&self) {
        let now = Instant::now();
        let mut overdue = Vec::new();
        for (channel, requested) in self.wanted.lock().iter_mut() {
            if requested.is_some_and(|at| now.saturating_duration_since(at) > CONFIRM_WITHIN) {
                *requested = Some(now);
                overdue.push(Change::Subscribe(channel.clone()));
            }
        }
        self.changes.lock().extend(overdue);
    }

    /// Opens a link and keeps one open, forever.
    pub(crate) async fn run(self: Arc<Self>, listener: Arc<dyn Listener>) {
        let _ = self.listener.set(listener.clone());
        let pushes: Arc<dyn LinkListener> =
            Arc::new(Pushes { upstream: self.clone(), listener: listener.clone() });
        let mut backoff = BACKOFF_FIRST;
        let mut logged_at: Option<Instant> = None;
        loop {
            match self.open(&pushes).await {
                Ok((link, state)) => {
                    info!(source = "upstream", "connected to Redis");
                    (backoff, logged_at) = (BACKOFF_FIRST, None);
                    METRICS.upstream_connects.increment(1);
                    METRICS.upstream_up.set(1.0);
                    self.link.send_replace(Some(link.clone()));
                    self.subscribe_all(&listener);
                    self.set_state(state);
                    tokio::join!(
                        self.run_probes(&link),
                        self.run_subscriptions(&link),
                        self.recheck_until_open(&link)
                    );
                    METRICS.upstream_up.set(0.0);
                    self.link.send_replace(None);
                    if self.state().can_read() {
                        let why = "the connection was lost".to_owned();
                        self.set_state(State::Unavailable(Problem::Unreachable(why)));
                    }
                }
                Err(problem) => {
                    if problem.lasts() {
                        backoff = BACKOFF_MAX;
                    }
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
    async fn open(&self, listener: &Arc<dyn LinkListener>) -> Result<(Arc<Link>, State), Problem> {
        let link = Link::open(&self.dialler, &self.server, &self.probe_room, listener).await?;
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
        loop {
            let not_open = self.wait_for("", |state| *state != State::Open);
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
                let changed = tokio::time::timeout(CONFIRM_WITHIN / 3, self.changed.notified());
                if link.unless_closed(changed).await.is_none() {
                    return;
                }
                self.subscribe_overdue();
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

/// What arrives on a link.
struct Pushes {
    upstream: Arc<Upstream>,
    listener: Arc<dyn Listener>,
}

impl LinkListener for Pushes {
    fn message(&self, channel: &str, payload: Vec<u8>) {
        self.listener.message(channel, payload);
    }

    fn subscribed(&self, channel: &str) {
        let mut wanted = self.upstream.wanted.lock();
        let Some(requested) = wanted.get_mut(channel) else { return };
        *requested = None;
        drop(wanted);
        self.listener.subscribed(channel);
    }

    fn unsubscribed(&self, channel: &str) {
        // Either we ended the subscription, or the server did because the slot has moved.
        let mut wanted = self.upstream.wanted.lock();
        let Some((channel, _)) = wanted.get_key_value(channel) else { return };
        let channel = channel.clone();
        wanted.insert(channel.clone(), Some(Instant::now()));
        drop(wanted);
        self.listener.lost(std::slice::from_ref(&channel));
        self.upstream.change(Change::Subscribe(channel));
    }

    fn profile_update(&self, payload: Vec<u8>) {
        self.listener.profile_update(payload);
    }
}

/// The overview of one server in this state.
fn overview_of(state: State) -> Arc<Overview> {
    Arc::new(Overview { nodes: vec![NodeOverview { id: NodeId::new(""), slots: SLOTS, state }] })
}

/// The state of the one server.
fn state_in(overview: &Overview) -> State {
    let state = overview.nodes.first().map(|node| node.state.clone());
    state.unwrap_or_else(|| State::Unavailable(Problem::Unreachable("no node".to_owned())))
}

fn only(mut replies: Vec<Reply>) -> Reply {
    replies.pop().unwrap_or(Err(CommandError::Unavailable(Unavailable::Unreachable)))
}

fn unanswered(count: usize) -> Vec<Reply> {
    (0..count).map(|_| Err(CommandError::Unavailable(Unavailable::Unreachable))).collect()
}
