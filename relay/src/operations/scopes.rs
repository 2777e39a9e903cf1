//! What a token allows its user to request: an upper bound, checked before an operation runs.
//!
//! The store still decides about everything that passes. What only the store can know is left to it:
//! whether a room exists (`NOCREATE`) and whose message it is (`OWN`). Without tokens there are no
//! bounds, except that no user comes near the room in which relays announce themselves.

use std::sync::Arc;

use chat_protocol::error_code::ErrorCode;
use chat_protocol::names::{RoomKind, room_kind};

use crate::auth::Scope;
use crate::client::connection::Connection;
use crate::client::error::Error;
use crate::client::request::Fields;
use crate::hub::presence;
use crate::hub::relays::RELAYS;
use crate::operations::context::Context;
use crate::room::subscribers::PendingFlush;
use crate::upstream::Command;

/// The right that an operation needs, by its fields.
pub(super) type Need = fn(&Context, &Fields<'_>) -> Option<Scope>;

pub(super) const NOTHING: Need = |_, _| None;
pub(super) const VIEW: Need = |_, _| Some(Scope::View);
pub(super) const READ: Need = |_, _| Some(Scope::Read);
pub(super) const SEND: Need = |_, _| Some(Scope::Send);
/// Blocking needs the right to send; everything else is moderating.
pub(super) const MODERATE: Need = |context, fields| {
    let is_block = matches!(fields.optional_text("action"), Ok(Some(action)) if matches!(&*action, "ban" | "unban"));
    Some(if is_block && is_own_room(context, fields) { Scope::Send } else { Scope::Moderate })
};
/// Reading a room's settings, writing one's own profile, or setting up another room.
pub(super) const ROOM: Need = |context, fields| {
    Some(match (fields.raw("set"), is_own_room(context, fields)) {
        (None, _) => Scope::View,
        (Some(_), true) => Scope::Send,
        (Some(_), false) => Scope::Moderate,
    })
};

/// Whom the user blocks, or who is sanctioned in another room.
pub(super) const SANCTIONS: Need = |context, fields| {
    Some(if is_own_room(context, fields) { Scope::Send } else { Scope::Moderate })
};

fn is_own_room(context: &Context, fields: &Fields<'_>) -> bool {
    fields.room().is_ok_and(|room| is_personal_room(context.user(), &room))
}

fn is_personal_room(user: &str, room: &str) -> bool {
    room_kind(room) == Some(RoomKind::Personal(user))
}

/// Refuses with `DENIED scope` what the token does not allow: the operation, or the room that it
/// names.
pub(super) fn check(context: &Context, need: Need, fields: &Fields<'_>) -> Result<(), Error> {
    if let Some(identity) = context.connection.identity()
        && need(context, fields).is_some_and(|scope| !identity.scopes.has(scope))
    {
        return Err(denied());
    }
    match fields.room() {
        Ok(room) if !admits(context, &room) => Err(denied()),
        // A wrong name is for the operation to refuse.
        _ => Ok(()),
    }
}

/// `DENIED scope`
pub(super) fn denied() -> Error {
    Error::with_word(ErrorCode::Denied, "scope", "the credential does not allow this")
}

/// Whether the token allows this.
pub(super) fn has(context: &Context, scope: Scope) -> bool {
    context.connection.identity().is_none_or(|identity| identity.scopes.has(scope))
}

/// Whether the token is for this room. That of the relays is for no user.
pub(super) fn admits(context: &Context, room: &str) -> bool {
    if room == RELAYS && !context.caller.is_backend() {
        return false;
    }
    let identity = context.connection.identity();
    identity.is_none_or(|identity| identity.rooms.admits(context.user(), room))
}

/// Whether the token allows sending to this room.
pub(super) fn may_send(context: &Context, room: &str) -> bool {
    has(context, Scope::Send) && admits(context, room)
}

/// The same command, which makes no ordinary room if the token does not allow that.
pub(super) fn creating(context: &Context, room: &str, command: Command) -> Command {
    match room_kind(room) {
        Some(RoomKind::Ordinary) => creating_ordinary(context, command),
        _ => command,
    }
}

/// As [`creating`], of an ordinary room.
pub(super) fn creating_ordinary(context: &Context, command: Command) -> Command {
    if has(context, Scope::Create) { command } else { command.without_creating() }
}

/// The same command, which changes only the user's own messages if the token does not allow more.
pub(super) fn changing(context: &Context, command: Command) -> Command {
    if has(context, Scope::Moderate) { command } else { command.own_only() }
}

/// Ends receiving rooms that the token does not allow, with a frame `gone` for each.
pub(super) fn leave_forbidden_rooms(context: &Context) {
    let (hub, connection) = (&context.hub, &context.connection);
    let mut pending_flush = PendingFlush::new();
    for name in connection.rooms() {
        if may_receive(context, &name) {
            continue;
        }
        if let Some(room) = hub.room(&name) {
            room.expel(connection, &denied(), &mut pending_flush);
        }
        end_presence(context, connection, &name);
    }
    hub.flush(pending_flush);
}

/// Whether the token allows receiving this room. One's own personal room is always received.
fn may_receive(context: &Context, room: &str) -> bool {
    is_personal_room(context.user(), room) || (has(context, Scope::View) && admits(context, room))
}

fn end_presence(context: &Context, connection: &Arc<Connection>, room: &str) {
    if presence::is_present(connection, room) {
        presence::end_in_background(&context.hub, connection, room);
    }
}
