//! `send`: a message to a room, stored once however often it is submitted.
//!
//! Every stored message has a nonce, the client's or a random one, so a send whose reply was lost
//! can be submitted again. While the room's node is unreachable, sends wait in the connection's send
//! queue, those of one room in order. Each is answered once it is stored, or once it is too late;
//! nothing is acknowledged before. Other operations are refused at once meanwhile.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_protocol::close_code;
use chat_protocol::error_code::ErrorCode;
use chat_protocol::id::Id;
use tokio::sync::SemaphorePermit;
use tracing::{Instrument, Span};

use crate::client::connection::End;
use crate::client::error::Error;
use crate::client::frame::Frame;
use crate::client::relay_frame::RelayFrame;
use crate::client::reply;
use crate::client::request::Request;
use crate::hub::standing::Refusal;
use crate::metrics::METRICS;
use crate::operations::answer::{Answer, Outcome, Stored};
use crate::operations::context::Context;
use crate::operations::measure::Measure;
use crate::operations::messages::blocking::{self, Checked};
use crate::operations::messages::judged_send::{self, Submission};
use crate::operations::messages::send_queue::{PendingSend, Queued};
use crate::operations::messages::written::Written;
use crate::operations::messages::{judged, notices};
use crate::operations::rooms::follows::{Following, Gain, Patience};
use crate::operations::scopes;
use crate::panics::catch_panic;
use crate::room::subscribers::PendingFlush;
use crate::send_hook::Words;
use crate::upstream::replies::Sent;
use crate::upstream::{CommandError, Unavailable};

/// Pause before a send is submitted again to a server that is reachable but cannot serve it.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// A node that takes longer is silent: the send waits in its lane, as if the node was unreachable, and
/// what the client sends to other nodes goes on.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// How long a caller without a connection waits for Redis with a send.
const REQUEST_WAITS: Duration = Duration::from_secs(5);

pub(in crate::operations) async fn send(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let written = Written::read(&request.fields)?;
    // Boxed: each send would be as large as the largest.
    if !is_plain(context, &written, request.begun) {
        return Box::pin(send_apart(context, request, written)).await;
    }
    let command = scopes::creating_ordinary(context, written.command(context.user()));
    let command = match written.mentions.is_empty() {
        true => command,
        false => command.with_notices(),
    };
    // Nothing else of this connection is read meanwhile.
    match context.hub.upstream.call_one_within(command, ANSWERS_WITHIN).await {
        Ok(value) => {
            let sent = Sent::read(value)?;
            notices::notify_of_message(context, &written.room, &sent);
            Ok(Answer::Ok(stored(sent.id)))
        }
        Err(CommandError::Refused(error)) => Err(error),
        Err(CommandError::Unavailable(_)) => enqueue(context, written.pending(context, &request)),
    }
}

/// Whether all that a send may need beside its command is known not to be needed, as for most: the
/// room is ordinary and in the user's list, its node is open, nothing waits before it, and nobody
/// judges it.
fn is_plain(context: &Context, written: &Written<'_>, now: Instant) -> bool {
    let room = &*written.room;
    let upstream = &context.hub.upstream;
    written.is_stored
        && context.caller.receives()
        && context.connection.is_admitted()
        && written.is_ordinary
        && judged::hook(context).is_none()
        && context.hub.follow_cache.holds(context.user(), room, now)
        && upstream.is_open(room)
        && context.send_queue.lock().is_free(room)
}

