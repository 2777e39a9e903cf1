//! The network side: the listener, HTTP, and the session of each WebSocket connection.

mod admission;
mod auth;
mod client_address;
mod first_frame;
mod handshake;
mod http;
mod http_connections;
mod login;
mod observed;
mod proxies;
mod proxy_header;
mod refused;
pub(crate) mod server;
pub(crate) mod session;
mod static_files;
pub(crate) mod v1;

use crate::hub::logins::user_connections;
