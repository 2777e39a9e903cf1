//! Blocking: the block in a personal room, and its copy in the direct room.
//!
//! `CHAT.MOD @bob bob BAN alice` is the block itself. No command reads two keys, and the two rooms may
//! lie on different nodes, so the direct room has a copy: `CHAT.MOD dm:alice,bob bob MUTE alice`. It
//! makes that room refuse by itself what alice writes. [`write()`] writes the block first and the copy
//! second; a message decided before the second write is stored.
//!
//! A block may be in the personal room alone: a backend wrote only that, a relay crashed between the
//! two writes, or the direct room did not exist. So each connection asks once per direct room, before
//! the first thing that it writes there ([`check`]), and copies what it finds. The answer holds for
//! the connection, because a later block is copied by the one who writes it. This is only true if the
//! room existed before the question; so until then every message asks, and later ones never create
//! the room.
//!
//! The copy is read again in the personal room after it is written, so that a block and its end at
//! the same time leave both rooms alike. A question beside the message in one pipeline would be none:
//! the block could come in between, and its copy before the message.

use std::sync::Arc;

use chat_protocol::error_code::ErrorCode;
use chat_protocol::names::{RoomKind, room_kind};

use crate::client::error::Error;
use crate::hub::access::{Access, read_access};
use crate::hub::now_ms;
use crate::operations::context::Context;
use crate::upstream::commands::{self, Moderation, Reader};
use crate::upstream::replies::{RoomView, integer};
use crate::upstream::{Command, CommandError};

/// How often a copy is corrected, if the block changes each time meanwhile.
const CORRECTIONS: usize = 3;

/// The other user of a direct room. None: it is no direct room of this user.
pub(in crate::operations) fn other_side<'a>(user: &str, room: &'a str) -> Option<&'a str> {
    match room_kind(room)? {
        RoomKind::Direct(first, second) if first == user => Some(second),
        RoomKind::Direct(first, second) if second == user => Some(first),
        _ => None,
    }
}

/// What a connection knows of a direct room before it writes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::operations) enum Checked {
    /// Nothing that holds for the next message: this one may create the room.
    Once,
    /// The room exists, and refuses by itself whom the other user blocks.
    InRoom,
}

/// Refuses with `BANNED` what would reach the other side of a direct room whose user blocks this
/// one. Asks Redis once per connection and direct room that exists; without a connection each time.
pub(in crate::operations) async fn check(
    context: &Context,
    room: &str,
) -> Result<Checked, CommandError> {
    let Some(other) = other_side(context.user(), room) else { return Ok(Checked::Once) };
    if context.caller.receives() && context.checked_rooms.holds(room) {
        return Ok(Checked::InRoom);
    }
    // Boxed: it is rare, and each send would be that much larger.
    Box::pin(ask(context, room, other)).await
}

async fn ask(context: &Context, room: &str, other: &str) -> Result<Checked, CommandError> {
    let (user, receives) = (context.user(), context.caller.receives());
    // First whether there is a room, and only then whether there is a block.
    let exists = receives && view(context, room, user).await?.is_some();
    let block = Block { owner: other, user, room: room.to_owned() };
    match block.refusal(context).await? {
        Some(error) => {
            // It refuses this in any case, and the next attempt asks again.
            let _ = block.copy_if_missing(context, &error).await;
            Err(CommandError::Refused(error))
        }
        None if exists => {
            context.checked_rooms.note(room);
            Ok(Checked::InRoom)
        }
        None => Ok(Checked::Once),
    }
}

/// The error for the client: in a direct room a mute is a block.
pub(in crate::operations) fn as_block(room: &str, error: Error) -> Error {
    let is_direct = matches!(room_kind(room), Some(RoomKind::Direct(..)));
    if !is_direct || !error.is(ErrorCode::Muted) {
        return error;
    }
    Error { argument: error.argument, ..Error::new(ErrorCode::Banned, banned_text()) }
}

fn banned_text() -> &'static str {
    ErrorCode::Banned.text().unwrap_or_default()
}

/// Executes the command that blocks or unblocks `user` in the personal room `room`, and does the same
/// in the direct room. None: the command does something else. Returns whether anything has changed.
///
/// After an error of the second write the block is in the personal room alone; repeating the request
/// repeats both. Both are written even if the connection is lost meanwhile.
pub(in crate::operations) fn write(
    context: &Arc<Context>,
    command: &Command,
    moderation: &Moderation<'_>,
) -> Option<impl Future<Output = Result<bool, Error>> + use<>> {
    let kind = match moderation.action {
        "BAN" => Kind::Begins { for_ms: moderation.for_ms },
        "UNBAN" => Kind::Ends,
        _ => return None,
    };
    let Some(RoomKind::Personal(owner)) = room_kind(moderation.room) else { return None };
    if owner == moderation.user {
        return None;
    }
    let (owner, user) = (owner.to_owned(), moderation.user.to_owned());
    let (context, command) = (context.clone(), command.clone());
    let writing = tokio::spawn(async move {
        let has_changed = integer(&context.ask(command).await?)? != 0;
        let room = direct_room(&owner, &user);
        let block = Block { owner: &owner, user: &user, room };
        Ok(block.copy(&context, kind).await? || has_changed)
    });
    Some(async { writing.await.unwrap_or_else(|_| Err(Error::unavailable())) })
}

