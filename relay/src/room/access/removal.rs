//! Which events remove connections from a room, and how a removed connection is notified.

use std::borrow::Cow;
use std::sync::Arc;

use chat_protocol::close_code;
use chat_protocol::event_header::EventHeader;
use chat_protocol::names::{RoomKind, room_kind};

use crate::client::connection::Connection;
use crate::client::outbox::Class;
use crate::client::relay_frame::{Gone, RelayFrame};
use crate::event;
use crate::room::room::Room;
use crate::room::subscribers::{PendingFlush, queue};

/// Why connections were removed.
#[derive(Clone, Debug)]
pub(in crate::room) enum Removal {
    /// They have events that the room does not have (or may not have): they must join again with
    /// their cursors.
    Diverged,
    Kicked {
        /// The moderator's reason.
        reason: Option<String>,
    },
    Banned {
        /// Milliseconds since the epoch. 0: forever.
        until_ms: u64,
        reason: Option<String>,
    },
}

/// The user that an event removes from the room, and why. None: it removes nobody.
pub(in crate::room) fn removal<'a>(head: &EventHeader<'a>) -> Option<(Cow<'a, str>, Removal)> {
    if head.kind == "erase" {
        return Some((event::text(head, "user")?, Removal::Kicked { reason: None }));
    }
    if head.kind != "member" {
        return None;
    }
    let reason = || event::text(head, "reason").map(Cow::into_owned);
    let removal = match &*event::text(head, "kind")? {
        "kick" => Removal::Kicked { reason: reason() },
        "ban" => {
            let until = head.raw("until").and_then(|until| std::str::from_utf8(until).ok());
            let until_ms = until.and_then(|until| until.parse().ok()).unwrap_or(0);
            Removal::Banned { until_ms, reason: reason() }
        }
        _ => return None,
    };
    Some((event::text(head, "user")?, removal))
}

impl Room {
    /// Notifies a removed connection of the reason.
    pub(in crate::room) fn notify_removed(
        &self,
        connection: &Arc<Connection>,
        removal: &Removal,
        pending_flush: &mut PendingFlush,
    ) {
        let personal = matches!(room_kind(&self.name), Some(RoomKind::Personal(_)));
        let (code, until_ms, reason) = match removal {
            Removal::Diverged => ("UNAVAILABLE", None, &None),
            // A kick from the user's own personal room closes all sockets of the user.
            Removal::Kicked { reason } if personal => {
                return connection.close(close_code::KICKED, reason.as_deref());
            }
            Removal::Kicked { reason } => ("KICKED", None, reason),
            Removal::Banned { until_ms, reason } => ("BANNED", Some(*until_ms), reason),
        };
        let why = Gone::Removed { code, until_ms, reason: reason.as_deref() };
        let gone = RelayFrame::Gone { room: &self.name, why };
        connection.remove_room(&self.name);
        queue(connection, &gone.encode(), Class::Live, pending_flush);
    }
}
