//! The network side: the listener, HTTP, and the session of each WebSocket connection.

mod admission;
mod auth;
mod http;
mod http_connections;
pub(crate) mod server;
pub(crate) mod session;
mod static_files;
