//! The upstream: calls commands at the nodes that own their rooms.
//!
//! Each command has its own outcome, because rooms may lie on different nodes. A server that stands
//! alone is one node with all rooms: then no slot is computed, and a call is one write to one link.
//!
//! `routing.rs` decides what becomes of each command, `nodes/` knows the nodes, `room_states.rs` says
//! what state a room's node is in. Nothing here knows what commands mean.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis::Value;
use tokio::sync::watch;

use crate::client::error::Error;
use crate::config::{RedisSettings, Servers};
use crate::metrics::METRICS;
use crate::upstream::commands::{Command, feed};
use crate::upstream::connection::CALL_TIMEOUT;
use crate::upstream::dialling::dial::Dialler;
use crate::upstream::health::{self, Problem, State};
use crate::upstream::link::Link;
use crate::upstream::listener::Listener;
use crate::upstream::nodes::node::Node;
use crate::upstream::nodes::nodes::{Access, Finding, Nodes};
use crate::upstream::nodes::overview::{NodeId, NodeReport, Overview};
use crate::upstream::outcome::{CommandError, Reply, Unavailable};
use crate::upstream::routing::{Call, Group, Patience, Step, Verdict, verdict};
use crate::upstream::topology::sentinel::Sentinels;

/// How long a call waits for what will soon pass: a failover for which the operator asks takes up
/// to 0.3 s, and a link to a new node less.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);
/// Pause before a command is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// The upstream, shared by the whole relay, open or not.
pub(crate) struct Upstream {
    pub(super) nodes: Arc<Nodes>,
    /// A server that denies this command serves all the same.
    dispensable: Option<&'static str>,
}

/// What came of commands that run only while a lease is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holding {
    /// They have run.
    Done,
    /// The lease was written meanwhile, perhaps by its holder: they have not run.
    Changed,
    /// The key holds something else: they have not run.
    Lost,
}

/// What came of sending commands to one node.
enum Sent {
    /// Their replies, over this link.
    Replies(Arc<Link>, Vec<Value>),
    /// Nothing was sent: there is no link.
    NoLink,
    /// No answer: the commands may have run.
    NoAnswer,
}

impl Upstream {
    /// An upstream that is not open yet; [`Upstream::run`] opens it.
    pub(crate) fn new(
        redis: &RedisSettings,
        relay: &str,
        probe_room: String,
        probe_interval: Duration,
    ) -> Upstream {
        let dialler = Arc::new(Dialler::to_redis(redis, relay));
        let finding = match &redis.servers {
            Servers::Seeds(seeds) => Finding::BySeeds(seeds.clone()),
            Servers::Sentinel { sentinels, master } => {
                let to_sentinels = Dialler::to_sentinels(redis, relay);
                let to_redis = Arc::clone(&dialler);
                Finding::BySentinels(Sentinels::new(to_sentinels, to_redis, sentinels, master))
            }
        };
        let access = Access { dialler, finding, probe_room, probe_interval };
        Upstream { nodes: Arc::new(Nodes::new(access)), dispensable: None }
    }

    /// A server on which the user may not run this command, in lower case, counts as usable: only the
    /// command itself is refused.
    pub(crate) fn without(mut self, command: &'static str) -> Upstream {
        self.dispensable = Some(command);
        self
    }

    /// Opens links and keeps them open, forever.
    pub(crate) async fn run(self: Arc<Self>, listener: Arc<dyn Listener>) {
        self.nodes.clone().run(listener).await;
    }

    // The nodes.

    /// The room has moved to another node, by an event of the room.
    pub(crate) fn moved(&self, _room: &str) {
        self.nodes.look_soon();
    }

    /// The state of all nodes.
    pub(crate) fn overview(&self) -> Arc<Overview> {
        self.nodes.overview()
    }

    /// What an operator sees of the nodes that have slots, as it is now.
    pub(crate) fn node_reports(&self) -> Vec<NodeReport> {
        self.nodes.reports()
    }

    /// A receiver of changes of [`Upstream::overview`].
    pub(crate) fn overviews(&self) -> watch::Receiver<Arc<Overview>> {
        self.nodes.overviews()
    }

