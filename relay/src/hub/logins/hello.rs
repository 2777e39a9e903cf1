//! The first frame of a connection: who the client is, and the limits that hold for it.

use crate::auth::Scope;
use crate::client::connection::Connection;
use crate::client::json;
use crate::client::relay_frame::{Limits, RelayFrame};
use crate::client::reply::PAGE_BYTES;
use crate::config::Config;
use crate::room::fetch;

/// The frame `hello`, which a client receives before any other event. `expires_in`: the seconds that
/// the token is still valid.
pub(in crate::hub) fn hello(
    config: &Config,
    connection: &Connection,
    expires_in: Option<u64>,
) -> String {
    let identity = connection.identity();
    let may_join = |room: &&str| {
        identity.as_ref().is_none_or(|identity| {
            identity.scopes.has(Scope::Read) && identity.rooms.admits(&connection.user, room)
        })
    };
    let joined: Vec<&str> = config.auto_join.iter().map(String::as_str).filter(may_join).collect();
    json::write(&RelayFrame::Hello {
        v: 1,
        relay: &config.name,
        connection: &connection.name,
        user: &connection.user,
        ping_ms: config.ping.as_millis(),
        grace_ms: config.grace.as_millis(),
        limits: Limits {
            frame: config.max_frame,
            rooms: config.max_rooms,
            operations_per_second: config.operations_per_second,
            frames_per_second: config.frames_per_second,
            bytes_per_second: config.bytes_per_second,
            page_events: fetch::PAGE_EVENTS,
            page_bytes: PAGE_BYTES,
            nonce_window_ms: config.nonce_window.as_millis(),
        },
        expires_in,
        joined: &joined,
    })
}
