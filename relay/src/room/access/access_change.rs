//! Which events may change who may read a room. Such an event pauses the users it concerns;
//! `pauses.rs` says how they continue.

use std::borrow::Cow;

use chat_protocol::event_header::EventHeader;

use crate::client::request;
use crate::event;
use crate::room::room::State;

/// The users whose access an event may have changed.
pub(in crate::room) enum AccessChange<'a> {
    Everyone,
    User(Cow<'a, str>),
}

/// The users whose access this event may have changed.
pub(in crate::room) fn access_change<'a>(head: &EventHeader<'a>) -> Option<AccessChange<'a>> {
    match head.kind {
        "member" if event::text(head, "kind").as_deref() == Some("leave") => {
            Some(AccessChange::User(event::text(head, "user")?))
        }
        "room" if may_close(head) => Some(AccessChange::Everyone),
        _ => None,
    }
}

impl State {
    /// Pauses the users whose access an event may have changed. Answers from before the event no
    /// longer count.
    pub(in crate::room) fn pause_for(&mut self, change: &AccessChange<'_>) {
        self.epoch += 1;
        match change {
            AccessChange::Everyone => self.pause(|_| true),
            AccessChange::User(user) => self.pause(|connection| *connection.user == **user),
        }
    }
}

/// Whether this change of settings may take away somebody's access.
fn may_close(head: &EventHeader<'_>) -> bool {
    let settings = request::Fields::of(head.raw("data").unwrap_or_default());
    settings.raw("access").is_some_and(|access| access != "\"open\"")
}
