//! CHAT.MEMBERS: who belongs to the room, in the order of joining.

use crate::command_error::CommandError;
use crate::decide::context::Context;
use crate::decide::page::{Page, place};
use crate::state::users::members::Role;

/// One member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Who.
    pub user: &'a str,
    /// As what.
    pub role: Role,
    /// Since when, milliseconds since the epoch.
    pub joined: u64,
}

/// Answers CHAT.MEMBERS as `reader` may see it: those whose names begin with `prefix`. Members are in
/// the order of joining, so `count` bounds those examined. Errors: also `INVALID cursor`.
pub fn answer<'a>(
    context: Context<'a, '_>,
    cursor: Option<&[u8]>,
    count: usize,
    prefix: &[u8],
    reader: Option<&str>,
) -> Result<Page<Member<'a>>, CommandError> {
    let room = context.readable(reader)?;
    let mut from = room.members.from(place(cursor)?);
    let mut items = Vec::new();
    for (_, user) in from.by_ref().take(count) {
        if let Some(entry) = room.users.get(user)
            && let Some(membership) = entry.membership()
            && entry.name.as_bytes().starts_with(prefix)
        {
            let (role, joined) = (membership.role, membership.joined);
            items.push(Member { user: &entry.name, role, joined });
        }
    }
    Ok(Page { cursor: from.next().map(|(place, _)| place.to_string()), items })
}