    // Subscriptions.

    /// Wants a channel: asks for its subscription, and again whenever it is lost.
    /// [`Listener::subscribed`] is called each time it is confirmed.
    pub(crate) fn subscribe(&self, channel: Arc<str>) {
        self.nodes.subscribe(channel);
    }

    /// Wants a channel no more.
    pub(crate) fn unsubscribe(&self, channel: Arc<str>) {
        self.nodes.unsubscribe(channel);
    }

    // Calls.

    /// Sends commands, each to the node of its key. Returns one outcome per command, in order. A
    /// command that met a state which will soon pass is tried again for a moment. If the future is
    /// dropped, the commands may have been sent.
    pub(crate) async fn call(&self, commands: Vec<Command>) -> Vec<Reply> {
        self.route(commands, Patience::Patient).await
    }

    /// As [`Upstream::call`], for one command.
    pub(crate) fn call_one(&self, command: Command) -> impl Future<Output = Reply> {
        self.route_one(command, Patience::Patient, CALL_TIMEOUT)
    }

    /// As [`Upstream::call`], without trying again: for what has its own next try, as sends, beats
    /// and syncs have. Redirects are followed all the same, and a new node may have its link first.
    pub(crate) async fn call_at_once(&self, commands: Vec<Command>) -> Vec<Reply> {
        self.route(commands, Patience::ForNewNodes).await
    }

    /// As [`Upstream::call_at_once`], for one command.
    pub(crate) fn call_one_at_once(&self, command: Command) -> impl Future<Output = Reply> {
        self.route_one(command, Patience::ForNewNodes, CALL_TIMEOUT)
    }

    /// As [`Upstream::call_one_at_once`]. A node that takes longer than `within` counts as
    /// unreachable.
    pub(crate) fn call_one_within(
        &self,
        command: Command,
        within: Duration,
    ) -> impl Future<Output = Reply> {
        self.route_one(command, Patience::ForNewNodes, within)
    }

    /// Runs commands in one transaction, all of the slot of `lease`, if that key holds `token` and
    /// does so until they run. Nothing is tried again. If the future is dropped, they may have run.
    ///
    /// `WATCH` is a state of the connection, and all calls share it: the caller has one such call on
    /// its way at a time.
    pub(crate) async fn call_holding(
        &self,
        lease: &str,
        token: &str,
        commands: Vec<Command>,
    ) -> Result<Holding, CommandError> {
        let away = CommandError::Unavailable(Unavailable::Unreachable);
        let node = self.nodes.of_room(lease).ok_or(away.clone())?;
        let link = node.link().filter(|link| !link.is_closed()).ok_or(away.clone())?;
        // Over one and the same link: another connection would not know of the WATCH.
        let read = |value: Value| {
            let verdict = verdict(&value, &node.endpoint);
            if let Verdict::Moved { slot, to } = &verdict {
                self.nodes.learn_moved(*slot, to);
            }
            self.read(&node, &link, value)
        };
        let watched = link.ask(&[feed::watch(lease), feed::get(lease)]).await;
        let watched = watched.and_then(|values| <[Value; 2]>::try_from(values).ok());
        let Some([watched, held]) = watched else {
            self.nodes.look_elsewhere();
            return Err(away);
        };
        read(watched)?;
        match read(held)? {
            Value::BulkString(held) if held == token.as_bytes() => {}
            _ => return Ok(Holding::Lost),
        }
        let first = std::iter::once(feed::multi());
        let transaction: Vec<Command> = first.chain(commands).chain([feed::exec()]).collect();
        let Some(values) = link.ask(&transaction).await else {
            self.nodes.look_elsewhere();
            return Err(away);
        };
        let mut last = Value::Nil;
        for value in values {
            last = read(value)?;
        }
        match last {
            Value::Nil => Ok(Holding::Changed),
            Value::Array(replies) => {
                replies.into_iter().try_for_each(|reply| read(reply).map(drop))?;
                Ok(Holding::Done)
            }
            _ => Ok(Holding::Changed),
        }
    }

