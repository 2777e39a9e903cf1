//! What only `chat-relay export` and `chat-relay import` send. A relay's own user need not be allowed
//! to run these commands.

use super::{Command, Options, about_room, about_user, keyed, keyless, personal};

/// The most rooms that one `CHAT.FOLLOW` takes.
pub(crate) const FOLLOWS_MAX: usize = 1000;

/// A message of the past.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Past<'a> {
    /// The room.
    pub(crate) room: &'a str,
    /// The author.
    pub(crate) user: &'a str,
    /// When it was sent, milliseconds since the epoch.
    pub(crate) ts: u64,
    /// The text.
    pub(crate) text: &'a str,
    /// The number that it becomes.
    pub(crate) at: u64,
    /// The kind.
    pub(crate) kind: Option<&'a str>,
    /// A JSON object.
    pub(crate) meta: Option<&'a str>,
    /// The message it replies to.
    pub(crate) reply: Option<&'a str>,
}

/// `CHAT.IMPORT room user ts text AT m [KIND w] [META json] [REPLY id]`
pub(crate) fn import(past: &Past<'_>) -> Command {
    let mut command = about_user("CHAT.IMPORT", past.room, past.user);
    command.arg(past.ts).arg(past.text).option("AT", Some(past.at));
    command.option("KIND", past.kind).option("META", past.meta).option("REPLY", past.reply);
    keyed(command)
}

/// `CHAT.JOIN room user ROLE role BY *`
pub(crate) fn add(room: &str, user: &str, role: &str) -> Command {
    let mut command = about_user("CHAT.JOIN", room, user);
    command.option("ROLE", Some(role)).option("BY", Some("*"));
    keyed(command)
}

/// `CHAT.FOLLOW @user room …`
pub(crate) fn follow_all(user: &str, rooms: &[String]) -> Command {
    let mut command = about_room("CHAT.FOLLOW", &personal(user));
    command.arg(rooms);
    keyed(command)
}

/// `CHAT.ROOM_RO room SETTINGS`
pub(crate) fn settings(room: &str) -> Command {
    let mut command = about_room("CHAT.ROOM_RO", room);
    command.arg("SETTINGS");
    keyed(command)
}

/// `SCAN cursor MATCH pattern COUNT 1000 TYPE chat-room`
pub(crate) fn scan(cursor: &str, pattern: &str) -> Command {
    let mut command = redis::cmd("SCAN");
    command.arg(cursor).option("MATCH", Some(pattern)).option("COUNT", Some(1000));
    command.option("TYPE", Some("chat-room"));
    keyless(command)
}
