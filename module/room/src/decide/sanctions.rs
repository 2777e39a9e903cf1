//! CHAT.SANCTIONS: the banned and muted users, ordered by name.

use std::ops::Bound;

use chat_protocol::limits::USER_NAME_MAX;
use chat_protocol::names::RoomKind;

use crate::command_error::CommandError;
use crate::decide::context::Context;
use crate::decide::page::Page;
use crate::state::users::members::Role;

/// A banned or muted user. Times of expiry are milliseconds since the epoch, 0: never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sanctioned<'a> {
    /// The user.
    pub user: &'a str,
    /// When the ban expires. In a personal room it is a block, or the suspension of its user.
    pub ban: Option<u64>,
    /// When the mute expires.
    pub mute: Option<u64>,
}

/// Answers CHAT.SANCTIONS for `reader`: a moderator of an ordinary room, or the user of a personal
/// room. COUNT bounds the entries that are examined, as expired ones are left out. The cursor is
/// the last user examined.
///
/// Errors: those of reading, `NOTMEMBER`, `DENIED moderator`, `INVALID cursor`.
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

/// Parses the cursor. Errors: `INVALID cursor`.
fn examined(bytes: &[u8]) -> Result<&str, CommandError> {
    let name = (1..=USER_NAME_MAX).contains(&bytes.len()).then_some(bytes);
    name.and_then(|bytes| std::str::from_utf8(bytes).ok())
        .ok_or(CommandError::invalid("cursor", "what the page before has answered"))
}
