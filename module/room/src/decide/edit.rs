//! CHAT.EDIT and CHAT.DELETE: replacing the text of a message, and deleting a message.

use chat_protocol::id::Id;
use chat_protocol::names::Actor;
use chat_protocol::visibility;

use crate::bytes::json;
use crate::codec::record::Record;
use crate::command_error::CommandError;
use crate::decide::context::{Context, Judging};
use crate::decide::decision::Decision;
use crate::decide::trim::{Added, trim};
use crate::state::users::members::Role;

/// `CHAT.EDIT room user id text [META json]` with its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    /// The actor.
    pub user: Actor<'a>,
    /// The message's id.
    pub id: &'a [u8],
    /// UTF-8. It may show nothing only if the message has meta.
    pub text: &'a [u8],
    /// META; absent: unchanged.
    pub meta: Option<&'a [u8]>,
    /// OWN.
    pub whose: MessageScope,
    /// NOHOOK.
    pub judging: Judging,
}

/// `CHAT.DELETE room user id [REASON s] [OWN]` with its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Delete<'a> {
    /// The actor.
    pub user: Actor<'a>,
    /// The message's id.
    pub id: &'a [u8],
    /// REASON.
    pub reason: Option<&'a str>,
    /// OWN.
    pub whose: MessageScope,
}

/// Which authors' messages a command may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageScope {
    /// The actor's own; a moderator's command may change all.
    #[default]
    Permitted,
    /// OWN: only the actor's own, under the rules for authors.
    Own,
}

/// Decides CHAT.EDIT. Reply: the id of the edit. Errors: `NOMSG`, `DENIED moderator` for another
/// user's message or one older than `chat.edit-window`, and the errors of writing and of a text.
pub fn edit<'a>(
    context: Context<'_, 'a>,
    edit: Edit<'a>,
    decision: &mut Decision<'a>,
) -> Result<Id, CommandError> {
    let Context { room, limits, now, .. } = context;
    let Edit { user, id, text, meta, whose, judging } = edit;
    context.check_may_change(user)?;
    let (message, m) = context.message(id)?;
    let own = authority(context, user, whose, m)? == Authority::Author;
    let window = limits.edit_window;
    if own && window > 0 && room.time_of(message).saturating_add(window) <= now.ms {
        return Err(CommandError::Denied("moderator"));
    }
    let max = context.max_text_for(user);
    if text.len() as u64 > max {
        return Err(CommandError::TooBig(max));
    }
    let text = std::str::from_utf8(text).map_err(|_| CommandError::invalid("text", "UTF-8"))?;
    let meta = meta.map(|meta| json::object(meta, "meta")).transpose()?;
    let stored = room
        .messages
        .get(m)
        .and_then(|stored| crate::state::log::message_body::Body::read(stored.body).ok());
    if !visibility::shows(text) && meta.is_none() && stored.is_none_or(|body| body.meta.is_none()) {
        return Err(CommandError::invalid("text", "something to see, unless there is META"));
    }
    context.check_judged(judging)?;
    context.consume_rate(user, decision)?;
    let id = decision.next_id(now);
    decision.record(Record::Edit { id, user: user.as_str(), message, text, meta });
    let bytes = text.len() + meta.map_or(0, str::len);
    trim(context, room.settings(), Added::messages(0, bytes), decision);
    Ok(id)
}

/// Decides CHAT.DELETE. Reply: the id of the deletion. A user who may not write may delete, but
/// without a reason. Errors: `NOMSG`, `DENIED moderator` for another user's message, `RATELIMIT`,
/// and the errors of reading.
pub fn delete<'a>(
    context: Context<'_, 'a>,
    delete: Delete<'a>,
    decision: &mut Decision<'a>,
) -> Result<Id, CommandError> {
    let Delete { user, id, reason, whose } = delete;
    match context.check_may_change(user) {
        Err(CommandError::Muted(_) | CommandError::Frozen) if reason.is_none() => {}
        other => other?,
    }
    let (message, m) = context.message(id)?;
    authority(context, user, whose, m)?;
    context.consume_rate(user, decision)?;
    let id = decision.next_id(context.now);
    decision.record(Record::Delete { id, user: user.as_str(), message, reason });
    trim(context, context.room.settings(), Added::default(), decision);
    Ok(id)
}

/// Why an actor may change a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Authority {
    Author,
    Moderator,
}

/// Checks that `actor` may change message `m`. Errors: `DENIED moderator`.
fn authority(
    context: Context<'_, '_>,
    actor: Actor<'_>,
    whose: MessageScope,
    m: u64,
) -> Result<Authority, CommandError> {
    let room = context.room;
    let author = room.messages.get(m).map(|message| room.users.name(message.author));
    let own = author == Some(actor.as_str());
    match actor {
        _ if whose == MessageScope::Own && own => Ok(Authority::Author),
        _ if whose == MessageScope::Own => Err(CommandError::Denied("moderator")),
        Actor::Backend => Ok(Authority::Moderator),
        Actor::User(user) if room.role(user) >= Some(Role::Moderator) => Ok(Authority::Moderator),
        Actor::User(_) if own => Ok(Authority::Author),
        Actor::User(_) => Err(CommandError::Denied("moderator")),
    }
}