/// A send that may need more than its command.
async fn send_apart(context: &Arc<Context>, request: Request<'_>, written: Written<'_>) -> Outcome {
    let is_stored = written.is_stored;
    let send = written.pending(context, &request);
    if !is_stored {
        if !context.connection.is_admitted() {
            let may_act = Box::pin(context.may_act()).await;
            may_act.map_err(|refusal| context.turned_away(refusal))?;
        }
        blocking::check(context, &send.room).await?;
        Box::pin(publish(context, send)).await?;
        return Ok(Answer::of(&Stored { id: None }));
    }
    if !context.caller.receives() {
        return Box::pin(submit_or_wait(context, send)).await;
    }
    let is_first = context.send_queue.lock().is_free(&send.room);
    let is_open = context.hub.upstream.is_open(&send.room);
    let is_admitted = context.connection.is_admitted();
    // A verdict may take longer than a node, and those of several sends are waited for side by side.
    if is_first && is_open && is_admitted && !is_judgement_expected(context, &send) {
        // Nothing else of this connection is read meanwhile.
        let submitting = pin!(submit(context, &send));
        let submitted = tokio::time::timeout(ANSWERS_WITHIN, submitting).await;
        match submitted {
            Ok(Ok(Err(error))) if must_be_judged(context, &send, &error) => {}
            Ok(Ok(outcome)) => return outcome.map(Answer::Ok),
            Ok(Err(_)) | Err(_) => {}
        }
    } else if let Err(CommandError::Refused(error)) = blocking::check(context, &send.room).await {
        return Err(error);
    }
    if let Some(judged) =
        send.judged.as_ref().filter(|judged| is_open && judged_send::is_expected(context, judged))
    {
        judged_send::begin(context, judged)?;
    }
    enqueue(context, send)
}

fn is_judgement_expected(context: &Context, send: &PendingSend) -> bool {
    send.judged.as_ref().is_some_and(|judged| judged_send::is_expected(context, judged))
}

/// Whether this is the refusal of a send that nobody has judged: it must be submitted again.
fn must_be_judged(context: &Context, send: &PendingSend, error: &Error) -> bool {
    send.judged.as_ref().is_some_and(|judged| judged_send::must_be_made(context, judged, error))
}

/// Publishes a message that is not stored.
async fn publish(context: &Arc<Context>, send: PendingSend) -> Result<(), Error> {
    let room = send.room.clone();
    publish_judged(context, send).await.map_err(|error| blocking::as_block(&room, error))
}

async fn publish_judged(context: &Arc<Context>, send: PendingSend) -> Result<(), Error> {
    let room = &*send.room;
    let creating = |command| scopes::creating(context, room, command);
    let original = creating(send.command);
    let Some(judged) = send.judged else { return context.ask(original).await.map(drop) };
    let question = judged.question;
    let asked = question.clone();
    let make = |words: &Words| Ok(creating(judged_send::command(&question, words)));
    judged::ask(context, || asked, false, original, make).await.map(drop)
}

/// Submits a send whose caller gets no later reply, and waits for Redis with it.
async fn submit_or_wait(context: &Arc<Context>, send: PendingSend) -> Outcome {
    let mut has_waited = false;
    let until = tokio::time::Instant::from_std(send.until.min(Instant::now() + REQUEST_WAITS));
    let permit = match context.hub.upstream.is_open(&send.room) {
        true => None,
        false => Some(context.hub.sends_waiting.try_acquire().map_err(|_| Error::unavailable())?),
    };
    let _waiting = permit.map(Waiting::new);
    let submitted = submit_when_open(context, &send, &mut has_waited);
    let outcome = tokio::time::timeout_at(until, submitted).await;
    outcome.unwrap_or_else(|_| Err(Error::unavailable())).map(Answer::Ok)
}

/// A waiting send, in the metric. Dropped with the request if the client breaks it off.
struct Waiting<'h> {
    _permit: SemaphorePermit<'h>,
}

impl Waiting<'_> {
    fn new(permit: SemaphorePermit<'_>) -> Waiting<'_> {
        METRICS.sends_waiting.increment(1.0);
        Waiting { _permit: permit }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        METRICS.sends_waiting.decrement(1.0);
    }
}

