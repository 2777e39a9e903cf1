//! `drop` and `moved`: what a sync must confirm before clients hear of it.
//!
//! In a cluster a key that is removed may only have moved to another node, and a key that has moved
//! may have been deleted on the way. So both events start a sync, and only its answer says whether
//! the room is gone. Clients get `drop` then and continue without it otherwise. They never get
//! `moved`.

use chat_protocol::event_header::{EventHeader, MOVED};
use chat_protocol::id::Id;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::client::frame::{self, Frame};
use crate::client::json;
use crate::room::room::{Room, State};
use crate::room::subscribers::PendingFlush;

/// A `drop` that no sync has confirmed.
pub(super) struct Dropped {
    frame: Frame,
    confirmed_by: Finding,
    /// It had arrived when the current sync was sent.
    is_asked: bool,
}

/// What confirms it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Finding {
    /// There is no room.
    NoRoom,
    /// There is no room, or it has another past.
    OtherPast,
}

/// The module's event, for a room whose deletion it took for a move.
#[derive(Serialize)]
struct DropEvent<'a> {
    #[serde(serialize_with = "json::display")]
    last: Id,
    room: &'a str,
    r#type: &'a str,
    ts: &'a RawValue,
    reason: &'a str,
}

impl State {
    /// A `drop` or `moved` has arrived. The caller starts a sync, unless there is no position, and so
    /// nobody to tell.
    pub(super) fn note_drop(&mut self, room: &str, head: &EventHeader<'_>, last: Option<Id>) {
        let Some(position) = self.order.last() else { return };
        self.order.sync_again();
        let (frame, confirmed_by) = match head.kind {
            MOVED => {
                let ts = head.raw("ts").and_then(|ts| serde_json::from_slice(ts).ok());
                let (last, ts) = (last.unwrap_or(position), ts.unwrap_or(RawValue::NULL));
                let event = DropEvent { last, room, r#type: "drop", ts, reason: "deleted" };
                (frame::text(json::write(&event).as_bytes()), Finding::NoRoom)
            }
            _ => (frame::text(head.bytes()), Finding::OtherPast),
        };
        // A `drop` is certain of the past that it names; a later `moved` is not.
        if confirmed_by == Finding::OtherPast || self.dropped.is_none() {
            self.dropped = Some(Dropped { frame, confirmed_by, is_asked: false });
        }
    }

    /// A sync is sent.
    pub(super) fn ask_about_drop(&mut self) {
        if let Some(dropped) = &mut self.dropped {
            dropped.is_asked = true;
        }
    }

    /// The sync has continued the room's past.
    pub(super) fn forget_drop(&mut self) {
        self.dropped.take_if(|dropped| dropped.is_asked);
    }

    /// The sync has found another past, or no room: `newest` is the room's newest id. Delivers the
    /// `drop` that this confirms. False: it confirms none.
    pub(super) fn deliver_drop(&mut self, newest: Id, pending_flush: &mut PendingFlush) -> bool {
        let Some(dropped) = self.dropped.take_if(|dropped| dropped.is_asked) else { return false };
        let is_confirmed = newest == Id::ZERO || dropped.confirmed_by == Finding::OtherPast;
        if is_confirmed {
            self.subscribers.queue_ephemeral(&dropped.frame, |_| true, pending_flush);
        }
        is_confirmed
    }
}

impl Room {
    /// As [`State::deliver_drop`], for a room that was empty before and is now: nothing is reloaded.
    pub(super) fn deliver_drop_of_empty(
        &self,
        state: &mut State,
        pending_flush: &mut PendingFlush,
    ) {
        if state.deliver_drop(Id::ZERO, pending_flush) {
            self.reset_contacts(state, pending_flush);
        }
    }
}
