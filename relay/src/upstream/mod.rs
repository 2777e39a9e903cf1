//! The Redis side of the relay: one connection for commands, one for subscriptions.
//!
//! The one idea: the path is proven, not assumed. Both connections are opened together, a signal
//! published on the first must come back on the second, and again every few seconds; if it does
//! not, or if the server turns out to be a replica, both are closed and opened anew. Everything
//! in flight then ends at once with [`Away`], so nobody waits for a connection that is gone.
//!
//! The redis client's own resubscription is not used: in a trial it left many rooms deaf after a
//! lost node. The hub keeps the list of wanted rooms; each subscription is confirmed by name.
//!
//! This file knows one standalone server; it does not know what commands mean.

mod reply;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::Rng;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, PushInfo, PushKind, Value};
use tokio::sync::{Notify, watch};
use tracing::{debug, info, warn};

use crate::failure::Failure;
use crate::figures::FIGURES;

pub use reply::{Away, Failed, Reply, all_away};

/// Longest wait for the replies of one pipeline.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for a TCP connection and its greeting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause before the first attempt to come back, and the longest one.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_MOST: Duration = Duration::from_secs(2);
/// Subscriptions asked for in one pipeline.
const SUBSCRIPTION_BATCH: usize = 500;

/// What comes from Redis unasked. Called on the connection's own task: it waits for nothing but
/// work in memory, and reading goes no faster than this.
pub trait Listener: Send + Sync + 'static {
    /// A message on a subscribed channel.
    fn message(&self, channel: &str, payload: Vec<u8>);
    /// The subscription to this channel is in force.
    fn subscribed(&self, channel: &str);
    /// The subscription to this channel has ended.
    fn unsubscribed(&self, channel: &str);
    /// The path is open anew: no channel is subscribed, anything may have happened.
    fn opened(&self);
}

/// The two connections while they are believed to work.
struct Path {
    commands: MultiplexedConnection,
    subscriptions: MultiplexedConnection,
    /// Turns true when this path is given up.
    dead: watch::Sender<bool>,
    /// Counts probes that came back.
    returned: watch::Receiver<u64>,
}

/// The upstream: shared by all, open or not.
pub struct Upstream {
    client: Client,
    probe_room: String,
    probe_interval: Duration,
    path: watch::Sender<Option<Arc<Path>>>,
    changes: Mutex<Vec<Change>>,
    changed: Notify,
}

enum Change {
    Subscribe(Arc<str>),
    Unsubscribe(Arc<str>),
}

