//! Streams of events over HTTP.

// What is in a stream, and when.
mod blocks;
// Why a stream ends, and what happens then.
mod ends;
// How many streams there may be.
mod limits;
// Which requests open no stream.
mod refusals;
// Coming back: to another relay, after a kill, with any Last-Event-ID.
mod resume;

use chat_tests::clients::event_stream::{EventStream, Wanted};
use chat_tests::servers::relay::Relay;

/// A stream of these rooms for a user whose name is trusted, once it has begun.
#[track_caller]
pub(crate) fn open(relay: &Relay, user: &str, rooms: &str) -> EventStream {
    let target = format!("/v1/events?user={user}&rooms={rooms}");
    let stream = Wanted::get(&target).open(relay.address());
    let stream = stream.unwrap_or_else(|refused| panic!("{target}: {refused:?}"));
    stream.wait_named("hello");
    stream
}
