//! The listener, HTTP, and the session of each WebSocket connection.

mod auth;
mod http;
mod http_connections;
pub mod server;
pub mod session;
mod static_files;
