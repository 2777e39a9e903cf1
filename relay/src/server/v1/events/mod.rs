//! `/v1/events`: a stream of events over HTTP (Server-Sent Events), for readers and for networks that
//! let no WebSocket through.
//!
//! A stream is a connection as a socket is one: registered in the hub, present, limited, drained,
//! closed by the same codes. Only its frames go elsewhere: the outbox is drained by a task
//! (`stream.rs`) that writes blocks (`blocks.rs`) into the body of the response. The client cannot
//! request anything, so the stream resumes its rooms by itself (`pending.rs`), by the operation that
//! clients of sockets use, and tells the client its positions (`positions.rs`). `route.rs` opens
//! streams, from the parameters that `parameters.rs` reads.

mod blocks;
mod parameters;
mod pending;
mod positions;
mod route;
mod stream;

pub(in crate::server) use route::Streams;
pub(super) use route::router;
