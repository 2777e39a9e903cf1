//! One link to Redis: a connection for commands and one for subscriptions, opened and closed
//! together.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, ProtocolVersion, PushInfo, PushKind, Value};
use tokio::sync::watch;
use tracing::debug;

use crate::config::Endpoint;
use crate::upstream::commands::Command;
use crate::upstream::dial::Dialler;
use crate::upstream::greeting::Greeting;
use crate::upstream::health::Problem;
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
}

impl Link {
    /// Opens both connections, and says what the server says of itself. What arrives without a
    /// request goes to the listener.
    pub(super) async fn open(
        dialler: &Dialler,
        server: &Endpoint,
        listener: Arc<dyn LinkListener>,
    ) -> Result<(Link, Greeting), Problem> {
        let (closed, _) = watch::channel(false);
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
            let closed = closed.clone();
            move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    closed.send_replace(true);
                } else if !*closed.borrow() {
                    pass_on(push, &*listener);
                }
                Ok::<(), ()>(())
            }
        };
        let connect = async |config| {
            let (stream, greeting) = dialler.dial(server).await?;
            match greeting.refusal() {
                Some(problem) => Err(problem),
                None => Ok((connection(stream, config).await?, greeting)),
            }
        };
        let (commands, _) = connect(plain.clone().set_push_sender(on_command_push)).await?;
        let (subscriptions, greeting) = connect(plain.set_push_sender(on_push)).await?;
        Ok((Link { commands, subscriptions, closed }, greeting))
    }

    /// Sends commands and returns their replies unread. None: there was no answer.
    pub(super) async fn ask(&self, commands: &[Command]) -> Option<Vec<Value>> {
        let sent = self.send(commands);
        sent.await?.ok()?.ok()
    }

    /// Sends commands in one write. None: the link was closed. The outer error: the time is over.
    pub(super) async fn send(
        &self,
        commands: &[Command],
    ) -> Option<Result<redis::RedisResult<Vec<Value>>, tokio::time::error::Elapsed>> {
        let (pipeline, count) = pipeline(commands);
        let mut connection = self.commands.clone();
        let sent = connection.send_packed_commands(&pipeline, 0, count);
        self.unless_closed(tokio::time::timeout(COMMAND_TIMEOUT, sent)).await
    }

    /// Sends subscription commands and returns the confirmations. None: there was no answer.
    pub(super) async fn subscription_call(&self, commands: &[Command]) -> Option<Vec<Value>> {
        let (pipeline, count) = pipeline(commands);
        let mut connection = self.subscriptions.clone();
        let sent = connection.send_packed_commands(&pipeline, 0, count);
        let values = self.unless_closed(tokio::time::timeout(COMMAND_TIMEOUT, sent)).await?;
        values.ok()?.ok()
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
pub(super) fn pipeline(commands: &[Command]) -> (Pipeline, usize) {
    let count = commands.len();
    let mut pipeline = Pipeline::with_capacity(count);
    for command in commands {
        pipeline.add_command(command.clone().into_cmd());
    }
    (pipeline, count)
}

fn pass_on(push: PushInfo, listener: &dyn LinkListener) {
    let mut data = push.data.into_iter();
    let Some(Value::BulkString(channel)) = data.next() else { return };
    let Ok(channel) = std::str::from_utf8(&channel) else { return };
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
