//! CHAT.IMPORT: stores a message of the past.
//!
//! The number that the message gets is part of the command, so an import that was cut off begins
//! again anywhere and stores nothing twice.

use chat_protocol::id::Id;
use chat_protocol::names::Actor;

use crate::codec::record::Record;
use crate::codec::record_content::NewMessage;
use crate::command_error::CommandError;
use crate::decide::context::{Context, Creation};
use crate::decide::decision::Decision;
use crate::decide::send::{content, kind_of};
use crate::decide::trim::{Added, trim};
use crate::state::log::id_lead::TOLERANCE;
use crate::state::log::message_body::{Body, Mentions};

/// `CHAT.IMPORT` with its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Import<'a> {
    /// The author.
    pub user: Actor<'a>,
    /// When the message was sent, milliseconds since the epoch.
    pub ts: u64,
    /// As in CHAT.SEND.
    pub text: &'a [u8],
    /// AT: the number of the message.
    pub m: u64,
    /// KIND.
    pub kind: Option<&'a str>,
    /// META.
    pub meta: Option<&'a [u8]>,
    /// REPLY.
    pub reply: Option<Id>,
}

/// Decides CHAT.IMPORT. Reply: the id of message number `m`; `None`: it is no longer stored.
///
/// Errors: `INVALID at` if `m` is not the next number, `INVALID ts` if `ts` is before the newest
/// message or more than a second in the future, `DENIED online` while somebody is online, those of
/// a message's content.
pub fn decide<'a>(
    context: Context<'_, 'a>,
    import: Import<'a>,
    decision: &mut Decision<'a>,
) -> Result<Option<Id>, CommandError> {
    let Context { room, now, .. } = context;
    if let Actor::User(user) = import.user {
        context.check_name_access(user)?;
    }
    let kind = kind_of(import.user, import.kind)?;
    let max = context.max_text_for(Actor::Backend);
    let (text, meta) = content(import.text, import.meta, max)?;
    let newest = room.messages.last();
    if (1..=newest).contains(&import.m) {
        return Ok(room.messages.get(import.m).map(|message| message.id));
    }
    if import.m != newest + 1 {
        return Err(CommandError::invalid("at", "the number of the newest message plus one"));
    }
    // The time of a message may be ahead of the clock of its server, also of the one it was exported
    // from a moment ago.
    let newest = room.messages.newest().map_or(0, |message| room.message_time(message));
    if !(newest.min(now.ms)..=now.ms + TOLERANCE).contains(&import.ts) {
        let hint = "not before the newest message, nor more than a second in the future";
        return Err(CommandError::invalid("ts", hint));
    }
    if room.online() > 0 {
        return Err(CommandError::Denied("online"));
    }
    if let Some(id) = import.reply {
        context.living(id)?;
    }
    context.create_room(Actor::Backend, Creation::Allowed, decision)?;

    let prev = decision.last;
    let id = decision.next_id(now);
    let body = Body {
        since_previous: id.ms.saturating_sub(prev.ms),
        kind,
        text,
        meta,
        reply: import.reply,
        mentions: Mentions::default(),
        nonce: None,
        edited: None,
        deleted: None,
        imported: Some(import.ts),
    };
    let author = import.user.as_str();
    decision.record(Record::Message(NewMessage { id, author, body, digest: None }));
    let bytes = text.len() + meta.map_or(0, str::len);
    trim(context, room.settings(), Added::messages(1, bytes), decision);
    Ok(Some(id))
}
