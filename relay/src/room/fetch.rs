//! What a joining connection fetches from Redis, shared by all that fetch the same at the same
//! time.
//!
//! These reads are the backend's, without `AS`, because the answer is shared. Before an answer goes
//! to a user, that user's access is checked with `CHAT.ROOM_RO … AS user`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use chat_protocol::error_code::ErrorCode;
use chat_protocol::id::Id;
use chat_protocol::limits::COUNT_MAX;
use futures_util::future::{BoxFuture, FutureExt, Shared};

use crate::client::error::Error;
use crate::client::reply::PAGE_BYTES;
use crate::metrics::METRICS;
use crate::upstream::commands::{self, Bounds, Part, Reader};
use crate::upstream::replies::{Keep, Page, Synced, page_json};
use crate::upstream::{Command, CommandError, Reply, Upstream};

/// Events in a newest page.
pub(crate) const PAGE_EVENTS: usize = 50;
/// Events requested in one `CHAT.SYNC`.
pub(crate) const SYNC_EVENTS: usize = COUNT_MAX;

/// What is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// The newest page.
    Page,
    /// The events after this cursor. If the room does not know the cursor, the newest page.
    Since(Id),
}

/// A fetched answer, ready for replies.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// Whether the room knew the cursor. None: no cursor was given.
    pub recovered: Option<bool>,
    /// The client's position and cursor once it has processed this answer.
    pub last: Id,
    /// The ids of the events in the answer.
    pub known: Vec<Id>,
    /// The client must fetch more, from `last`, before it can receive live events.
    pub unfinished: bool,
    /// `"last":…,"events":[…],"more":…`.
    pub json: String,
}

/// An answer, in progress or complete.
pub(crate) type Fetch = Shared<Pin<Box<dyn Future<Output = Result<Arc<Fetched>, Error>> + Send>>>;

/// The answer to `CHAT.ROOM_RO … AS guest`, in progress or complete.
pub(crate) type View = Shared<BoxFuture<'static, Reply>>;

/// An answer, the epoch in which it was asked for, and when.
pub(super) struct KeptView {
    pub(super) epoch: u64,
    pub(super) at: Instant,
    pub(super) view: View,
}

/// Starts to fetch.
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
    // If more follows, the client's cursor is the last event in the answer, not the room's newest.
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

/// The newest page of a room as the backend sees it. A room that does not exist has an empty page.
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

/// `CHAT.SYNC` from this cursor, bounded by what one reply may hold.
pub(crate) fn sync_command(room: &str, cursor: Id, reader: Reader<'_>) -> Command {
    let bounds = Bounds { count: Some(SYNC_EVENTS as u64), bytes: Some(PAGE_BYTES) };
    commands::sync(room, cursor, bounds, reader)
}
