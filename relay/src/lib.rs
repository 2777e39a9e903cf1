//! The relay of redis-chat: WebSocket frames to `CHAT.*` commands, room channels to frames.
//!
//! **A request.** `server/server.rs` accepts a socket, `server/http.rs` upgrades it and
//! `server/auth.rs` names its user. The session (`server/session.rs`) reads frames
//! (`client/frame_reader.rs`) within the user's rate limit (`rate_limit/`), parses one request
//! (`client/request.rs`) and runs its operation (`operations/`), which sends commands to Redis
//! (`upstream/`). The reply is queued in the connection's outbox (`client/outbox.rs`).
//!
//! **An event.** The upstream receives it on the room's channel. The hub (`hub/dispatch.rs`) finds
//! its room and keeps it in the event queue (`hub/event_queue.rs`) until everything that arrived with
//! it has been read. Then it reads the event's head (`event.rs`), and the room's ordering rule
//! (`room/ordering.rs`) decides whether the event continues the last one. If so, the room encodes it
//! once (`room/batch.rs`, `client/frame.rs`) and queues it for each subscriber
//! (`room/subscribers.rs`). If not, one `CHAT.SYNC` (`hub/sync.rs`) closes the gap first.
//!
//! The relay holds no truth: everything here can be lost at any moment without losing a message.
#![forbid(unsafe_code)]

mod client;
mod config;
mod contact;
mod event;
mod hub;
mod metrics;
mod operations;
mod panics;
mod rate_limit;
mod room;
mod server;
mod upstream;

pub use config::{Args, Config, LogFormat};
pub use server::server::Server;

/// What the fuzz targets call: everything that reads bytes from outside.
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::client::frame_reader::{Found, FrameReader, ReadError, Step};
    pub use crate::client::json::{text, write};
    pub use crate::client::reply::{error, ok};
    pub use crate::client::request::{Fields, Request};
    pub use crate::event::text as event_text;
}
