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

/// A `drop` that no sync has confirmed.
struct Dropped {
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
    #[serde(serialize_with = "json::id")]
    last: Id,
    room: &'a str,
    r#type: &'a str,
    ts: &'a RawValue,
    reason: &'a str,
}

/// The `drop` that waits, if there is one.
#[derive(Default)]
pub(super) struct PendingDrop(Option<Dropped>);

impl PendingDrop {
    /// A `drop` or `moved` has arrived, of a room whose newest id was `last`. The caller starts a
    /// sync. A room that only has presence has no id, so after its move a sync cannot tell whether
    /// it is gone: then nothing is told.
    pub(super) fn note(&mut self, room: &str, head: &EventHeader<'_>, last: Id) {
        if head.kind == MOVED && last == Id::ZERO {
            return;
        }
        let (frame, confirmed_by) = match head.kind {
            MOVED => {
                let ts = head.raw("ts").and_then(|ts| serde_json::from_slice(ts).ok());
                let ts = ts.unwrap_or(RawValue::NULL);
                let event = DropEvent { last, room, r#type: "drop", ts, reason: "deleted" };
                (frame::text(json::write(&event).as_bytes()), Finding::NoRoom)
            }
            _ => (frame::text(head.bytes()), Finding::OtherPast),
        };
        // A `drop` is certain of the past that it names; a later `moved` is not.
        if confirmed_by == Finding::OtherPast || self.0.is_none() {
            self.0 = Some(Dropped { frame, confirmed_by, is_asked: false });
        }
    }

    /// A sync is sent.
    pub(super) fn ask(&mut self) {
        if let Some(dropped) = &mut self.0 {
            dropped.is_asked = true;
        }
    }

    /// The sync has continued the room's past.
    pub(super) fn forget(&mut self) {
        self.0.take_if(|dropped| dropped.is_asked);
    }

    /// The sync has found another past, or no room: `newest` is the room's newest id. Returns the
    /// `drop` that this confirms.
    pub(super) fn confirm(&mut self, newest: Id) -> Option<Frame> {
        let dropped = self.0.take_if(|dropped| dropped.is_asked)?;
        let is_confirmed = newest == Id::ZERO || dropped.confirmed_by == Finding::OtherPast;
        is_confirmed.then_some(dropped.frame)
    }
}
