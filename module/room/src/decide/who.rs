//! CHAT.WHO: the users online, in the order of arrival.

use crate::command_error::CommandError;
use crate::decide::context::Context;
use crate::decide::page::{Page, place};

/// A user online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Present<'a> {
    /// The user.
    pub user: &'a str,
    /// The status with the highest precedence among those of all connections.
    pub status: &'a str,
    /// The number of connections.
    pub connections: u32,
    /// When the user came online, milliseconds since the epoch.
    pub since: u64,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who<'a> {
    /// Users online.
    pub users: usize,
    /// Connections online.
    pub connections: usize,
    /// A page of the users.
    pub page: Page<Present<'a>>,
}

/// Answers CHAT.WHO for `reader`. Errors: those of reading, `INVALID cursor`.
pub fn answer<'a>(
    context: Context<'a, '_>,
    cursor: Option<&[u8]>,
    count: usize,
    reader: Option<&str>,
) -> Result<Who<'a>, CommandError> {
    let room = context.readable(reader)?;
    let mut from = room.presence.arrivals.from(place(cursor)?);
    let mut items = Vec::new();
    for (_, user) in from.by_ref().take(count) {
        let Some(entry) = room.users.get(user) else { continue };
        if let Some(online) = room.presence.online(user, entry) {
            items.push(Present {
                user: &entry.name,
                status: online.statuses.shown(),
                connections: online.statuses.connections(),
                since: online.since(),
            });
        }
    }
    let page = Page { cursor: from.next().map(|(place, _)| place.to_string()), items };
    Ok(Who { users: room.online(), connections: room.connections(), page })
}
