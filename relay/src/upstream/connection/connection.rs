//! One connection to a server: what is asked goes out, replies and pushes come in.
//!
//! One task owns the stream (`task.rs`). What is asked waits for it in `asked.rs`, and is matched to
//! what comes back by `in_flight.rs`. A future that is dropped leaves its commands in the queue, and
//! their replies are consumed. When the stream ends, or sends what cannot be read, or
//! [`Closing::close`] is called, everything in flight ends at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::upstream::commands::Command;
use crate::upstream::connection::asked::{Asked, Limits};
use crate::upstream::connection::closing::Closing;
use crate::upstream::connection::in_flight::{Answer, Call, Purpose};
use crate::upstream::connection::receiver::Receiver;
use crate::upstream::connection::task::Task;

/// How long the replies of a call are awaited.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(5);
const LIMITS: Limits = Limits { call_timeout: CALL_TIMEOUT, calls: 16 << 10, unwritten: 4 << 20 };

/// A connection. When it is dropped, it ends.
pub(crate) struct Connection {
    asked: Arc<Asked>,
}

impl Connection {
    /// Takes over a stream on which the server has been greeted. `pushes` is called on the
    /// connection's task. The connection and all others of `closing` close together.
    pub(crate) fn start<S>(
        stream: S,
        purpose: Purpose,
        closing: &Arc<Closing>,
        pushes: impl Receiver,
    ) -> Connection
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Connection::limited(stream, purpose, closing, pushes, LIMITS)
    }

    /// As [`Connection::start`], within other limits.
    pub(super) fn limited<S>(
        stream: S,
        purpose: Purpose,
        closing: &Arc<Closing>,
        pushes: impl Receiver,
        limits: Limits,
    ) -> Connection
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let asked = Arc::new(Asked::new(limits));
        closing.add(&asked);
        tokio::spawn(Task::new(stream, purpose, asked.clone(), closing.clone(), pushes).run());
        Connection { asked }
    }

    /// Sends commands in one write and returns their replies, errors among them, in order. None:
    /// the connection is closed, or the time is over. If the future is dropped, the commands may
    /// have been sent.
    pub(crate) async fn call(&self, commands: &[Command]) -> Option<Vec<Value>> {
        if commands.is_empty() {
            return Some(Vec::new());
        }
        let (asker, replies) = oneshot::channel();
        let call = Call::of_commands(commands.len(), asker, self.deadline());
        if let Some(adding) = self.asked.add(commands, call).ok()? {
            adding.await?;
        }
        replies.await.ok()
    }

    /// As [`Connection::call`], for one command, whose reply is awaited until `deadline`.
    pub(crate) async fn call_one(&self, command: &Command, deadline: Instant) -> Option<Value> {
        let (asker, reply) = oneshot::channel();
        let call = Call::of_one_command(asker, deadline);
        if let Some(adding) = self.asked.add(std::slice::from_ref(command), call).ok()? {
            adding.await?;
        }
        reply.await.ok()
    }

    /// As [`Connection::call`], for commands that a push may confirm. The reply is then OK.
    pub(crate) async fn subscription_call(&self, commands: &[Command]) -> Option<Vec<Value>> {
        if commands.is_empty() {
            return Some(Vec::new());
        }
        let (asker, replies) = oneshot::channel();
        let answers: VecDeque<Answer> = commands.iter().map(answer_to).collect();
        let call = Call::of_subscriptions(answers, asker, self.deadline());
        if let Some(adding) = self.asked.add(commands, call).ok()? {
            adding.await?;
        }
        replies.await.ok()
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.asked.limits().call_timeout
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.asked.close();
    }
}

/// How this command is answered on a connection for subscriptions.
fn answer_to(command: &Command) -> Answer {
    let mut words = command.words();
    let (name, channel) = (words.next(), words.next());
    let channel = channel.and_then(|channel| std::str::from_utf8(channel).ok());
    match (name, channel) {
        (Some(b"SSUBSCRIBE" | b"SUBSCRIBE"), Some(channel)) => Answer::Subscribed(channel.into()),
        (Some(b"SUNSUBSCRIBE"), Some(channel)) => Answer::Unsubscribed(channel.into()),
        _ => Answer::Reply,
    }
}
