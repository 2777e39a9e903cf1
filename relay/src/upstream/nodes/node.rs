//! One node: keeps a link to it open and proven, and knows its state.
//!
//! The one idea: a link is proven, not assumed. Both connections are opened together, and a message
//! published on the first must arrive on the second, every few seconds (`probe.rs`). If it does not,
//! both are closed and opened again. Everything in flight then ends at once, so nothing waits for a
//! lost connection. A server that has become a replica is left in the same way, but not in a
//! cluster: there it names its successor, and what is in flight goes on there. Before a link counts
//! as open, `check.rs` tests whether the server has what a relay needs. A server that refuses
//! writes, or everything for a while, stays connected: the [`State`] names the problem, and the
//! server is tested until there is none.
//!
//! A node knows neither slots nor rooms: its [`Surroundings`] do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use redis::Value;
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use crate::config::Endpoint;
use crate::metrics::METRICS;
use crate::upstream::check;
use crate::upstream::commands::Command;
use crate::upstream::dialling::dial::Dialler;
use crate::upstream::dialling::greeting::Mode;
use crate::upstream::health::{Problem, State};
use crate::upstream::link::Link;
use crate::upstream::listener::LinkListener;
use crate::upstream::nodes::attempts::Attempts;
use crate::upstream::nodes::overview::NodeId;
use crate::upstream::nodes::probe::Probe;
use crate::upstream::subscriptions::NodeNumber;

/// Subscriptions requested in one pipeline.
const SUBSCRIPTION_BATCH: usize = 500;
/// Pause between two looks for subscriptions that were not confirmed.
const OVERDUE_INTERVAL: Duration = Duration::from_secs(1);
/// Pause between two tests whether writes are accepted again.
const RECHECK_INTERVAL: Duration = Duration::from_millis(250);
/// A lasting problem is logged once in this time, not once per attempt.
const LOG_INTERVAL: Duration = Duration::from_secs(30);
/// What is in flight when a node is given up has this time to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// One node.
pub(in crate::upstream) struct Node {
    /// Its number. No other node of this process ever has the same.
    pub(in crate::upstream) number: NodeNumber,
    /// Where it is.
    pub(in crate::upstream) endpoint: Endpoint,
    /// Notified when the surroundings have commands for its subscriptions.
    pub(in crate::upstream) has_orders: Notify,
    id: RwLock<NodeId>,
    link: RwLock<Option<Arc<Link>>>,
    state: watch::Sender<State>,
    /// When the state was last open.
    open_at: Mutex<Instant>,
    attempts: Attempts,
    is_retired: watch::Sender<bool>,
    pub(in crate::upstream) probe: Probe,
    /// The room of the last probe.
    probe_room: Mutex<String>,
    surroundings: Arc<dyn Surroundings>,
}

/// Those who know the rest: slots, channels, other nodes.
pub(in crate::upstream) trait Surroundings: Send + Sync + 'static {
    /// Opens connections.
    fn dialler(&self) -> &Dialler;
    /// How often a link is probed.
    fn probe_interval(&self) -> Duration;
    /// A room that cannot exist, in a slot that this node owns: the last one, if it still is. None:
    /// the node owns no slot.
    fn probe_room(&self, node: &Node, last: &str) -> Option<String>;
    /// Whether the node may be a server that runs like this.
    fn met(&self, mode: Mode) -> Result<(), Problem>;
    /// Where the node sends what arrives without a request.
    fn pushes(self: Arc<Self>, node: &Arc<Node>) -> Arc<dyn LinkListener>;
    /// Takes commands for the subscriptions of this node, at most `most`.
    fn take_orders(&self, node: &Node, most: usize) -> Vec<Command>;
    /// An error in reply to such a command, perhaps not to the last one that was taken.
    fn order_refused(self: Arc<Self>, node: &Node, code: &str, details: &str);
    /// The node has a link now.
    fn linked(&self, node: &Node);
    /// The node has lost its link.
    fn unlinked(&self, node: &Node);
    /// The node's state has changed.
    fn changed(&self, node: &Node, state: &State);
    /// The node has answered `MOVED` with these details.
    fn moved(self: Arc<Self>, node: &Node, details: &str);
    /// The node has become a replica, by its own words. Returns whether it is left at once.
    fn demoted(&self, node: &Node) -> bool;
}

impl PartialEq for Node {
    fn eq(&self, other: &Node) -> bool {
        self.number == other.number
    }
}

