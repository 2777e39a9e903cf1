//! Reading rooms on from their places: replies of `CHAT.SYNC` and `CHAT.HISTORY` to events that are sent.
//!
//! The one idea: a loss is an event too. Where a room does not know our place any more, a `lost` event
//! goes first, then its messages as they are now, then what follows. So a receiver always learns that
//! something is missing, in its place in the room's order.

use std::sync::Arc;

use bytes::Bytes;
use chat_protocol::id::Id;
use redis::Value;
use serde::Deserialize;
use serde_json::json;

use crate::upstream::commands::{self, Bounds, Command, Part, Reader};
use crate::upstream::replies;
use crate::upstream::{CommandError, Upstream};
use crate::webhook::place::Place;
use crate::webhook::sending::Event;
use crate::webhook::servers::Failure;
use crate::webhook::settings::Settings;

/// What is read of one room at a time.
const BOUNDS: Bounds = Bounds { count: Some(200), bytes: Some(256 << 10) };

/// What was read of a room.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Events to send, in order.
    pub(super) events: Vec<Event>,
    /// Where to read on after all of them; `None`: the room is gone.
    pub(super) next: Option<Place>,
    /// Whether there is more to read there.
    pub(super) more: bool,
}

/// What is read of an event to decide whether it is wanted.
#[derive(Deserialize)]
struct Header {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    imported: bool,
}

/// Reads rooms on, all in one call. Errors of a room: it cannot be read now, or not at all.
pub(super) async fn read(
    upstream: &Upstream,
    settings: &Settings,
    rooms: &[(Arc<str>, Option<Place>)],
) -> Vec<Result<Page, Failure>> {
    let asked = rooms.iter().map(|(room, place)| question(room, *place)).collect();
    let replies = upstream.call(asked).await;
    let pages = rooms.iter().zip(replies).map(|((room, place), reply)| {
        let reader = PageReader { room, settings };
        match (reply, place) {
            (Ok(value), Some(Place::Anew { until, .. })) => reader.history(value, *until),
            (Ok(value), Some(Place::At(at))) => reader.sync(value, *at, true),
            (Ok(value), None) => reader.sync(value, Id::ZERO, false),
            // The room went while it was read from the beginning: its next reading says so.
            (Err(CommandError::Refused(error)), Some(Place::Anew { until, .. }))
                if error.code == "NOROOM" =>
            {
                Ok(Page { events: Vec::new(), next: Some(Place::At(*until)), more: true })
            }
            (Err(error), _) => Err(error.into()),
        }
    });
    pages.collect()
}

fn question(room: &str, place: Option<Place>) -> Command {
    match place {
        Some(Place::Anew { after, .. }) => {
            commands::history(room, Part::After(after), BOUNDS, Reader::Backend)
        }
        Some(Place::At(id)) => commands::sync(room, id, BOUNDS, Reader::Backend),
        None => commands::sync(room, Id::ZERO, BOUNDS, Reader::Backend),
    }
}

struct PageReader<'a> {
    room: &'a Arc<str>,
    settings: &'a Settings,
}

impl PageReader<'_> {
    /// `was_read`: something of this room was sent before.
    fn sync(&self, value: Value, at: Id, was_read: bool) -> Result<Page, Failure> {
        let synced = replies::Synced::read(value)?;
        if synced.newest == Id::ZERO {
            // Whether there was more after `at` is not known any more.
            let told = was_read.then(|| self.lost(at, None, Place::At(at)));
            return Ok(Page { events: told.into_iter().collect(), next: None, more: false });
        }
        if !synced.recovered {
            let until = synced.newest;
            let next = Place::Anew { after: Id::ZERO, until };
            let events = vec![self.lost(at, Some(until), next)];
            return Ok(Page { events, next: Some(next), more: true });
        }
        let (mut events, mut at) = (Vec::new(), at);
        for json in synced.events {
            let (header, id) = header(&json)?;
            if self.settings.wants(&header.kind, header.imported) {
                events.push(self.event(header, at, Place::At(id), json));
            }
            at = id;
        }
        Ok(Page { events, next: Some(Place::At(at)), more: synced.more })
    }

    fn history(&self, value: Value, until: Id) -> Result<Page, Failure> {
        let page = replies::Page::read(value)?;
        let (mut events, mut after) = (Vec::new(), Id::ZERO);
        let end = Page { events: Vec::new(), next: Some(Place::At(until)), more: true };
        let is_empty = page.events.is_empty();
        for json in page.events {
            let (header, id) = header(&json)?;
            // The others are events that follow.
            if id > until {
                return Ok(Page { events, ..end });
            }
            if self.settings.wants(&header.kind, header.imported) {
                let next = Place::Anew { after: id, until };
                events.push(self.event(header, after, next, json));
            }
            after = id;
        }
        if is_empty || !page.more {
            return Ok(Page { events, ..end });
        }
        Ok(Page { events, next: Some(Place::Anew { after, until }), more: true })
    }

    fn event(&self, header: Header, after: Id, next: Place, json: Vec<u8>) -> Event {
        let json = match self.settings.is_bare {
            true => {
                let bare = json!({"id": header.id, "room": &**self.room, "type": header.kind});
                bare.to_string().into()
            }
            false => Bytes::from(json),
        };
        Event { room: self.room.clone(), id: header.id, after, next, json }
    }

    /// Tells that events after `after` were lost; `until`: up to this one; none: the room is gone.
    fn lost(&self, after: Id, until: Option<Id>, next: Place) -> Event {
        let mut told = json!({"type": "lost", "room": &**self.room, "after": after.to_string()});
        let until = match until {
            Some(until) => {
                told["until"] = until.to_string().into();
                until.to_string()
            }
            None => {
                told["gone"] = true.into();
                "gone".to_owned()
            }
        };
        let id = format!("lost {after} {until}");
        Event { room: self.room.clone(), id, after, next, json: told.to_string().into() }
    }
}

fn header(json: &[u8]) -> Result<(Header, Id), Failure> {
    let header: Header = serde_json::from_slice(json).map_err(|_| Failure::Reply)?;
    let id = Id::parse(header.id.as_bytes()).ok_or(Failure::Reply)?;
    Ok((header, id))
}

/// The event of this id, which follows `after`, as it is now. `None`: the room does not have it any
/// more.
pub(super) async fn one(
    upstream: &Upstream,
    settings: &Settings,
    room: &str,
    id: &str,
    after: Id,
) -> Result<Option<Event>, Failure> {
    let bounds = Bounds { count: Some(1), bytes: None };
    let found = upstream.call_one(commands::sync(room, after, bounds, Reader::Backend)).await?;
    let synced = replies::Synced::read(found)?;
    let mut events = synced.events;
    if !synced.recovered {
        // The journal begins later, but a message may still be there.
        let history = commands::history(room, Part::After(after), bounds, Reader::Backend);
        events = match upstream.call_one(history).await {
            Err(CommandError::Refused(_)) => return Ok(None),
            page => replies::Page::read(page?)?.events,
        };
    }
    let Some(json) = events.into_iter().next() else { return Ok(None) };
    let (header, found) = header(&json)?;
    let reader = PageReader { room: &room.into(), settings };
    let event = reader.event(header, after, Place::At(found), json);
    Ok((event.id == id).then_some(event))
}
