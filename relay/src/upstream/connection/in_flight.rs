//! What was asked on a connection and is not answered: which reply belongs to which command.
//!
//! Replies come in the order of the commands, but a server also pushes what nobody asked for, and
//! an unsolicited `sunsubscribe` looks like the confirmation of a `SUNSUBSCRIBE`. So what arrives is
//! matched by kind, then by order: a reply belongs to the oldest command; a push answers it only if
//! it confirms exactly this subscription. Pushes are passed on in any case.
//!
//! On a connection for commands this is exact. On one for subscriptions one thing cannot be known:
//! whether a `sunsubscribe` of a channel whose `SUNSUBSCRIBE` is in flight is its confirmation. If
//! it was not, the confirmation (or an error) still comes. Then later errors may be put down to the
//! command after theirs, until nothing is in flight. But no command waits forever: what the server
//! sends for a command always finds it, or a later one, at the front. So subscriptions are judged by
//! pushes, and by what an error says itself.

use std::collections::VecDeque;

use redis::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::upstream::connection::reply_reader::Push;

/// What a connection is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Commands, each with one reply.
    Commands,
    /// Subscriptions, and nothing whose reply matters.
    Subscriptions,
}

/// A reply came that nobody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's replies are out of step")]
pub(super) struct OutOfStep;

/// How one command is answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// By a reply.
    Reply,
    /// By a push that this subscription has begun, or an error.
    Subscribed(Box<str>),
    /// By a push that this subscription has ended, or an error.
    Unsubscribed(Box<str>),
}

/// Commands that were asked together.
#[derive(Debug)]
pub(super) struct Call {
    /// How many answers are missing.
    missing: usize,
    /// How the missing answers look. Empty: all are replies.
    answers: VecDeque<Answer>,
    /// None: the time is over. The answers must be awaited nevertheless.
    asker: Option<Asker>,
    deadline: Instant,
}

/// Who gets the replies.
#[derive(Debug)]
enum Asker {
    /// Of one command.
    Reply(oneshot::Sender<Value>),
    /// Of several, with those that have come.
    Replies(oneshot::Sender<Vec<Value>>, Vec<Value>),
}

impl Asker {
    /// Whoever asked may have given up waiting.
    fn answer(self, last: Value) {
        match self {
            Asker::Reply(asker) => drop(asker.send(last)),
            Asker::Replies(asker, mut replies) => {
                replies.push(last);
                drop(asker.send(replies));
            }
        }
    }
}

impl Call {
    /// `count` commands that are answered by replies.
    pub(super) fn of_commands(
        count: usize,
        asker: oneshot::Sender<Vec<Value>>,
        deadline: Instant,
    ) -> Call {
        let asker = Asker::Replies(asker, Vec::with_capacity(count));
        Call { missing: count, answers: VecDeque::new(), asker: Some(asker), deadline }
    }

    /// One command that is answered by a reply.
    pub(super) fn of_one_command(asker: oneshot::Sender<Value>, deadline: Instant) -> Call {
        let asker = Some(Asker::Reply(asker));
        Call { missing: 1, answers: VecDeque::new(), asker, deadline }
    }

    /// Commands that are answered so.
    pub(super) fn of_subscriptions(
        answers: VecDeque<Answer>,
        asker: oneshot::Sender<Vec<Value>>,
        deadline: Instant,
    ) -> Call {
        let missing = answers.len();
        let asker = Some(Asker::Replies(asker, Vec::with_capacity(missing)));
        Call { missing, answers, asker, deadline }
    }
}

impl Call {
    /// Until when its replies are awaited.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// The queue of one connection.
#[derive(Debug)]
pub(super) struct InFlight {
    purpose: Purpose,
    calls: VecDeque<Call>,
    /// The earliest deadline of these calls, or an earlier time: that of one which was answered.
    soonest: Option<Instant>,
}

fn note_soonest(soonest: &mut Option<Instant>, deadline: Instant) {
    if soonest.is_none_or(|soonest| deadline < soonest) {
        *soonest = Some(deadline);
    }
}

impl InFlight {
    pub(super) fn new(purpose: Purpose) -> InFlight {
        InFlight { purpose, calls: VecDeque::new(), soonest: None }
    }

    /// How many calls wait.
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Adds calls in the order in which they are written.
    pub(super) fn extend(&mut self, calls: impl Iterator<Item = Call>) {
        let soonest = &mut self.soonest;
        self.calls.extend(calls.inspect(|call| note_soonest(soonest, call.deadline)));
    }

    /// A reply, perhaps an error, has arrived.
    pub(super) fn reply(&mut self, reply: Value) -> Result<(), OutOfStep> {
        let Some(call) = self.calls.front() else { return self.not_awaited() };
        let is_error = matches!(reply, Value::ServerError(_));
        if !is_error && matches!(call.answers.front(), Some(answer) if *answer != Answer::Reply) {
            return self.not_awaited();
        }
        self.answer(reply);
        Ok(())
    }

    fn not_awaited(&self) -> Result<(), OutOfStep> {
        match self.purpose {
            Purpose::Commands => Err(OutOfStep),
            Purpose::Subscriptions => Ok(()),
        }
    }

    /// A push has arrived. Whether it was taken for the answer to a command.
    pub(super) fn push(&mut self, push: &Push<'_>) -> bool {
        let awaited = self.calls.front().and_then(|call| call.answers.front());
        let is_answer = match (awaited, push) {
            (Some(Answer::Subscribed(awaited)), Push::Subscribed(channel))
            | (Some(Answer::Unsubscribed(awaited)), Push::Unsubscribed(channel)) => {
                **awaited == **channel
            }
            _ => false,
        };
        if is_answer {
            self.answer(Value::Okay);
        }
        is_answer
    }

    /// Answers the oldest command.
    fn answer(&mut self, reply: Value) {
        let Some(call) = self.calls.front_mut() else { return };
        call.answers.pop_front();
        call.missing -= 1;
        if call.missing > 0 {
            if let Some(Asker::Replies(_, replies)) = &mut call.asker {
                replies.push(reply);
            }
        } else if let Some(Call { asker: Some(asker), .. }) = self.calls.pop_front() {
            asker.answer(reply);
        }
    }

    /// No call is overdue before this. None: there is none that could be.
    pub(super) fn soonest(&self) -> Option<Instant> {
        self.soonest
    }

    /// Ends the waiting for what should have been answered by now.
    pub(super) fn end_overdue(&mut self, now: Instant) {
        self.soonest = None;
        for call in self.calls.iter_mut().filter(|call| call.asker.is_some()) {
            if call.deadline > now {
                note_soonest(&mut self.soonest, call.deadline);
            } else {
                call.asker = None;
            }
        }
    }
}
