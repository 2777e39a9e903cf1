//! CHAT.MEMBERS: the members in the order of joining.

use crate::command_error::CommandError;
use crate::decide::context::Context;
use crate::decide::page::{Page, place};
use crate::state::users::members::Role;

/// One member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// The user.
    pub user: &'a str,
    /// The role.
    pub role: Role,
    /// When the user joined, milliseconds since the epoch.
    pub joined: u64,
}

/// Answers CHAT.MEMBERS for `reader`: the members whose names begin with `prefix`. `count` bounds
/// the members that are examined, as they are not ordered by name. Errors: those of reading,
/// `INVALID cursor`.
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
