//! A send that a service judges: when it is asked, and what is submitted then.
//!
//! The question is asked when the send comes, beside those of other sends that wait in its lane, and
//! the lane submits them in their order. The verdict holds for all attempts, so what is stored under a
//! nonce does not depend on how often it had to be submitted.

use std::sync::Arc;

use chat_protocol::error_code::ErrorCode;
use chat_protocol::id::Id;

use crate::client::error::Error;
use crate::hub::standing::Refusal;
use crate::operations::context::Context;
use crate::operations::messages::judged::{self, Turn};
use crate::operations::messages::judgement::{Decided, Judgement, State, is_about, is_unjudged};
use crate::send_hook::{Question, Words};
use crate::upstream::commands::{self, Message};
use crate::upstream::replies::id;
use crate::upstream::{Command, CommandError, Unavailable};

/// What is to be submitted.
pub(in crate::operations) enum Submission {
    /// This command.
    Command(Command),
    /// Nothing: the message is stored.
    Stored(Id),
    /// Nothing: it is refused.
    Refused(Error),
}

/// Whether it must wait for a verdict, as far as is known.
pub(in crate::operations) fn is_expected(context: &Context, judgement: &Judgement) -> bool {
    match &*judgement.state.lock() {
        State::Unknown => {
            judged::hook(context).is_some_and(|hook| hook.expects(&judgement.question.room))
        }
        _ => true,
    }
}

/// Asks in a task, if there is a place. Errors: `RATELIMIT`.
pub(in crate::operations) fn begin(
    context: &Arc<Context>,
    judgement: &Judgement,
) -> Result<(), Error> {
    let Some(hook) = judged::hook(context) else { return Ok(()) };
    let turn = match hook.keeps(&judgement.question) {
        true => Turn::Now,
        false => Turn::Taken(judged::place_now(hook, &judgement.question)?),
    };
    let (context, question) = (context.clone(), judgement.question.clone());
    let deciding = tokio::spawn(async move {
        // Nobody is asked about a user who may not be here at all.
        if !context.connection.is_admitted() {
            context.may_act().await.map_err(|refusal| match refusal {
                Refusal::Away => CommandError::Unavailable(Unavailable::Unreachable),
                refusal => CommandError::Refused(context.turned_away(refusal)),
            })?;
        }
        match judged::hook(&context) {
            Some(hook) => judged::decide(&context, hook, &question, turn, true).await,
            None => Ok(Decided::NotHooked),
        }
    });
    *judgement.state.lock() = State::Asked(deciding);
    Ok(())
}

/// What is to be submitted in place of `original`, once that is decided.
pub(in crate::operations) async fn submission(
    context: &Context,
    judgement: &Judgement,
    original: &Command,
) -> Result<Submission, Unavailable> {
    let unjudged = || Submission::Command(original.clone().without_hook());
    let Some(hook) = judged::hook(context) else {
        return Ok(Submission::Command(original.clone()));
    };
    let state = std::mem::replace(&mut *judgement.state.lock(), State::Hooked);
    let decided = match state {
        State::Judged(outcome) => {
            let submission = Submission::of(outcome.clone());
            *judgement.state.lock() = State::Judged(outcome);
            return Ok(submission);
        }
        State::Unknown if !hook.expects(&judgement.question.room) => {
            *judgement.state.lock() = State::Unknown;
            return Ok(unjudged());
        }
        State::Unknown | State::Hooked => {
            let turn = match context.caller.receives() {
                true => Turn::WhenFree,
                false => Turn::Now,
            };
            judged::decide(context, hook, &judgement.question, turn, true).await
        }
        State::Asked(deciding) => match deciding.await {
            Ok(decided) => decided,
            Err(_) => Err(CommandError::Refused(judged::no_verdict())),
        },
    };
    let outcome = match decided {
        Ok(Decided::Stored(id)) => return Ok(Submission::Stored(id)),
        Ok(Decided::NotHooked) => {
            *judgement.state.lock() = State::Unknown;
            return Ok(unjudged());
        }
        Ok(Decided::Accepted(words)) => Ok(command(&judgement.question, &words)),
        Err(CommandError::Unavailable(away)) => return Err(away),
        Err(CommandError::Refused(error)) => Err(error),
    };
    *judgement.state.lock() = State::Judged(outcome.clone());
    Ok(Submission::of(outcome))
}

/// Whether the store has refused it because nobody has judged it: it must be submitted again.
pub(in crate::operations) fn must_be_made(
    context: &Context,
    judgement: &Judgement,
    error: &Error,
) -> bool {
    let mut state = judgement.state.lock();
    if !matches!(*state, State::Unknown) || !is_unjudged(error) {
        return false;
    }
    *state = State::Hooked;
    // The sends that come now are asked about at once, beside this one.
    if let Some(hook) = judged::hook(context) {
        hook.note_setting(&judgement.question.room, true);
    }
    true
}

/// The id under which the nonce is stored, if that is why the command was refused: a repeat on another
/// relay was accepted with other words.
pub(in crate::operations) async fn stored_by_a_repeat(
    context: &Context,
    judgement: &Judgement,
    error: &Error,
) -> Result<Option<Id>, Unavailable> {
    let is_used = error.is(ErrorCode::Invalid) && is_about(error, "nonce");
    let is_judged = matches!(*judgement.state.lock(), State::Judged(Ok(_)));
    let Some(nonce) = judgement.question.nonce.as_ref().filter(|_| is_used && is_judged) else {
        return Ok(None);
    };
    let command = commands::sent(&judgement.question.room, &judgement.question.user, nonce);
    match context.hub.upstream.call_one_at_once(command).await {
        Ok(reply) => Ok(id(reply).ok()),
        Err(CommandError::Unavailable(away)) => Err(away),
        Err(CommandError::Refused(_)) => Ok(None),
    }
}

impl Submission {
    fn of(outcome: Result<Command, Error>) -> Submission {
        outcome.map_or_else(Submission::Refused, Submission::Command)
    }
}

/// The send with these words.
pub(super) fn command(question: &Question, words: &Words) -> Command {
    commands::send(&Message {
        room: &question.room,
        user: &question.user,
        text: words.text.as_deref().unwrap_or_default(),
        nonce: question.nonce.as_deref(),
        kind: question.kind.as_deref(),
        meta: words.meta.as_ref().map(|meta| meta.get()),
        reply: question.reply,
        mentions: &question.mentions,
    })
}