    /// Sends a command without a key to every node that owns slots. `make` makes it for each;
    /// `None`: this node is not asked.
    pub(crate) async fn call_every_node(
        &self,
        make: impl Fn(&NodeId) -> Option<Command>,
    ) -> Vec<(NodeId, Reply)> {
        let asked = self.nodes.owners().into_iter().filter_map(|node| {
            let (id, command) = (node.id(), make(&node.id())?);
            Some(async move {
                let mut call = Call::new(vec![command]);
                let group = call.undivided(node.clone());
                let begun = Instant::now();
                self.attempt(&mut call, vec![group]).await;
                let at = |_: &Command| Some(node.clone());
                (id, only(self.route_rest(call, begun, Patience::Patient, at).await))
            })
        });
        join_all(asked).await
    }

    /// The usual call has one node and is answered at the first attempt; the rest is apart, so that
    /// it costs that one nothing.
    async fn route(&self, commands: Vec<Command>, patience: Patience) -> Vec<Reply> {
        let begun = Instant::now();
        let Some(node) = self.nodes.of_all(&commands) else {
            return Box::pin(self.route_apart(Call::new(commands), begun, patience)).await;
        };
        let sent = send(&node, &commands).await;
        if let Sent::Replies(link, values) = sent {
            let is_final = |value| verdict(value, &node.endpoint) == Verdict::Final;
            if values.iter().all(is_final) {
                return values.into_iter().map(|value| self.read(&node, &link, value)).collect();
            }
            return Box::pin(async {
                let mut call = Call::new(commands);
                let group = call.undivided(node);
                self.note(&mut call, group, Sent::Replies(link, values));
                self.route_rest(call, begun, patience, |each| self.nodes.of_command(each)).await
            })
            .await;
        }
        let mut call = Call::new(commands);
        let group = call.undivided(node);
        self.note(&mut call, group, sent);
        Box::pin(self.route_rest(call, begun, patience, |each| self.nodes.of_command(each))).await
    }

    /// As [`Upstream::route`], for one command.
    async fn route_one(&self, command: Command, patience: Patience, within: Duration) -> Reply {
        let begun = Instant::now();
        let Some(node) = self.nodes.of_all(std::slice::from_ref(&command)) else {
            let call = Call::new(vec![command]);
            return only(Box::pin(self.route_apart(call, begun, patience)).await);
        };
        let sent = match node.link().filter(|link| !link.is_closed()) {
            None => Sent::NoLink,
            Some(link) => {
                let value = link.ask_one(&command, (begun + within).into()).await;
                METRICS.command_seconds.record(begun.elapsed());
                match value {
                    Some(value) if verdict(&value, &node.endpoint) == Verdict::Final => {
                        return self.read(&node, &link, value);
                    }
                    Some(value) => Sent::Replies(link, vec![value]),
                    None => Sent::NoAnswer,
                }
            }
        };
        Box::pin(async {
            let mut call = Call::new(vec![command]);
            let group = call.undivided(node);
            self.note(&mut call, group, sent);
            let node_of = |command: &Command| self.nodes.of_command(command);
            only(self.route_rest(call, begun, patience, node_of).await)
        })
        .await
    }