/// The name of the direct room of two users.
fn direct_room(one: &str, other: &str) -> String {
    let (first, second) = if one < other { (one, other) } else { (other, one) };
    format!("dm:{first},{second}")
}

/// What happens to a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It begins, and ends by itself after this time, if given.
    Begins { for_ms: Option<u64> },
    /// It ends.
    Ends,
}

/// That `owner` blocks `user`, in their direct room.
struct Block<'a> {
    owner: &'a str,
    user: &'a str,
    room: String,
}

impl Block<'_> {
    /// The error by which the personal room says that the block exists.
    async fn refusal(&self, context: &Context) -> Result<Option<Error>, CommandError> {
        let asked = commands::room(&format!("@{}", self.owner), Reader::User(self.user));
        match read_access(context.hub.upstream.call_one(asked).await) {
            Access::Denied(error) if error.is(ErrorCode::Banned) => Ok(Some(error)),
            // A personal room is closed to other users anyway, and it may not exist.
            Access::Denied(_) | Access::Granted => Ok(None),
            Access::Unknown(error) => Err(error),
        }
    }

    /// Copies a block that was found, unless the direct room does not exist or refuses the user
    /// already.
    async fn copy_if_missing(&self, context: &Context, found: &Error) -> Result<(), CommandError> {
        let view = view(context, &self.room, self.user).await?;
        if view.is_some_and(|view| !view.is_muted()) {
            self.copy(context, self.of_error(found)).await?;
        }
        Ok(())
    }

    /// The block that an error describes. Its end is by the clock of Redis.
    fn of_error(&self, error: &Error) -> Kind {
        let until = error.number().filter(|until| *until > 0);
        Kind::Begins { for_ms: until.map(|until| until.saturating_sub(now_ms()).max(1)) }
    }

    /// Writes the copy, and again as long as the personal room says otherwise. Returns whether
    /// anything has changed.
    async fn copy(&self, context: &Context, kind: Kind) -> Result<bool, CommandError> {
        let mut kind = kind;
        let mut has_changed = false;
        for _ in 0..CORRECTIONS {
            match self.write(context, kind).await? {
                // The first message of the other user will ask.
                None => return Ok(false),
                Some(changed) => has_changed |= changed,
            }
            kind = match (kind, self.refusal(context).await?) {
                (Kind::Begins { .. }, None) => Kind::Ends,
                (Kind::Ends, Some(error)) => self.of_error(&error),
                _ => return Ok(has_changed),
            };
        }
        Ok(has_changed)
    }

    /// Mutes or unmutes in the direct room. The reason stays with the owner. None: there is no such
    /// room.
    async fn write(&self, context: &Context, kind: Kind) -> Result<Option<bool>, CommandError> {
        let (action, for_ms) = match kind {
            Kind::Begins { for_ms } => ("MUTE", for_ms),
            Kind::Ends => ("UNMUTE", None),
        };
        let command = commands::moderate(&Moderation {
            room: &self.room,
            actor: self.owner,
            action,
            user: self.user,
            role: None,
            for_ms,
            reason: None,
        });
        match context.hub.upstream.call_one(command).await {
            Ok(changed) => Ok(Some(integer(&changed).is_ok_and(|changed| changed != 0))),
            Err(CommandError::Refused(error)) if error.is(ErrorCode::NoRoom) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What this user sees of a room. None: it does not exist.
async fn view(context: &Context, room: &str, user: &str) -> Result<Option<RoomView>, CommandError> {
    match context.hub.upstream.call_one(commands::room(room, Reader::User(user))).await {
        Ok(reply) => Ok(Some(RoomView::read(&reply))),
        Err(CommandError::Refused(error)) if error.is(ErrorCode::NoRoom) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_two_has_an_other_side() {
        let rows = [
            ("alice", "dm:alice,bob", Some("bob")),
            ("bob", "dm:alice,bob", Some("alice")),
            ("carol", "dm:alice,bob", None),
            ("alice", "lobby", None),
            ("alice", "@bob", None),
        ];
        for (user, room, expected) in rows {
            assert_eq!(other_side(user, room), expected, "{user} in {room}");
        }
    }

    #[test]
    fn two_users_have_one_direct_room() {
        for (one, other) in [("alice", "bob"), ("bob", "alice"), ("Z", "a"), ("a", "ab")] {
            let room = direct_room(one, other);
            assert!(matches!(room_kind(&room), Some(RoomKind::Direct(..))), "{room}");
            assert_eq!(room, direct_room(other, one));
        }
    }

    #[test]
    fn only_in_a_direct_room_a_mute_is_a_block() {
        let rows = [
            ("dm:alice,bob", "MUTED", "17", "BANNED"),
            ("dm:alice,bob", "NOTMEMBER", "", "NOTMEMBER"),
            ("lobby", "MUTED", "17", "MUTED"),
        ];
        for (room, code, details, expected) in rows {
            let error = as_block(room, Error::from_reply(code, details));
            assert_eq!(error.code, expected, "{room} {code}");
            assert_eq!(error.number(), details.parse().ok(), "{room} {code}");
        }
    }
}
