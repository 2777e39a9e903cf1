//! CHAT.SANCTIONS: who is banned or muted, by user name.

use std::ops::Bound;

use chat_protocol::limits::USER_NAME_MAX;
use chat_protocol::names::RoomKind;

use crate::command_error::CommandError;
use crate::decide::context::Context;
use crate::decide::page::Page;
use crate::state::users::members::Role;

/// One user against whom something is held: until when, milliseconds since the epoch, 0 for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sanctioned<'a> {
    /// Who.
    pub user: &'a str,
    /// Kept out; in a personal room blocked, or its user suspended.
    pub ban: Option<u64>,
    /// Kept from writing.
    pub mute: Option<u64>,
}

/// Answers CHAT.SANCTIONS as `reader` may see it: moderators of an ordinary room, the user of a
/// personal one. COUNT bounds the entries examined, as those that are over are left out. The cursor is
/// the last user examined.
///
/// Errors: what reading is refused with, `NOTMEMBER`, `DENIED moderator`, `INVALID cursor`.
pub fn answer<'a>(
    context: Context<'a, '_>,
    cursor: Option<&[u8]>,
    count: usize,
    reader: Option<&str>,
) -> Result<Page<Sanctioned<'a>>, CommandError> {
    let room = context.readable(reader)?;
    if let (Some(user), false) = (reader, matches!(context.name.kind, RoomKind::Personal(_))) {
        match room.role(user) {
            None => return Err(CommandError::NotMember),
            Some(Role::Member) => return Err(CommandError::Denied("moderator")),
            Some(_) => {}
        }
    }
    let start = cursor.map(examined).transpose()?.map_or(Bound::Unbounded, Bound::Excluded);
    let now = context.now.ms;
    let mut rest = room.sanctions.from(start);
    let (mut items, mut last) = (Vec::new(), None);
    for (user, held) in rest.by_ref().take(count) {
        last = Some(user);
        let (ban, mute) = (held.ban_at(now), held.mute_at(now));
        if ban.or(mute).is_some() {
            items.push(Sanctioned { user, ban, mute });
        }
    }
    let cursor = last.filter(|_| rest.next().is_some()).map(str::to_owned);
    Ok(Page { cursor, items })
}

/// A cursor. Errors: `INVALID cursor`.
fn examined(bytes: &[u8]) -> Result<&str, CommandError> {
    let name = (1..=USER_NAME_MAX).contains(&bytes.len()).then_some(bytes);
    name.and_then(|bytes| std::str::from_utf8(bytes).ok())
        .ok_or(CommandError::invalid("cursor", "what the page before has answered"))
}