    /// Routes a call of which some commands have no final outcome.
    async fn route_rest(
        &self,
        mut call: Call<Arc<Node>>,
        begun: Instant,
        patience: Patience,
        node_of: impl Fn(&Command) -> Option<Arc<Node>>,
    ) -> Vec<Reply> {
        let mut pause = RETRY_PAUSE;
        loop {
            let patience = if begun.elapsed() < PATIENCE { patience } else { Patience::Over };
            match call.next(patience) {
                Step::Finish => return call.into_outcomes(),
                Step::Again => {}
                Step::Later => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PATIENCE / 5);
                }
            }
            let groups = call.divide(&node_of);
            self.attempt(&mut call, groups).await;
        }
    }

    async fn route_apart(
        &self,
        mut call: Call<Arc<Node>>,
        begun: Instant,
        patience: Patience,
    ) -> Vec<Reply> {
        let node_of = |command: &Command| self.nodes.of_command(command);
        let groups = call.divide(node_of);
        self.attempt(&mut call, groups).await;
        self.route_rest(call, begun, patience, node_of).await
    }

    /// Sends what has no final outcome, to all its nodes at the same time.
    async fn attempt(&self, call: &mut Call<Arc<Node>>, groups: Vec<Group<Arc<Node>>>) {
        let asked = groups.iter().map(|group| {
            let commands: Vec<Command> = call.to_send(group).cloned().collect();
            async move { send(&group.node, &commands).await }
        });
        let sent = join_all(asked).await;
        for (group, sent) in groups.into_iter().zip(sent) {
            self.note(call, group, sent);
        }
    }

    fn note(&self, call: &mut Call<Arc<Node>>, group: Group<Arc<Node>>, sent: Sent) {
        let node = group.node.clone();
        match sent {
            Sent::Replies(link, values) => {
                let redirected =
                    |verdict: &Verdict, command: &Command| self.follow(verdict, command);
                let read = |value| self.read(&node, &link, value);
                let may_pass = node.open_at().elapsed() < PATIENCE;
                call.note(group, &node.endpoint, may_pass, values, redirected, read);
            }
            Sent::NoLink => call.note_away(group, may_come(&node)),
            Sent::NoAnswer => {
                // A node that is frozen or cut off may have lost its slots.
                self.nodes.look_elsewhere();
                call.note_unanswered(group, may_come(&node));
            }
        }
    }

    /// Learns from a redirect of this command. Returns the node to ask.
    fn follow(&self, verdict: &Verdict, command: &Command) -> Option<Arc<Node>> {
        match verdict {
            Verdict::Moved { slot, to } => {
                METRICS.redirected("moved");
                self.nodes.learn_moved(*slot, to);
                None
            }
            Verdict::Ask { to } => {
                METRICS.redirected("ask");
                let node = self.nodes.at(to)?;
                if let Some(Ok(room)) = command.key().map(std::str::from_utf8) {
                    self.nodes.follow_room(room, &node);
                }
                Some(node)
            }
            Verdict::Final | Verdict::NotNow => None,
        }
    }

    /// The outcome that a reply is. What it says of the node is noted there.
    fn read(&self, node: &Node, link: &Link, value: Value) -> Reply {
        let Value::ServerError(error) = value else { return Ok(value) };
        let (code, details) = (error.code(), error.details().unwrap_or(""));
        let denied = health::denied_command(details);
        if denied.is_some() && denied == self.dispensable {
            return Err(CommandError::Refused(Error::from_reply(code, details)));
        }
        if let Some(state) = State::from_error(code, details) {
            node.note(link, state);
        }
        if matches!(code, "CLUSTERDOWN" | "MASTERDOWN" | "READONLY") {
            self.nodes.look_soon();
        }
        Err(match Unavailable::from_code(code) {
            Some(away) => CommandError::Unavailable(away),
            None if denied.is_some() => CommandError::Unavailable(Unavailable::NotServing),
            None => CommandError::Refused(Error::from_reply(code, details)),
        })
    }
}

/// Whether this node may have a link soon, or a successor: one that has become a replica was
/// replaced as planned, and the map hears of it soon.
pub(super) fn may_come(node: &Node) -> bool {
    let is_replaced = node.is(|state| *state == State::Unavailable(Problem::Replica));
    node.may_come() || is_replaced && node.open_at().elapsed() < PATIENCE
}

/// Sends commands to this node in one write.
async fn send(node: &Node, commands: &[Command]) -> Sent {
    // On a link that is closed already nothing is sent: it is certain that nothing ran.
    let Some(link) = node.link().filter(|link| !link.is_closed()) else { return Sent::NoLink };
    let begun = Instant::now();
    let values = link.ask(commands).await;
    METRICS.command_seconds.record(begun.elapsed());
    match values {
        Some(values) => Sent::Replies(link, values),
        // The link may only be slow. If it is broken, the next probe finds out.
        None => Sent::NoAnswer,
    }
}

fn only(mut replies: Vec<Reply>) -> Reply {
    replies.pop().unwrap_or(Err(CommandError::Unavailable(Unavailable::Unreachable)))
}