impl Node {
    /// A node without a link; [`Node::run`] opens one.
    pub(in crate::upstream) fn new(
        number: NodeNumber,
        endpoint: Endpoint,
        id: NodeId,
        surroundings: Arc<dyn Surroundings>,
    ) -> Node {
        Node {
            number,
            endpoint,
            has_orders: Notify::new(),
            id: RwLock::new(id),
            link: RwLock::new(None),
            state: watch::Sender::new(State::Unavailable(Problem::Unreachable(
                "not yet tried".into(),
            ))),
            open_at: Mutex::new(Instant::now()),
            attempts: Attempts::default(),
            is_retired: watch::Sender::new(false),
            probe: Probe::default(),
            probe_room: Mutex::default(),
            surroundings,
        }
    }

    /// What the node is called.
    pub(in crate::upstream) fn id(&self) -> NodeId {
        self.id.read().clone()
    }

    /// Notes what the node is called.
    pub(in crate::upstream) fn set_id(&self, id: &NodeId) {
        if *self.id.read() != *id {
            self.id.write().clone_from(id);
        }
    }

    /// The link, if one is open and proven.
    pub(in crate::upstream) fn link(&self) -> Option<Arc<Link>> {
        self.link.read().clone()
    }

    /// Whether a link is open and proven.
    pub(in crate::upstream) fn is_linked(&self) -> bool {
        self.link.read().is_some()
    }

    /// Whether the node may have a link soon: the last attempt has not failed.
    pub(in crate::upstream) fn may_come(&self) -> bool {
        self.attempts.may_succeed()
    }

    /// Slots have come to this node.
    pub(in crate::upstream) fn slots_came(&self) {
        if !self.is_linked() {
            self.attempts.needed();
        }
    }

    /// Whether the node can be used, and if not, why.
    pub(in crate::upstream) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Whether the state is such.
    pub(in crate::upstream) fn is(&self, is_such: impl FnOnce(&State) -> bool) -> bool {
        is_such(&self.state.borrow())
    }

    /// When the node was last known to accept everything.
    pub(in crate::upstream) fn open_at(&self) -> Instant {
        match *self.state.borrow() {
            State::Open => Instant::now(),
            _ => *self.open_at.lock(),
        }
    }

    /// Notes the state that an error shows, received over this link.
    pub(in crate::upstream) fn note(&self, link: &Link, state: State) {
        if link.is_closed() {
            return;
        }
        match state {
            State::Unavailable(Problem::Replica) if !self.surroundings.demoted(self) => {}
            // These problems stay on this link: open another one.
            State::Unavailable(problem @ (Problem::Replica | Problem::Command(_))) => {
                self.give_up(link, problem);
            }
            state => {
                self.set_state(state);
            }
        }
    }

    /// Closes this link because of a problem.
    pub(in crate::upstream) fn give_up(&self, link: &Link, problem: Problem) {
        if link.close() {
            self.set_state(State::Unavailable(problem));
        }
    }

    /// Ends the node's task. What is in flight has some time to end.
    pub(in crate::upstream) fn retire(&self) {
        self.is_retired.send_replace(true);
    }

    /// Ends the node's task and what is in flight, at once.
    pub(in crate::upstream) fn abandon(&self, problem: Problem) {
        self.retire();
        if let Some(link) = self.link() {
            self.give_up(&link, problem);
        }
    }

    /// Returns whether it changed, which is logged.
    fn set_state(&self, state: State) -> bool {
        let was_open = self.is(|old| *old == State::Open);
        let changed = self.state.send_if_modified(|old| {
            let changed = *old != state;
            old.clone_from(&state);
            changed
        });
        if !changed {
            return false;
        }
        if was_open || state == State::Open {
            *self.open_at.lock() = Instant::now();
        }
        let node = &self.endpoint;
        match &state {
            State::Open => info!(source = "upstream", %node, "Redis accepts everything"),
            State::WritesRefused(problem) | State::Unavailable(problem) => {
                METRICS.upstream_problem(problem.kind());
                warn!(source = "upstream", %node, "{problem}");
            }
        }
        self.surroundings.changed(self, &state);
        true
    }

    /// Opens a link and keeps one open, until the node is retired.
    pub(in crate::upstream) async fn run(self: Arc<Self>) {
        let mut is_retired = self.is_retired.subscribe();
        let keep = self.clone().keep_open();
        tokio::select! {
            biased;
            () = async {
                let _ = is_retired.wait_for(|is_retired| *is_retired).await;
                tokio::time::sleep(FAREWELL).await;
            } => {}
            () = keep => {}
        }
        if let Some(link) = self.link.write().take() {
            link.close();
            self.surroundings.unlinked(&self);
        }
    }

