//! CHAT.SEND: checks a message and stores it once.

use crate::bytes::json;
use crate::codec::event_ephemeral::Ephemeral;
use crate::codec::record::Record;
use crate::codec::record_content::NewMessage;
use crate::command_error::CommandError;
use crate::decide::context::{Context, Creation, Judging};
use crate::decide::decision::{Decision, Step};
use crate::decide::trim::{Added, expired_nonces, trim};
use crate::state::limits::MAX_TEXT;
pub use crate::state::log::message_body::Mentions;
use chat_protocol::error_code::NONCE_USED;
use chat_protocol::id::Id;
use chat_protocol::limits::MENTIONS_MAX;
use chat_protocol::names::{self, Actor, RoomKind};
use chat_protocol::visibility;

use crate::state::log::message_body::{ACTION, Body, SYSTEM, TEXT};
use crate::state::nonces::{self, Nonce};
use crate::state::numbers::UserNumber;
use crate::state::settings::kind::Access;
use crate::state::users::members::Role;

/// `CHAT.SEND` with its arguments.
#[derive(Clone, Debug)]
pub struct Send<'a> {
    /// The sender.
    pub user: Actor<'a>,
    /// UTF-8. It may show nothing only if there is `meta`.
    pub text: &'a [u8],
    /// NONCE.
    pub nonce: Option<&'a str>,
    /// KIND; absent: `text`, or `system` from the backend.
    pub kind: Option<&'a str>,
    /// META.
    pub meta: Option<&'a [u8]>,
    /// REPLY.
    pub reply: Option<&'a [u8]>,
    /// MENTION.
    pub mentions: Mentions<'a>,
    /// EPHEMERAL: published, not stored.
    pub ephemeral: bool,
    /// NOCREATE.
    pub creation: Creation,
    /// NOHOOK.
    pub judging: Judging,
}

impl<'a> Send<'a> {
    /// A command with a text only.
    pub fn plain(user: Actor<'a>, text: &'a [u8]) -> Send<'a> {
        Send {
            user,
            text,
            nonce: None,
            kind: None,
            meta: None,
            reply: None,
            mentions: Mentions::default(),
            ephemeral: false,
            creation: Creation::Allowed,
            judging: Judging::Done,
        }
    }
}

/// Decides CHAT.SEND. Reply: the id; `None` if ephemeral.
///
/// The look-up of the nonce comes before every other check: a repeat gets the first reply, whatever
/// happened since.
pub fn decide<'a>(
    context: Context<'_, 'a>,
    send: &Send<'a>,
    decision: &mut Decision<'a>,
) -> Result<Option<Id>, CommandError> {
    let Context { room, limits, now, .. } = context;
    let digest = match (send.nonce, send.ephemeral) {
        // A text that long was never stored, so the nonce needs no look-up.
        (Some(_), false) if send.text.len() as u64 > MAX_TEXT.max => {
            return Err(CommandError::TooBig(MAX_TEXT.max));
        }
        (Some(name), false) => {
            let digest = nonces::digest(send.text);
            if let Some(id) = stored_before(context, send.user, name, digest)? {
                return Ok(Some(id));
            }
            Some(digest)
        }
        _ => None,
    };

    allowed(&context, send, decision)?;
    context.check_judged(send.judging)?;

    let kind = kind_of(send.user, send.kind)?;
    let max = context.max_text_for(send.user);
    let (text, meta) = content(send.text, send.meta, max)?;
    let reply = send.reply.map(|id| context.message(id).map(|(id, _)| id)).transpose()?;

    let author = send.user.as_str();
    let body = |since_previous| Body {
        since_previous,
        kind,
        text,
        meta,
        reply,
        mentions: send.mentions,
        nonce: send.nonce,
        edited: None,
        deleted: None,
        imported: None,
    };
    if send.ephemeral {
        // It takes no id: that could leave a record, even in a room that does not exist.
        decision.event(Ephemeral::Message { user: author, body: body(0) });
        return Ok(None);
    }
    let prev = decision.last;
    let id = decision.next_id(now);
    let body = body(id.ms.saturating_sub(prev.ms));
    // A nonce is never removed early, so a room with too many of them refuses the message.
    if digest.is_some() && room.nonces.len() as u64 >= limits.nonce_max {
        let expired = expired_nonces(context);
        if (room.nonces.len() - expired) as u64 >= limits.nonce_max {
            let oldest = room.nonces.get(expired).map_or(now.ms, |nonce| nonce.id.ms);
            let free_at = oldest.saturating_add(limits.nonce_window);
            return Err(CommandError::RateLimit(free_at.saturating_sub(now.ms).max(1)));
        }
    }
    decision.record(Record::Message(NewMessage { id, author, body, digest }));
    let bytes = text.len() + meta.map_or(0, str::len);
    trim(context, room.settings(), Added::messages(1, bytes), decision);
    Ok(Some(id))
}

