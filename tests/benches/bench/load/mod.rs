//! What produces and receives the load, cheaply, and the barest server to compare with.

// The barest server.
pub(crate) mod bare;
// The barest chat over Redis.
pub(crate) mod bare_chat;
// A relay, or the bare server, with many clients.
pub(crate) mod crowd;
// WebSocket frames as bytes.
pub(crate) mod frame;
// A cheap client of Redis.
pub(crate) mod pipe;
// Many sockets in one thread.
pub(crate) mod swarm;
