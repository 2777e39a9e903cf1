//! One link to Redis: a connection for commands and one for subscriptions, opened and closed
//! together.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, ProtocolVersion, PushInfo, PushKind, Value};
use tokio::sync::watch;
use tracing::{debug, warn};

use crate::config::Endpoint;
use crate::metrics::METRICS;
use crate::upstream::check;
use crate::upstream::commands::{self, Command};
use crate::upstream::dial::Dialler;
use crate::upstream::health::{Problem, State, denied_command};
use crate::upstream::listener::LinkListener;
use crate::upstream::stream::Stream;

/// The channel on which relays publish changed profiles to each other. No room can have this name.
pub(crate) const PROFILE_CHANNEL: &str = "@*profiles";

/// Longest wait for the replies of one pipeline.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// The pair of connections.
pub(super) struct Link {
    commands: MultiplexedConnection,
    subscriptions: MultiplexedConnection,
    /// Becomes true when this link is closed.
    closed: watch::Sender<bool>,
    /// Counts probes that have returned.
    returned: watch::Receiver<u64>,
}

impl Link {
    /// Opens both connections and subscribes to the channels of the probe and of all relays.
    pub(super) async fn open(
        dialler: &Dialler,
        server: &Endpoint,
        probe_channel: &str,
        listener: &Arc<dyn LinkListener>,
    ) -> Result<Link, Problem> {
        let (closed, _) = watch::channel(false);
        let (probe_back, returned) = watch::channel(0);
        let plain =
            AsyncConnectionConfig::new().set_response_timeout(None).set_pipeline_buffer_size(1024);
        let on_command_push = {
            let closed = closed.clone();
            move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    closed.send_replace(true);
                }
                Ok::<(), ()>(())
            }
        };
        let on_push = {
            let (closed, listener) = (closed.clone(), listener.clone());
            let probe_channel = probe_channel.to_owned();
            move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    closed.send_replace(true);
                } else if !*closed.borrow() {
                    pass_on(push, &*listener, &probe_channel, &probe_back);
                }
                Ok::<(), ()>(())
            }
        };
        let connect = async |config| {
            let (stream, greeting) = dialler.dial(server).await?;
            match greeting.refusal() {
                Some(problem) => Err(problem),
                None => connection(stream, config).await,
            }
        };
        let commands = connect(plain.clone().set_push_sender(on_command_push)).await?;
        let subscriptions = connect(plain.set_push_sender(on_push)).await?;
        let link = Link { commands, subscriptions, closed, returned };
        // Ending a subscription that does not exist changes nothing, and tests the permission.
        // Valkey 8.0 refuses it (NOSUB) before the first subscription.
        let ours = [
            commands::subscribe(PROFILE_CHANNEL),
            commands::unsubscribe(probe_channel),
            commands::subscribe(probe_channel),
        ];
        let replies = link
            .subscription_call(ours.into())
            .await
            .ok_or_else(|| Problem::Unreachable("the subscription was not confirmed".to_owned()))?;
        match replies.iter().find_map(|reply| refused_subscription(reply, probe_channel)) {
            None => Ok(link),
            Some(problem) => Err(problem),
        }
    }

    /// Checks whether the server has what a relay needs, and whether it accepts writes.
    pub(super) async fn check(&self, probe_room: &str) -> Result<State, Problem> {
        let Some(replies) = self.ask(check::questions(probe_room)).await else {
            return Err(Problem::Unreachable("it does not answer".to_owned()));
        };
        match check::read_state(&replies) {
            State::Unavailable(problem) => Err(problem),
            state => Ok(state),
        }
    }

    /// Publishes a message and waits until it returns. A publication is no write, so this works
    /// while writes are refused.
    pub(super) async fn probe(
        &self,
        channel: &str,
        probe_timeout: Duration,
    ) -> Result<(), Problem> {
        let begun = Instant::now();
        let mut returned = self.returned.clone();
        returned.mark_unchanged();
        let there_and_back = async {
            let question = vec![commands::hello(), commands::publish(channel, "probe")];
            let Some(replies) = self.ask(question).await else {
                return Err(Problem::Unreachable("it does not answer".to_owned()));
            };
            if replies.first().is_some_and(check::is_replica) {
                return Err(Problem::Replica);
            }
            if let Some(problem) =
                replies.iter().find_map(|reply| refused_subscription(reply, channel))
            {
                return Err(problem);
            }
            let gone = |_| Problem::Unreachable("the subscription is gone".to_owned());
            returned.changed().await.map_err(gone)
        };
        match tokio::time::timeout(probe_timeout, there_and_back).await {
            Ok(outcome) => outcome?,
            Err(_) => {
                let why = "a publication did not come back in time".to_owned();
                return Err(Problem::Unreachable(why));
            }
        }
        METRICS.probe_seconds.record(begun.elapsed());
        Ok(())
    }

    /// Sends commands and returns their replies unread. None: there was no answer.
    pub(super) async fn ask(&self, commands: Vec<Command>) -> Option<Vec<Value>> {
        let sent = self.send(commands);
        sent.await?.ok()?.ok()
    }

    /// Sends commands in one write. None: the link was closed. The outer error: the time is over.
    pub(super) async fn send(
        &self,
        commands: Vec<Command>,
    ) -> Option<Result<redis::RedisResult<Vec<Value>>, tokio::time::error::Elapsed>> {
        let (pipeline, count) = pipeline(commands);
        let mut connection = self.commands.clone();
        let sent = connection.send_packed_commands(&pipeline, 0, count);
        self.unless_closed(tokio::time::timeout(COMMAND_TIMEOUT, sent)).await
    }

    /// Sends subscription commands and returns the confirmations. None: there was no answer.
    pub(super) async fn subscription_call(&self, commands: Vec<Command>) -> Option<Vec<Value>> {
        let (pipeline, count) = pipeline(commands);
        let mut connection = self.subscriptions.clone();
        let sent = connection.send_packed_commands(&pipeline, 0, count);
        let values = self.unless_closed(tokio::time::timeout(COMMAND_TIMEOUT, sent)).await?;
        let values = values.ok()?.ok()?;
        for value in &values {
            if let Value::ServerError(error) = value {
                // The room stays unconfirmed, and its subscription is requested again later.
                warn!(source = "upstream", code = error.code(), "a subscription was refused");
            }
        }
        Some(values)
    }

    /// The output of `work`. None: the link was closed first.
    pub(super) async fn unless_closed<F: Future>(&self, work: F) -> Option<F::Output> {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => None,
            output = work => Some(output),
        }
    }

    /// Whether the link is closed.
    pub(super) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Closes the link. False: it was already closed.
    pub(super) fn close(&self) -> bool {
        !self.closed.send_replace(true)
    }
}