impl Upstream {
    /// An upstream that is not open yet; [`Upstream::run`] opens it.
    pub fn new(
        redis: &redis::ConnectionInfo,
        probe_room: String,
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
            probe_room,
            probe_interval,
            path: watch::Sender::new(None),
            changes: Mutex::new(Vec::new()),
            changed: Notify::new(),
        })
    }

    /// Whether the path is open and proven.
    pub fn is_up(&self) -> bool {
        self.path.borrow().is_some()
    }

    /// Returns once the path is open.
    pub async fn wait_up(&self) {
        let mut path = self.path.subscribe();
        // The sender lives in `self`: waiting cannot fail.
        let _ = path.wait_for(Option::is_some).await;
    }

    /// Sends commands in one write; the outcome of each in the same order, one for each. A reply that
    /// shows that the server was demoted gives the path up. Dropping the future may leave the
    /// commands sent.
    pub async fn call(&self, commands: Vec<Cmd>) -> Vec<Reply> {
        let count = commands.len();
        let Some(path) = self.path.borrow().clone() else { return unanswered(count) };
        let mut pipeline = Pipeline::with_capacity(count);
        for command in commands {
            pipeline.add_command(command);
        }
        let mut connection = path.commands.clone();
        let begun = Instant::now();
        let sent = connection.send_packed_commands(&pipeline, 0, count);
        let values = path.unless_dead(tokio::time::timeout(COMMAND_TIMEOUT, sent)).await;
        FIGURES.command_seconds.record(begun.elapsed());
        match values {
            Some(Ok(Ok(values))) if values.len() == count => {
                return values.into_iter().map(|value| self.reply(&path, value)).collect();
            }
            Some(Ok(Ok(_))) => self.give_up(&path, "replies out of step"),
            Some(Ok(Err(error))) => self.give_up(&path, &error.to_string()),
            // The path may only be slow. If it is dead, the next probe finds out.
            Some(Err(_)) | None => {}
        }
        unanswered(count)
    }

    /// One command.
    pub async fn call_one(&self, command: Cmd) -> Reply {
        let mut replies = self.call(vec![command]).await;
        replies.pop().unwrap_or(Err(Failed::Away(Away::Unreachable)))
    }

    fn reply(&self, path: &Path, value: Value) -> Reply {
        let Value::ServerError(error) = value else { return Ok(value) };
        let code = error.code();
        if code == "READONLY" {
            self.give_up(path, "the server is a replica now");
        }
        Err(match Away::from_code(code) {
            Some(away) => Failed::Away(away),
            None => Failed::Refused(Failure::from_reply(code, error.details().unwrap_or(""))),
        })
    }

    fn give_up(&self, path: &Path, why: &str) {
        if !path.dead.send_replace(true) {
            warn!(source = "upstream", why, "giving up the path to Redis");
        }
    }

    /// Asks for a subscription; [`Listener::subscribed`] tells when it is in force. Lost with the
    /// path: after [`Listener::opened`] it must be asked for again.
    pub fn subscribe(&self, channel: Arc<str>) {
        self.changes.lock().push(Change::Subscribe(channel));
        self.changed.notify_one();
    }

    /// Ends a subscription.
    pub fn unsubscribe(&self, channel: Arc<str>) {
        self.changes.lock().push(Change::Unsubscribe(channel));
        self.changed.notify_one();
    }

    /// Opens the path and keeps it open, for ever.
    pub async fn run(self: Arc<Self>, listener: Arc<dyn Listener>) {
        let mut backoff = BACKOFF_FIRST;
        let mut told: Option<Instant> = None;
        loop {
            match self.open(&listener).await {
                Ok(path) => {
                    info!(source = "upstream", "Redis is there");
                    (backoff, told) = (BACKOFF_FIRST, None);
                    FIGURES.upstream_connects.increment(1);
                    FIGURES.upstream_up.set(1.0);
                    self.changes.lock().clear();
                    self.path.send_replace(Some(path.clone()));
                    listener.opened();
                    tokio::join!(self.prove(&path), self.keep_subscriptions(&path));
                    warn!(source = "upstream", "the path to Redis is lost");
                    FIGURES.upstream_up.set(0.0);
                    self.path.send_replace(None);
                }
                Err(error) => {
                    // One line when it begins and one now and then, not one per attempt.
                    if told.is_none_or(|at| at.elapsed() > Duration::from_secs(30)) {
                        warn!(source = "upstream", error, "Redis cannot be reached");
                        told = Some(Instant::now());
                    }
                }
            }
            FIGURES.upstream_failures.increment(1);
            let pause = rand::rng().random_range(backoff / 2..=backoff);
            tokio::time::sleep(pause).await;
            backoff = (backoff * 2).min(BACKOFF_MOST);
        }
    }

    async fn open(&self, listener: &Arc<dyn Listener>) -> Result<Arc<Path>, String> {
        let (dead, _) = watch::channel(false);
        let (probe_back, returned) = watch::channel(0);
        let plain = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(1024);
        let on_command_push = {
            let dead = dead.clone();
            move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    dead.send_replace(true);
                }
                Ok::<(), ()>(())
            }
        };
        let on_push = {
            let (dead, listener) = (dead.clone(), listener.clone());
            let probe_room = self.probe_room.clone();
            move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    dead.send_replace(true);
                } else if !*dead.borrow() {
                    pass_on(push, &*listener, &probe_room, &probe_back);
                }
                Ok::<(), ()>(())
            }
        };
        let connect = async |config| {
            let connection = self.client.get_multiplexed_async_connection_with_config(config);
            connection.await.map_err(|error| error.to_string())
        };
        let for_commands = plain.clone().set_push_sender(on_command_push);
        let commands = connect(&for_commands).await?;
        let for_subscriptions = plain.set_push_sender(on_push);
        let subscriptions = connect(&for_subscriptions).await?;
        let path = Arc::new(Path { commands, subscriptions, dead, returned });
        let subscribe = vec![subscription("SSUBSCRIBE", &self.probe_room)];
        path.subscription_call(subscribe).await.ok_or("the subscription was not confirmed")?;
        self.probe(&path).await?;
        Ok(path)
    }

    /// Probes until the path is dead.
    async fn prove(&self, path: &Path) {
        loop {
            if path.unless_dead(tokio::time::sleep(self.probe_interval)).await.is_none() {
                return;
            }
            let Some(outcome) = path.unless_dead(self.probe(path)).await else { return };
            if let Err(why) = outcome {
                self.give_up(path, &why);
                return;
            }
        }
    }

    /// One signal to a room of the relay's own, there and back. The room does not exist: the
    /// signal creates nothing.
    async fn probe(&self, path: &Path) -> Result<(), String> {
        let begun = Instant::now();
        let mut returned = path.returned.clone();
        returned.mark_unchanged();
        let mut signal = redis::cmd("CHAT.SIGNAL");
        signal.arg(&self.probe_room).arg("*").arg("probe");
        let mut commands = path.commands.clone();
        let there_and_back = async {
            match commands.send_packed_command(&signal).await {
                Ok(Value::ServerError(error)) => {
                    return Err(format!("{} {}", error.code(), error.details().unwrap_or("")));
                }
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
            returned.changed().await.map_err(|_| "the subscription is gone".to_owned())
        };
        // At least a second, so that a very short interval does not mean a nervous relay.
        let patience = self.probe_interval.max(Duration::from_secs(1));
        match tokio::time::timeout(patience, there_and_back).await {
            Ok(outcome) => outcome?,
            Err(_) => return Err("a signal did not come back in time".to_owned()),
        }
        FIGURES.probe_seconds.record(begun.elapsed());
        Ok(())
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
                Change::Subscribe(channel) => subscription("SSUBSCRIBE", channel),
                Change::Unsubscribe(channel) => subscription("SUNSUBSCRIBE", channel),
            });
            if path.subscription_call(commands.collect()).await.is_none() {
                self.give_up(path, "a subscription was not confirmed");
                return;
            }
        }
    }
}

