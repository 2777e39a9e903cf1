//! What is asked of a connection, until its task takes it: packed commands and their calls.
//!
//! The one idea: whoever asks packs the commands into the buffer that is written next, and wakes
//! the task once. What several tasks ask before it runs leaves in one write. The queue is bounded by
//! calls in flight and bytes not written; beyond, whoever asks waits.

use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::upstream::commands::Command;
use crate::upstream::connection::in_flight::{Call, InFlight};

/// What a connection accepts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Longest wait for the replies of one call.
    pub(super) call_timeout: Duration,
    /// Most calls in flight. Further ones wait until there are fewer.
    pub(super) calls: usize,
    /// Most bytes that wait to be written. The call that exceeds it is the last one accepted.
    pub(super) unwritten: usize,
}

/// What those who ask and the task share.
pub(super) struct Asked {
    queue: Mutex<Queue>,
    limits: Limits,
    /// Notified when there is space again.
    space: Notify,
}

#[derive(Default)]
struct Queue {
    /// Packed commands that are not written.
    bytes: Vec<u8>,
    /// Their calls, and those that the task has not yet seen.
    calls: Vec<Call>,
    /// Calls that the task knows.
    in_flight: usize,
    /// Those who wait for space.
    waiting: usize,
    /// The task, to be woken once. None: it was.
    task: Option<Waker>,
    closed: bool,
}

/// Adds once there is space. Boxed: it is rare, and each call would be that much larger.
pub(super) type Adding<'a> = Pin<Box<dyn Future<Output = Option<()>> + Send + 'a>>;

/// The connection is closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed;

impl Queue {
    fn is_full(&self, limits: &Limits) -> bool {
        self.in_flight + self.calls.len() >= limits.calls || self.bytes.len() >= limits.unwritten
    }
}

impl Asked {
    pub(super) fn new(limits: Limits) -> Asked {
        Asked { queue: Mutex::default(), limits, space: Notify::new() }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Adds commands and their call. The future, if there is one, waits for space; its None: the time
    /// is over, or the connection was closed.
    pub(super) fn add<'a>(
        &'a self,
        commands: &'a [Command],
        call: Call,
    ) -> Result<Option<Adding<'a>>, Closed> {
        Ok(self.try_add(commands, call)?.map(|call| -> Adding<'a> {
            let deadline = call.deadline();
            let added = self.add_when_there_is_space(commands, call);
            Box::pin(async move { tokio::time::timeout_at(deadline, added).await.ok()?.ok() })
        }))
    }

    /// The call comes back if there is no space.
    fn try_add(&self, commands: &[Command], call: Call) -> Result<Option<Call>, Closed> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(Closed);
        }
        if queue.is_full(&self.limits) {
            return Ok(Some(call));
        }
        for command in commands {
            command.write_packed(&mut queue.bytes);
        }
        queue.calls.push(call);
        let task = queue.task.take();
        drop(queue);
        if let Some(task) = task {
            task.wake();
        }
        Ok(None)
    }

    async fn add_when_there_is_space(
        &self,
        commands: &[Command],
        mut call: Call,
    ) -> Result<(), Closed> {
        let _waiting = Waiting::new(self);
        loop {
            let space = self.space.notified();
            match self.try_add(commands, call)? {
                None => return Ok(()),
                Some(back) => call = back,
            }
            space.await;
        }
    }

    /// For the task: moves the new calls to `in_flight`, and their bytes to `writing` if that is
    /// empty. The task is woken when there are more.
    pub(super) fn take(
        &self,
        in_flight: &mut InFlight,
        writing: &mut Vec<u8>,
        context: &Context<'_>,
    ) -> Result<(), Closed> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(Closed);
        }
        in_flight.extend(queue.calls.drain(..));
        if writing.is_empty() {
            std::mem::swap(writing, &mut queue.bytes);
        }
        if queue.task.is_none() {
            queue.task = Some(context.waker().clone());
        }
        self.note_space_in(&mut queue, in_flight);
        Ok(())
    }

    /// For the task: calls have been answered since it took some.
    pub(super) fn note_space(&self, in_flight: &InFlight) {
        self.note_space_in(&mut self.queue.lock(), in_flight);
    }

    /// Wakes one who waits, if there is space. That one wakes the next.
    fn note_space_in(&self, queue: &mut MutexGuard<'_, Queue>, in_flight: &InFlight) {
        queue.in_flight = in_flight.len();
        if queue.waiting > 0 && !queue.is_full(&self.limits) {
            self.space.notify_one();
        }
    }

    /// Closes the connection: its task ends, and whoever asks or waits is told.
    pub(super) fn close(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        let (task, calls) = (queue.task.take(), std::mem::take(&mut queue.calls));
        drop(queue);
        drop(calls);
        self.space.notify_waiters();
        if let Some(task) = task {
            task.wake();
        }
    }
}

/// One who waits for space.
struct Waiting<'a>(&'a Asked);

impl Waiting<'_> {
    fn new(asked: &Asked) -> Waiting<'_> {
        asked.queue.lock().waiting += 1;
        Waiting(asked)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.queue.lock();
        queue.waiting -= 1;
        let next = queue.waiting > 0 && !queue.is_full(&self.0.limits);
        drop(queue);
        if next {
            self.0.space.notify_one();
        }
    }
}
