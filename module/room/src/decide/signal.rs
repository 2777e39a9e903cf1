//! CHAT.SIGNAL: an event that is published and not stored.

use chat_protocol::names::Actor;

use crate::bytes::json;
use crate::codec::event_ephemeral::{Ephemeral, NOTICE};
use crate::command_error::CommandError;
use crate::decide::context::{Context, Judging};
use crate::decide::decision::Decision;

/// `CHAT.SIGNAL room user name [json [NOHOOK] [FROM user]]` with its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Signal<'a> {
    /// The sender.
    pub user: Actor<'a>,
    /// What it is called.
    pub name: &'a str,
    /// A JSON object.
    pub data: Option<&'a [u8]>,
    /// NOHOOK.
    pub judging: Judging,
    /// FROM: the user for whom the backend signals.
    pub from: Option<&'a str>,
}

/// Decides CHAT.SIGNAL. The backend may signal a room that does not exist, without creating it.
///
/// Errors: `DENIED backend` for a user's `notice` or FROM, `BANNED` if the room bans the user of
/// FROM, `MUTED`, `FROZEN`, `RATELIMIT`, `INVALID data`, and the errors of reading.
pub fn decide<'a>(
    context: Context<'_, 'a>,
    signal: Signal<'a>,
    decision: &mut Decision<'a>,
) -> Result<(), CommandError> {
    let Signal { user, name, data, judging, from } = signal;
    let data = data.map(|data| json::object(data, "data")).transpose()?;
    if let Actor::User(user) = user {
        if name == NOTICE || from.is_some() {
            return Err(CommandError::Denied("backend"));
        }
        let room = context.readable(Some(user))?;
        context.check_may_write(user, room.role(user))?;
    }
    // In a personal room, the users whom its user blocks.
    if let Some(until) = from.and_then(|from| context.room.sanctions.ban(from, context.now.ms)) {
        return Err(CommandError::Banned(until));
    }
    context.check_judged(judging)?;
    context.consume_rate(user, decision)?;
    decision.event(Ephemeral::Signal { user: user.as_str(), name, data });
    Ok(())
}