/// Submits a send. Outer error: it is unknown whether the message is stored.
async fn submit(
    context: &Arc<Context>,
    send: &PendingSend,
) -> Result<Result<String, Error>, Unavailable> {
    // What is rare is boxed: each send would be that much larger.
    let checked = match blocking::check(context, &send.room).await {
        Ok(checked) => checked,
        Err(CommandError::Unavailable(away)) => return Err(away),
        Err(CommandError::Refused(error)) => return Ok(Err(error)),
    };
    let submission = match &send.judged {
        Some(judged) => Box::pin(judged_send::submission(context, judged, &send.command)).await?,
        None => Submission::Command(send.command.clone()),
    };
    let command = match submission {
        Submission::Command(command) => command,
        Submission::Stored(id) => return Ok(Ok(stored(id))),
        Submission::Refused(error) => return Ok(Err(blocking::as_block(&send.room, error))),
    };
    let command = match checked {
        Checked::InRoom => command.without_creating(),
        Checked::Once => command,
    };
    let command = match causes_notices(context, send) {
        true => command.with_notices(),
        false => command,
    };
    let (following, other) =
        Following::before(context, &send.room, Gain::Send).split(context.user());
    following.send(context).await?;
    let commands = vec![scopes::creating(context, &send.room, command)];
    let mut gained = following.gain(context, commands, Patience::None).await;
    match gained.replies.pop().unwrap_or(Err(Unavailable::Unreachable.into())) {
        Ok(value) => {
            if gained.is_listed {
                following.done(context);
            }
            // Only now, because this may create the list, which a refused message must not do.
            other.send(context).await?;
            other.done(context);
            let sent = match Sent::read(value) {
                Ok(sent) => sent,
                Err(error) => return Ok(Err(error.into())),
            };
            notices::notify_of_message(context, &send.room, &sent);
            Ok(Ok(stored(sent.id)))
        }
        Err(CommandError::Unavailable(away)) => Err(away),
        Err(CommandError::Refused(error)) => {
            if let Some(judged) = &send.judged
                && let Some(id) =
                    Box::pin(judged_send::stored_by_a_repeat(context, judged, &error)).await?
            {
                return Ok(Ok(stored(id)));
            }
            if checked == Checked::InRoom && error.is(ErrorCode::NoRoom) {
                // It was deleted, and what it decided with it.
                context.checked_rooms.forget(&send.room);
                return Box::pin(submit(context, send)).await;
            }
            Box::pin(following.withdraw(context)).await?;
            Ok(Err(blocking::as_block(&send.room, error)))
        }
    }
}

/// Whether somebody may get a notice of it.
fn causes_notices(context: &Context, send: &PendingSend) -> bool {
    !send.mentions.is_empty() || blocking::other_side(context.user(), &send.room).is_some()
}

