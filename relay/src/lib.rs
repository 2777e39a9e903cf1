//! The relay of redis-chat: WebSocket frames to `CHAT.*` commands, room channels to frames.
//!
//! **A request.** `server/server.rs` accepts a socket, `server/http.rs` upgrades it and
//! `server/auth.rs` determines its user, by a token or session (`auth/`) or by the query. The session
//! (`server/session.rs`) reads frames (`client/frame_reader.rs`) within the user's rate limit
//! (`rate_limit/users.rs`), parses one request (`client/request.rs`) and executes its operation
//! (`operations/execute.rs`), which sends commands (`upstream/commands.rs`) to Redis and reads their
//! replies (`upstream/replies.rs`). The reply is queued in the connection's outbox
//! (`client/outbox.rs`) and written (`client/connection.rs`).
//!
//! Over HTTP, `server/v1/` makes the same frames of requests to `/v1`, and returns the replies.
//!
//! **An event.** Redis sends it on the room's channel, and a connection (`upstream/connection/`)
//! receives it. It waits in the event queue (`hub/event_queue.rs`) until everything that arrived
//! with it has been read. Then it is dispatched to its room (`hub/dispatch.rs`), whose ordering
//! rule (`room/ordering.rs`) decides whether it continues the last delivered event. If so, the room
//! delivers it (`room/delivery.rs`): it is encoded once, with its neighbours (`room/batch.rs`), and
//! queued in the outbox of every subscriber (`room/subscribers.rs`); the flusher (`hub/flusher.rs`)
//! writes the outboxes. If not, one `CHAT.SYNC` closes the gap first (`hub/sync.rs`).
//!
//! **The layers**, the lowest first. A file uses only its own layer and lower ones, and no two files
//! use each other; a test checks both.
//!
//! 1. `clock`, `contact`, `event`, `metrics`, `panics`, `trace`, `auth`: credentials, `config`,
//!    `http_client`
//! 2. `rate_limit`, `logging`, `verification`: keys that are fetched, sessions of an application,
//!    `send_hook`: the service that judges what users write
//! 3. `client`: one socket
//! 4. `upstream`: Redis
//! 5. `room`: one room, `watch`: patterns of rooms
//! 6. `hub`: all rooms and connections
//! 7. `operations`: what clients request; `forward`: events to a stream,
//!    `webhook`: events to an HTTP service
//! 8. `server`: HTTP and sessions
//! 9. `cli`: subcommands
//! 10. `lib`, `main`
//!
//! The relay holds no truth: everything here can be lost at any moment without losing a message.
#![forbid(unsafe_code)]

mod auth;
mod cli;
mod client;
mod clock;
mod config;
mod contact;
mod event;
mod forward;
mod http_client;
mod hub;
pub mod logging;
mod metrics;
mod operations;
mod panics;
mod rate_limit;
mod room;
mod send_hook;
mod server;
mod trace;
mod upstream;
mod verification;
mod watch;
mod webhook;

pub use cli::Invocation;
pub use config::Config;
pub use server::server::Server;

/// What the fuzz targets call: everything that reads bytes from outside.
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::auth::{
        Identity, Key, LEEWAY, LoginError, Proof, RoomFilter, Rules, Scope, Scopes, TOKEN_MAX,
        Verifier, WatchFilter, jwks_keys, pem_keys, secret_key, session_identity,
    };
    pub use crate::client::frame_reader::{Found, FrameReader, ReadError, Step};
    pub use crate::client::json::{text, write};
    pub use crate::client::reply::{error, ok};
    pub use crate::client::request::{Fields, Request};
    pub use crate::event::text as event_text;
    pub use crate::server::v1::frame_of;
    pub use crate::upstream::{Item, Push, ReplyReader, Unreadable};
}
