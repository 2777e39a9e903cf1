//! Durable events of presence in a personal room (`chat.presence-log`).
//!
//! The module publishes such a join or leave twice: as a durable event for the user's own
//! connections, and as an ephemeral one for contacts. The second names the first as the newest id.

use chat_protocol::event_header::EventHeader;
use chat_protocol::id::Id;

/// A durable event of presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LoggedPresence {
    id: Id,
    left: bool,
}

impl LoggedPresence {
    /// Reads a durable event; `None`: it is not one of presence.
    pub(super) fn of(id: Id, head: &EventHeader<'_>) -> Option<LoggedPresence> {
        let left = if head.kind == "presence" { left(head)? } else { return None };
        Some(LoggedPresence { id, left })
    }

    /// Whether this ephemeral event says the same. `last`: the newest id that it names.
    pub(super) fn is_repeated_by(self, head: &EventHeader<'_>, last: Option<Id>) -> bool {
        last == Some(self.id) && head.kind == "presence" && left(head) == Some(self.left)
    }
}

/// Whether a user went offline; `None`: only the status changed.
fn left(head: &EventHeader<'_>) -> Option<bool> {
    match head.raw("kind")? {
        br#""join""# => Some(false),
        br#""leave""# => Some(true),
        _ => None,
    }
}
