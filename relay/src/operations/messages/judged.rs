//! What a service judges before it is stored or published (`--send-hook`): the order of the steps.
//!
//! For a room that is hooked, as far as this relay knows: is the nonce known (`CHAT.SENT`)? may the
//! user write, and is the room hooked (`CHAT.ROOM_RO`)? what does the service say? and then the
//! command. So a repeat of what is stored is answered, whatever the service would say now. For any
//! other room the command goes out at once, with `NOHOOK`: a room with the setting refuses that, and
//! the relay begins again with the steps. So other rooms cost no question, and no room is taken for one
//! that is not hooked.
//!
//! What the backend itself writes is not judged. Sends that wait are in `judged_send`.

use std::time::Duration;

use chat_protocol::error_code::ErrorCode;
use chat_protocol::names::{RoomKind, room_kind};
use redis::Value;

use crate::client::error::Error;
use crate::operations::context::Context;
use crate::operations::messages::judgement::{Decided, is_unjudged};
use crate::send_hook::{Place, Question, SendHook, Unjudged, Verdict, Words, claims};
use crate::upstream::commands::{self, Reader};
use crate::upstream::replies::{RoomView, id};
use crate::upstream::{Command, CommandError};

/// Pause before a send that has waited tries again to get a place for its question.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How long a client should wait when too many questions are open.
const RETRY_MS: u64 = 1000;
/// How often a command is begun again because the room's setting has changed meanwhile.
const BEGINNINGS: usize = 3;

/// What questions about a room's settings are called.
pub(in crate::operations) const SET_ROOM: &str = "room";

/// How a question gets its place among the open ones.
pub(super) enum Turn {
    /// It has one.
    Taken(Place),
    /// At once, or it is refused with `RATELIMIT`.
    Now,
    /// When one is free.
    WhenFree,
}

/// The service, unless the backend itself writes or there is none.
pub(super) fn hook(context: &Context) -> Option<&SendHook> {
    context.hub.send_hook.as_ref().filter(|_| !context.caller.is_backend())
}

/// A question about what this user writes, with nothing but the words.
pub(in crate::operations) fn question(
    context: &Context,
    op: &'static str,
    room: &str,
    words: Words,
) -> Question {
    let identity = context.connection.identity();
    Question {
        op,
        room: room.to_owned(),
        user: context.user().to_owned(),
        words,
        kind: None,
        reply: None,
        mentions: Vec::new(),
        nonce: None,
        claims: identity.and_then(|identity| claims(&identity)),
        id: None,
        is_repeatable: false,
        ephemeral: false,
    }
}

/// The steps before the command. `creates`: the command creates a room that does not exist.
pub(super) async fn decide(
    context: &Context,
    hook: &SendHook,
    question: &Question,
    turn: Turn,
    creates: bool,
) -> Result<Decided, CommandError> {
    let (room, user) = (&question.room, &question.user);
    let mut asked = vec![commands::room(room, Reader::User(user))];
    if let Some(nonce) = &question.nonce {
        asked.insert(0, commands::sent(room, user, nonce));
    }
    let mut replies = context.hub.upstream.call(asked).await;
    let settings = replies.pop().ok_or_else(unanswered)?;
    if question.nonce.is_some() {
        match replies.pop().ok_or_else(unanswered)?? {
            Value::Nil => {}
            stored => return Ok(Decided::Stored(id(stored).map_err(refused)?)),
        }
    }
    let (view, exists) = match settings {
        Ok(reply) => (RoomView::read(&reply), true),
        Err(CommandError::Refused(error)) if creates && error.is(ErrorCode::NoRoom) => {
            (RoomView::default(), false)
        }
        Err(error) => return Err(error),
    };
    hook.note_setting(room, view.hook);
    if !view.hook && !hook.covers(room) {
        return Ok(Decided::NotHooked);
    }
    if question.op == SET_ROOM {
        // The store says why this user may not, and nobody is asked. If the user may by then, the
        // room's setting still refuses what is not judged; a pattern would not.
        let is_ordinary = room_kind(room) == Some(RoomKind::Ordinary);
        if exists && is_ordinary && view.hook && !view.keeps_order() {
            return Ok(Decided::NotHooked);
        }
    } else if let Some(error) = view.refusal() {
        return Err(CommandError::Refused(error));
    }
    let verdict = match hook.kept(question) {
        Some(verdict) => verdict,
        None => {
            let place = place(hook, question, turn).await?;
            let verdict = hook.ask(question, place).await;
            verdict.map_err(|Unjudged| CommandError::Refused(no_verdict()))?
        }
    };
    match verdict {
        Verdict::Accepted(words) => Ok(Decided::Accepted(words)),
        Verdict::Rejected(reason) => Err(CommandError::Refused(rejected(reason))),
    }
}

/// Executes a command about what this user writes, judged if the room is hooked. `make` makes it of the
/// words.
pub(in crate::operations) async fn ask(
    context: &Context,
    question: impl FnOnce() -> Question,
    creates: bool,
    original: Command,
    make: impl Fn(&Words) -> Result<Command, Error>,
) -> Result<Value, Error> {
    let Some(hook) = hook(context) else { return context.ask(original).await };
    let question = question();
    let mut is_expected = hook.expects(&question.room);
    for _ in 0..BEGINNINGS {
        if is_expected {
            match decide(context, hook, &question, Turn::Now, creates).await? {
                Decided::Accepted(words) => return context.ask(make(&words)?).await,
                Decided::Stored(_) | Decided::NotHooked => {}
            }
        }
        match context.ask(original.clone().without_hook()).await {
            Err(error) if is_unjudged(&error) => is_expected = true,
            outcome => return outcome,
        }
    }
    Err(Error::unavailable())
}

async fn place(hook: &SendHook, question: &Question, turn: Turn) -> Result<Place, CommandError> {
    match turn {
        Turn::Taken(place) => Ok(place),
        Turn::Now => place_now(hook, question).map_err(CommandError::Refused),
        Turn::WhenFree => loop {
            if let Some(place) = hook.place(question) {
                return Ok(place);
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        },
    }
}

/// A place for a question, or `RATELIMIT`.
pub(super) fn place_now(hook: &SendHook, question: &Question) -> Result<Place, Error> {
    hook.place(question).ok_or_else(|| {
        hook.count_refused();
        Error::ratelimit(RETRY_MS)
    })
}

/// The answer of the service cannot be used, or there is none.
pub(in crate::operations) fn no_verdict() -> Error {
    Error::new(ErrorCode::Unavailable, "this cannot be judged now; try again")
}

fn rejected(reason: String) -> Error {
    let message = if reason.is_empty() { "not accepted here".to_owned() } else { reason };
    Error { message: message.into(), ..Error::with_word(ErrorCode::Denied, "hook", "") }
}

fn unanswered() -> CommandError {
    CommandError::Unavailable(crate::upstream::Unavailable::Unreachable)
}

fn refused(error: impl Into<Error>) -> CommandError {
    CommandError::Refused(error.into())
}