    async fn keep_open(self: Arc<Self>) {
        let mut logged_at: Option<Instant> = None;
        let node = &self.endpoint;
        while !*self.is_retired.borrow() {
            match self.open().await {
                Ok((link, state)) => {
                    info!(source = "upstream", %node, "connected to Redis");
                    logged_at = None;
                    METRICS.upstream_connects.increment(1);
                    self.attempts.succeeded();
                    *self.link.write() = Some(link.clone());
                    self.surroundings.linked(&self);
                    self.set_state(state);
                    tokio::join!(
                        self.run_probes(&link),
                        self.run_subscriptions(&link),
                        self.recheck_until_open(&link)
                    );
                    *self.link.write() = None;
                    self.surroundings.unlinked(&self);
                    if self.is(State::can_read) {
                        let why = "the connection was lost".to_owned();
                        self.set_state(State::Unavailable(Problem::Unreachable(why)));
                    }
                }
                Err(problem) => {
                    self.attempts.failed(problem.lasts());
                    let state = State::Unavailable(problem.clone());
                    if self.set_state(state) {
                        logged_at = Some(Instant::now());
                    } else if logged_at.is_none_or(|at| at.elapsed() > LOG_INTERVAL) {
                        warn!(source = "upstream", %node, "{problem}");
                        logged_at = Some(Instant::now());
                    }
                }
            }
            METRICS.upstream_failures.increment(1);
            self.attempts.pause().await;
        }
    }

    /// Opens a link to a server that has what a relay needs.
    async fn open(self: &Arc<Self>) -> Result<(Arc<Link>, State), Problem> {
        let pushes = self.probe.in_front_of(self.surroundings.clone().pushes(self));
        let dialler = self.surroundings.dialler();
        let (link, greeting) = Link::open(dialler, &self.endpoint, pushes).await?;
        self.surroundings.met(greeting.mode)?;
        let room = self.probe_room().unwrap_or_default();
        let Some(replies) = link.ask(&check::questions(&room, greeting.mode)).await else {
            return Err(Problem::Unreachable("it does not answer".to_owned()));
        };
        let state = match check::read_state(&replies) {
            State::Unavailable(problem) => return Err(problem),
            state => state,
        };
        self.probe.begin(&link, &room, greeting.mode).await?;
        self.prove(&link).await?;
        Ok((Arc::new(link), state))
    }

    /// Proves that the link works.
    async fn prove(&self, link: &Link) -> Result<(), Problem> {
        // At least a second, so that a very short probe interval does not close a healthy link.
        let timeout = self.surroundings.probe_interval().max(Duration::from_secs(1));
        let moved = |details: &str| self.surroundings.clone().moved(self, details);
        let is_left = || self.surroundings.demoted(self);
        self.probe.prove(link, || self.probe_room(), moved, is_left, timeout).await
    }

    fn probe_room(&self) -> Option<String> {
        let mut room = self.probe_room.lock();
        let chosen = self.surroundings.probe_room(self, &room);
        chosen.clone().unwrap_or_default().clone_into(&mut room);
        chosen
    }

    /// Probes until the link is closed.
    async fn run_probes(&self, link: &Link) {
        loop {
            let pause = tokio::time::sleep(self.surroundings.probe_interval());
            if link.unless_closed(pause).await.is_none() {
                return;
            }
            match link.unless_closed(self.prove(link)).await {
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
            let room = self.probe_room().unwrap_or_default();
            let question = [check::write_question(&room)];
            let Some(reply) = link.unless_closed(link.ask(&question)).await else { return };
            // If it does not answer, the next probe finds out.
            if let Some([reply]) = reply.as_deref() {
                self.note(link, check::writes(reply));
            }
        }
    }

    /// Sends the orders of the surroundings until the link is closed.
    async fn run_subscriptions(&self, link: &Link) {
        loop {
            let batch = self.surroundings.take_orders(self, SUBSCRIPTION_BATCH);
            if batch.is_empty() {
                let ordered = tokio::time::timeout(OVERDUE_INTERVAL, self.has_orders.notified());
                if link.unless_closed(ordered).await.is_none() {
                    return;
                }
                continue;
            }
            let Some(replies) = link.subscription_call(&batch).await else {
                self.give_up(link, Problem::Unreachable("a subscription was not confirmed".into()));
                return;
            };
            for reply in &replies {
                if let Value::ServerError(error) = reply {
                    let details = error.details().unwrap_or("");
                    self.surroundings.clone().order_refused(self, error.code(), details);
                }
            }
        }
    }
}
