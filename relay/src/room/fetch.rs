//! What a newcomer to a room asks Redis for, once for all who ask the same at the same time.
//!
//! Reads here are the backend's, without `AS`: the answer is shared. Whoever hands it to a user has
//! asked `CHAT.ROOM_RO … AS user` first.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use chat_protocol::error_code::ErrorCode;
use chat_protocol::id::Id;
use futures_util::future::{FutureExt, Shared};

use crate::client::error::Error;
use crate::metrics::METRICS;
use crate::upstream::commands::{self, Bounds, Part, Reader};
use crate::upstream::replies::{Keep, PAGE_BYTES, Page, Synced, page_json};
use crate::upstream::{Command, CommandError, Upstream};

/// EncodedBatch in a newest page.
pub(crate) const PAGE_EVENTS: usize = 50;
/// EncodedBatch asked for in one `CHAT.SYNC`.
pub(crate) const SYNC_EVENTS: usize = 1000;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// The newest page.
    Page,
    /// Everything after this cursor; if it is unknown, the newest page.
    Since(Id),
}

/// What came, ready to be put into a reply.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// Whether the cursor was known; None: none was given.
    pub recovered: Option<bool>,
    /// The position of a client that has processed this answer, and its next cursor.
    pub last: Id,
    /// Ids of the events in it.
    pub known: Vec<Id>,
    /// The client must go on from `last` before it can receive live events.
    pub unfinished: bool,
    /// `"last":…,"events":[…],"more":…`.
    pub json: String,
}

/// An answer, under way or there.
pub(crate) type Fetch = Shared<Pin<Box<dyn Future<Output = Result<Arc<Fetched>, Error>> + Send>>>;

/// Begins to ask.
pub(crate) fn fetch(upstream: Arc<Upstream>, room: Arc<str>, key: Key) -> Fetch {
    let asked = async move {
        let fetched = match key {
            Key::Page => page(&upstream, &room, None).await?,
            Key::Since(cursor) => since(&upstream, &room, cursor).await?,
        };
        Ok(Arc::new(fetched))
    };
    asked.boxed().shared()
}

async fn since(upstream: &Upstream, room: &str, cursor: Id) -> Result<Fetched, Error> {
    METRICS.resumes.increment(1);
    let synced =
        Synced::read(upstream.call_one(sync_command(room, cursor, Reader::Backend)).await?)?;
    if !synced.recovered {
        return page(upstream, room, Some(false)).await;
    }
    let mut page = Page { newest: synced.newest, events: synced.events, more: synced.more };
    page.bound(Keep::Oldest);
    let known = page.ids();
    // With more to come, the client's cursor is the last event it has, not the newest of the room.
    let last = if page.more { known.last().copied().unwrap_or(cursor) } else { page.newest };
    let json = page_json(last, &page.events, page.more);
    Ok(Fetched { recovered: Some(true), last, known, unfinished: page.more, json })
}

async fn page(upstream: &Upstream, room: &str, recovered: Option<bool>) -> Result<Fetched, Error> {
    METRICS.resumes.increment(1);
    let page = newest_page(upstream, room, PAGE_EVENTS).await?;
    let (last, known, json) = (page.newest, page.ids(), page.json());
    Ok(Fetched { recovered, last, known, unfinished: false, json })
}

/// The newest page of a room, as the backend sees it; a missing room has an empty one.
pub(crate) async fn newest_page(
    upstream: &Upstream,
    room: &str,
    count: usize,
) -> Result<Page, Error> {
    let bounds = Bounds { count: Some(count as u64), bytes: Some(PAGE_BYTES) };
    let command = commands::history(room, Part::Newest, bounds, Reader::Backend);
    match upstream.call_one(command).await {
        Ok(value) => {
            let mut page = Page::read(value)?;
            page.bound(Keep::Newest);
            Ok(page)
        }
        Err(CommandError::Refused(error)) if error.is(ErrorCode::NoRoom) => Ok(Page::empty()),
        Err(error) => Err(error.into()),
    }
}

/// `CHAT.SYNC` from this cursor, as much as one reply holds.
pub(crate) fn sync_command(room: &str, cursor: Id, reader: Reader<'_>) -> Command {
    let bounds = Bounds { count: Some(SYNC_EVENTS as u64), bytes: Some(PAGE_BYTES) };
    commands::sync(room, cursor, bounds, reader)
}
