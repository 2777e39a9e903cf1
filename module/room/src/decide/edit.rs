//! CHAT.EDIT and CHAT.DELETE: a message gets another text, or goes for good.

use chat_protocol::id::Id;
use chat_protocol::names::Actor;
use chat_protocol::visibility;

use crate::bytes::json;
use crate::codec::record::Record;
use crate::command_error::CommandError;
use crate::decide::context::Context;
use crate::decide::decision::Decision;
use crate::decide::trim::{Added, trim};
use crate::state::users::members::Role;

/// CHAT.EDIT room user id text [META json], as it came.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    /// Who edits.
    pub user: Actor<'a>,
    /// The message's id.
    pub id: &'a [u8],
    /// UTF-8; without anything to see only if the message has meta.
    pub text: &'a [u8],
    /// META; absent: as it was.
    pub meta: Option<&'a [u8]>,
    /// OWN.
    pub whose: MessageScope,
}

/// CHAT.DELETE room user id [REASON s] [OWN], as it came.
#[derive(Clone, Copy, Debug)]
pub struct Delete<'a> {
    /// Who deletes.
    pub user: Actor<'a>,
    /// The message's id.
    pub id: &'a [u8],
    /// REASON.
    pub reason: Option<&'a str>,
    /// OWN.
    pub whose: MessageScope,
}

/// Whose messages a command may touch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageScope {
    /// One's own, and of those who keep order everybody's.
    #[default]
    Permitted,
    /// OWN: one's own, by the rules for authors.
    Own,
}

/// Decides CHAT.EDIT. Reply: the id of the edit. Errors: `NOMSG`, `DENIED moderator` for somebody
/// else's message or one older than `chat.edit-window`, what writing is refused with, and what a
/// text is refused with.
pub fn edit<'a>(
    context: Context<'_, 'a>,
    edit: Edit<'a>,
    decision: &mut Decision<'a>,
) -> Result<Id, CommandError> {
    let Context { room, limits, now, .. } = context;
    let Edit { user, id, text, meta, whose } = edit;
    context.check_may_change(user)?;
    let (message, m) = context.message(id)?;
    let own = keeps_order(context, user, whose, m)? == Power::Own;
    let window = limits.edit_window;
    if own && window > 0 && message.ms.saturating_add(window) <= now.id_ms {
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
    context.consume_rate(user, decision)?;
    let id = decision.next_id(now);
    decision.record(Record::Edit { id, user: user.as_str(), message, text, meta });
    let bytes = text.len() + meta.map_or(0, str::len);
    trim(context, room.settings(), Added::messages(0, bytes), decision);
    Ok(id)
}

/// Decides CHAT.DELETE. Reply: the id of the deletion. Errors: `NOMSG`, `DENIED moderator` for
/// somebody else's message, what reading is refused with, `RATELIMIT`. Who may not speak may delete,
/// but not say why.
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
    keeps_order(context, user, whose, m)?;
    context.consume_rate(user, decision)?;
    let id = decision.next_id(context.now);
    decision.record(Record::Delete { id, user: user.as_str(), message, reason });
    trim(context, context.room.settings(), Added::default(), decision);
    Ok(id)
}

/// What lets somebody touch a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Power {
    Own,
    UserList,
}

/// Whether `actor` may touch message `m`. Errors: `DENIED moderator`.
fn keeps_order(
    context: Context<'_, '_>,
    actor: Actor<'_>,
    whose: MessageScope,
    m: u64,
) -> Result<Power, CommandError> {
    let room = context.room;
    let author = room.messages.get(m).map(|message| room.users.name(message.author));
    let own = author == Some(actor.as_str());
    match actor {
        _ if whose == MessageScope::Own && own => Ok(Power::Own),
        _ if whose == MessageScope::Own => Err(CommandError::Denied("moderator")),
        Actor::Backend => Ok(Power::UserList),
        Actor::User(user) if room.role(user) >= Some(Role::Moderator) => Ok(Power::UserList),
        Actor::User(_) if own => Ok(Power::Own),
        Actor::User(_) => Err(CommandError::Denied("moderator")),
    }
}
