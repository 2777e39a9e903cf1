//! Guests and the rooms that they may read: ordinary rooms that are open to everybody.
//!
//! Redis knows them as one user. It would let that user into closed rooms of which it is a member,
//! perhaps from a time without guests; so its answers count only for open rooms.

use chat_protocol::error_code::ErrorCode;
use futures_util::FutureExt;
use redis::Value;

use crate::auth::GUEST;
use crate::client::error::Error;
use crate::hub::hub::Hub;
use crate::room::{Joiner, Room};
use crate::upstream::commands::{self, Reader};
use crate::upstream::replies::{field, text};
use crate::upstream::{CommandError, Reply};

/// Whether this user is no user, but all guests.
pub(crate) fn is_guests(hub: &Hub, user: &str) -> bool {
    hub.guests.is_some() && user == GUEST
}

/// `CHAT.ROOM_RO room AS guest` for a guest who is joining: one answer for all who do so.
pub(crate) async fn view(hub: &Hub, room: &Room, joiner: &Joiner) -> Reply {
    let view = room.guest_view(joiner, || {
        let (upstream, room) = (hub.upstream.clone(), room.name.clone());
        let asked =
            async move { upstream.call_one(commands::room(&room, Reader::User(GUEST))).await };
        asked.map(only_open).boxed().shared()
    });
    view.await
}

/// The answer to `CHAT.ROOM_RO room AS guest`, unless the room is not open.
pub(crate) fn only_open(reply: Reply) -> Reply {
    let value = reply?;
    if is_open(&value) {
        return Ok(value);
    }
    let why = ErrorCode::NotMember.text().unwrap_or_default();
    Err(CommandError::Refused(Error::new(ErrorCode::NotMember, why)))
}

fn is_open(room: &Value) -> bool {
    field(room, "access").cloned().and_then(|access| text(access).ok()).as_deref() == Some("open")
}