/// The users who are to get a notice of the message that [`decide`] has stored under `id`, or had
/// stored before: NOTICES. The other user of a direct room comes first, then the mentioned users.
/// The sender is never one of them, nor a user who may not read the room.
///
/// A repeat gets those of the message as stored, because it may name others; none if the message is
/// deleted or the sender may not write any more.
pub fn recipients(
    context: Context<'_, '_>,
    send: &Send<'_>,
    id: Id,
    decision: &Decision<'_>,
) -> Vec<Box<str>> {
    let mentions = if decision.steps.is_empty() {
        match repeated_mentions(context, send.user, id) {
            Some(mentions) => mentions,
            None => return Vec::new(),
        }
    } else {
        send.mentions
    };
    let other = match (context.name.kind, send.user) {
        (RoomKind::Direct(first, second), Actor::User(user)) if user == first => Some(second),
        (RoomKind::Direct(first, _), Actor::User(_)) => Some(first),
        _ => None,
    };
    let is_for = |user: &&str| {
        *user != send.user.as_str() && Some(*user) != other && may_read(context, user)
    };
    other.into_iter().chain(mentions.names().filter(is_for)).map(Box::from).collect()
}

/// The mentions of a stored message, if it may still be noticed.
fn repeated_mentions<'r>(
    context: Context<'r, '_>,
    sender: Actor<'_>,
    id: Id,
) -> Option<Mentions<'r>> {
    context.check_may_change(sender).ok()?;
    let message = context.room.messages.get(context.living(id).ok()?)?;
    Some(Body::mentioned(message.body))
}

/// Whether `user` may read the room, which the message may create.
fn may_read(context: Context<'_, '_>, user: &str) -> bool {
    matches!(context.readable(Some(user)), Ok(_) | Err(CommandError::NoRoom))
}

/// The kind of a message of `user`. Errors: `DENIED backend`.
#[inline]
pub(super) fn kind_of<'a>(user: Actor<'_>, kind: Option<&'a str>) -> Result<&'a str, CommandError> {
    let from_backend = user == Actor::Backend;
    match kind.unwrap_or(if from_backend { SYSTEM } else { TEXT }) {
        SYSTEM if !from_backend => Err(CommandError::Denied("backend")),
        kind => Ok(kind),
    }
}

/// The text and the meta of a message, checked. Errors: `TOOBIG`, `INVALID meta`, `INVALID text`.
#[inline]
pub(super) fn content<'a>(
    text: &'a [u8],
    meta: Option<&'a [u8]>,
    max: u64,
) -> Result<(&'a str, Option<&'a str>), CommandError> {
    if text.len() as u64 > max {
        return Err(CommandError::TooBig(max));
    }
    let meta = meta.map(|meta| json::object(meta, "meta")).transpose()?;
    let text =
        simdutf8::basic::from_utf8(text).map_err(|_| CommandError::invalid("text", "UTF-8"))?;
    if !visibility::shows(text) && meta.is_none() {
        return Err(CommandError::invalid("text", "something to see, unless META is given"));
    }
    Ok((text, meta))
}