fn stored(id: Id) -> String {
    [r#"{"id":""#, id.text().as_str(), r#""}"#].concat()
}

fn enqueue(context: &Arc<Context>, mut send: PendingSend) -> Outcome {
    send.span = Span::current();
    let send = Arc::new(send);
    let mut send_queue = context.send_queue.lock();
    let Ok(permit) = context.hub.sends_waiting.try_acquire() else {
        return Err(Error::unavailable());
    };
    let queued = send_queue.push(send.clone());
    if queued == Queued::Full {
        return Err(Error::unavailable());
    }
    // Returned when the send is answered.
    permit.forget();
    METRICS.sends_waiting.increment(1.0);
    show_locally(context, send.local_frame.as_ref(), &send.room);
    context.connection.wait_for_answer(&send.reference);
    if queued == Queued::First {
        let (context, room) = (context.clone(), send.room.clone());
        tokio::spawn(async move {
            let submitting = run_lane(context.clone(), &room);
            if catch_panic("submitting sends", submitting).await.is_none() {
                give_up(&context, &room);
            }
        });
    }
    Ok(Answer::Later)
}

/// Submits a send as soon as Redis accepts it. `has_waited`: rights may have ended since they were
/// last asked for.
async fn submit_when_open(
    context: &Arc<Context>,
    send: &PendingSend,
    has_waited: &mut bool,
) -> Result<String, Error> {
    loop {
        *has_waited |= !context.hub.upstream.is_open(&send.room);
        context.hub.upstream.wait_open(&send.room).await;
        let may_act = match *has_waited {
            true => context.may_act_from_now().await,
            false => context.may_act().await,
        };
        if may_act == Err(Refusal::Away) {
            tokio::time::sleep(RETRY_PAUSE).await;
            continue;
        }
        *has_waited = false;
        may_act.map_err(|refusal| context.turned_away(refusal))?;
        if context.is_expelled() {
            return Err(Error::unavailable());
        }
        // A narrower token may have come meanwhile.
        if !scopes::may_send(context, &send.room) {
            return Err(scopes::denied());
        }
        match submit(context, send).await {
            Ok(Err(error)) if must_be_judged(context, send, &error) => {}
            Ok(outcome) => return outcome,
            Err(_) => {
                *has_waited = true;
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }
}

/// After a panic: the waiting sends of this room are not answered. The client submits them again
/// with their nonces.
fn give_up(context: &Context, room: &str) {
    context.connection.end(End::Close(close_code::INTERNAL));
    let given_up = context.send_queue.lock().remove_lane(room);
    context.hub.sends_waiting.add_permits(given_up);
    METRICS.sends_waiting.decrement(given_up as f64);
}

/// Submits the waiting sends of a room, in order, until none is left. Continues if the socket is
/// lost meanwhile, because the client may have closed it after sending.
async fn run_lane(context: Arc<Context>, room: &str) {
    let mut has_waited = true;
    loop {
        let Some(send) = context.send_queue.lock().first(room) else { return };
        let in_time = submit_when_open(&context, &send, &mut has_waited);
        let until = tokio::time::Instant::from_std(send.until);
        let outcome = tokio::time::timeout_at(until, in_time.instrument(send.span.clone())).await;
        let outcome = outcome.unwrap_or_else(|_| Err(Error::unavailable()));
        let measure = Measure::of("send", send.begun);
        send.span.in_scope(|| measure.end(&context.connection, outcome.as_ref().err()));
        let answer = match outcome {
            Ok(object) => reply::ok(&send.reference, &object),
            Err(error) => {
                if send.local_frame.is_some() {
                    withdraw(&context, &send);
                }
                reply::error(&send.reference, &error)
            }
        };
        let is_last = {
            let mut send_queue = context.send_queue.lock();
            send_queue.pop(room);
            send_queue.is_free(room)
        };
        context.hub.sends_waiting.add_permits(1);
        METRICS.sends_waiting.decrement(1.0);
        context.connection.answer_waiting(&send.reference, &answer);
        // A send that comes now begins another lane, and another task.
        if is_last {
            return;
        }
    }
}

fn withdraw(context: &Context, send: &PendingSend) {
    let withdraw =
        RelayFrame::Withdraw { room: &send.room, user: context.user(), nonce: &send.nonce };
    let Some(room) = context.hub.room(&send.room) else { return };
    // Also to paused connections: they may have received it before.
    if room.contains(&context.connection) {
        let mut pending_flush = PendingFlush::new();
        room.queue_for_all(&withdraw.encode(), &mut pending_flush);
        context.hub.flush(pending_flush);
    }
}

/// Sends a frame to this relay's subscribers of the room, if the sender is one of them.
fn show_locally(context: &Context, frame: Option<&Frame>, room: &str) {
    let (Some(frame), Some(room)) = (frame, context.hub.room(room)) else { return };
    if room.is_subscribed(&context.connection) {
        let mut pending_flush = PendingFlush::new();
        room.queue_for_subscribers(frame, &mut pending_flush);
        context.hub.flush(pending_flush);
    }
}