/// A connection over a stream that is logged in.
pub(super) async fn connection(
    stream: Stream,
    config: AsyncConnectionConfig,
) -> Result<MultiplexedConnection, Problem> {
    let mut settings = redis::RedisConnectionInfo::default();
    settings = settings.set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
    let connected = MultiplexedConnection::new_with_config(&settings, stream, config).await;
    let (connection, driver) = connected.map_err(|error| Problem::from_error(&error))?;
    tokio::spawn(driver);
    Ok(connection)
}

/// These commands in one write, and how many they are.
pub(super) fn pipeline(commands: Vec<Command>) -> (Pipeline, usize) {
    let count = commands.len();
    let mut pipeline = Pipeline::with_capacity(count);
    for command in commands {
        pipeline.add_command(command.into_cmd());
    }
    (pipeline, count)
}

/// The problem that an error about the relay's own channel shows.
pub(super) fn refused_subscription(reply: &Value, channel: &str) -> Option<Problem> {
    let Value::ServerError(error) = reply else { return None };
    let (code, details) = (error.code(), error.details().unwrap_or(""));
    if code == "NOPERM" && denied_command(details).is_none() {
        return Some(Problem::Channel(channel.to_owned()));
    }
    match State::from_error(code, details) {
        Some(State::Unavailable(problem) | State::WritesRefused(problem)) => Some(problem),
        _ => Some(Problem::Unreachable(format!("{code} {details}"))),
    }
}

fn pass_on(
    push: PushInfo,
    listener: &dyn LinkListener,
    probe_channel: &str,
    probe_back: &watch::Sender<u64>,
) {
    let mut data = push.data.into_iter();
    let Some(Value::BulkString(channel)) = data.next() else { return };
    let Ok(channel) = std::str::from_utf8(&channel) else { return };
    if channel == probe_channel {
        if push.kind == PushKind::SMessage {
            probe_back.send_modify(|count| *count += 1);
        }
        return;
    }
    match push.kind {
        PushKind::SMessage => match data.next() {
            Some(Value::BulkString(payload)) if channel == PROFILE_CHANNEL => {
                listener.profile_update(payload)
            }
            Some(Value::BulkString(payload)) => listener.message(channel, payload),
            _ => {}
        },
        PushKind::SSubscribe => listener.subscribed(channel),
        PushKind::SUnsubscribe => listener.unsubscribed(channel),
        kind => debug!(source = "upstream", ?kind, "an unexpected push"),
    }
}