/// The id that the first send with this nonce got; `None`: there was none. Errors: `INVALID nonce`
/// if its text was another one.
fn stored_before(
    context: Context<'_, '_>,
    user: Actor<'_>,
    name: &str,
    digest: u64,
) -> Result<Option<Id>, CommandError> {
    let Some(nonce) = remembered(context, user, name) else {
        return Ok(None);
    };
    if nonce.digest != digest && nonce.digest != nonces::FORGOTTEN {
        return Err(CommandError::invalid("nonce", NONCE_USED));
    }
    Ok(Some(nonce.id))
}

/// Answers CHAT.SENT: the id that a send with this nonce got, whatever its text was; `None`: there
/// was none, or it is older than the nonce window.
pub fn sent(context: Context<'_, '_>, user: Actor<'_>, name: &str) -> Option<Id> {
    remembered(context, user, name).map(|nonce| nonce.id)
}

/// The nonce of a stored send, unless its window is over.
fn remembered<'r>(context: Context<'r, '_>, user: Actor<'_>, name: &str) -> Option<&'r Nonce> {
    let Context { room, limits, now, .. } = context;
    let number = match user {
        Actor::Backend => Some(UserNumber::BACKEND),
        Actor::User(user) => room.users.find(user),
    };
    let nonce = room.nonces.find(number?, name)?;
    (nonce.id.ms.saturating_add(limits.nonce_window) > now.ms).then_some(nonce)
}

/// Checks that the sender may send here. Adds the steps that create the room and make the sender a
/// member.
fn allowed<'a>(
    context: &Context<'_, 'a>,
    send: &Send<'a>,
    decision: &mut Decision<'a>,
) -> Result<(), CommandError> {
    let room = context.room;
    let user = match send.user {
        // The backend may publish to a room that does not exist, without creating it.
        Actor::Backend if send.ephemeral => return Ok(()),
        Actor::Backend => return context.create_room(send.user, send.creation, decision),
        Actor::User(user) => user,
    };
    context.check_admission(user)?;
    if send.ephemeral {
        context.readable(Some(user))?;
    }
    context.create_room(send.user, send.creation, decision)?;
    if room.is_blank() || !context.is_ordinary() {
        context.check_may_write(user, None)?;
        return context.consume_rate(send.user, decision);
    }
    let role = room.role(user);
    if role.is_none() && room.settings().access == Access::Members {
        return Err(CommandError::NotMember);
    }
    context.check_may_write(user, role)?;
    let slow = room.settings().slow.filter(|_| role < Some(Role::Moderator));
    let mut wait = 0;
    if let Some(slow) = slow {
        wait = room.rate_limits.wait_slow(user, slow, context.now.monotonic_ms);
        decision.steps.push(Step::NoteSent(user));
    }
    context.consume_rate_after(wait, send.user, decision)?;
    if role.is_none() && !send.ephemeral {
        context.add_member(user, Role::Member, None, decision)?;
    }
    Ok(())
}

/// Writes the users that a message mentions to `buffer`, each once.
pub fn mentions<'a>(users: &[&str], buffer: &'a mut Vec<u8>) -> Mentions<'a> {
    let mut names: Vec<&str> = Vec::with_capacity(users.len());
    for name in users {
        if !names.contains(name) {
            names.push(name);
        }
    }
    Mentions::write(&names, buffer)
}

/// Parses the kind of a message. Errors: `INVALID kind`.
pub fn kind(bytes: &[u8]) -> Result<&str, CommandError> {
    match bytes {
        b"text" => Ok(TEXT),
        b"action" => Ok(ACTION),
        b"system" => Ok(SYSTEM),
        other => Ok(names::word(other, "kind")?),
    }
}

/// Checks how many users a message mentions. Errors: `INVALID mention`.
pub fn mention_count(count: u64) -> Result<usize, CommandError> {
    usize::try_from(count)
        .ok()
        .filter(|count| (1..=MENTIONS_MAX).contains(count))
        .ok_or(CommandError::invalid("mention", "1 to 50 users"))
}