impl Path {
    /// The outcome of `work`, or None as soon as this path is given up.
    async fn unless_dead<F: Future>(&self, work: F) -> Option<F::Output> {
        let mut dead = self.dead.subscribe();
        tokio::select! {
            biased;
            _ = dead.wait_for(|dead| *dead) => None,
            output = work => Some(output),
        }
    }

    /// Sends subscription commands and awaits the confirmations; None: they did not come.
    async fn subscription_call(&self, commands: Vec<Cmd>) -> Option<()> {
        let count = commands.len();
        let mut pipeline = Pipeline::with_capacity(count);
        for command in commands {
            pipeline.add_command(command);
        }
        let mut connection = self.subscriptions.clone();
        let sent = connection.send_packed_commands(&pipeline, 0, count);
        let values = self.unless_dead(tokio::time::timeout(COMMAND_TIMEOUT, sent)).await?;
        for value in values.ok()?.ok()? {
            if let Value::ServerError(error) = value {
                // The room stays unconfirmed and is asked for again later.
                warn!(source = "upstream", code = error.code(), "a subscription was refused");
            }
        }
        Some(())
    }
}

fn unanswered(count: usize) -> Vec<Reply> {
    (0..count).map(|_| Err(Failed::Away(Away::Unreachable))).collect()
}

fn subscription(command: &str, channel: &str) -> Cmd {
    let mut command = redis::cmd(command);
    command.arg(channel);
    command
}

fn pass_on(
    push: PushInfo,
    listener: &dyn Listener,
    probe_room: &str,
    probe_back: &watch::Sender<u64>,
) {
    let mut data = push.data.into_iter();
    let Some(Value::BulkString(channel)) = data.next() else { return };
    let Ok(channel) = std::str::from_utf8(&channel) else { return };
    if channel == probe_room {
        if push.kind == PushKind::SMessage {
            probe_back.send_modify(|count| *count += 1);
        }
        return;
    }
    match push.kind {
        PushKind::SMessage => {
            if let Some(Value::BulkString(payload)) = data.next() {
                listener.message(channel, payload);
            }
        }
        PushKind::SSubscribe => listener.subscribed(channel),
        PushKind::SUnsubscribe => listener.unsubscribed(channel),
        kind => debug!(source = "upstream", ?kind, "an unexpected push"),
    }
}
