//! The processes under test and what stands between them.

/// An application that gives pages their tokens.
pub mod application;
/// Paths of the module, the relay and the server.
pub mod artefacts;
/// A certificate authority.
pub mod authority;
/// nginx, HAProxy or Caddy in front of two relays.
pub mod balancer;
/// A wall clock that a scenario can set.
pub mod clock;
/// A cluster of servers with the module.
pub mod cluster;
/// A server that plays a primary.
pub mod fake_primary;
/// Lines of C, compiled on demand.
pub mod fixture;
/// A `chat-relay forward` process.
pub mod forwarder;
/// A service that judges what users write.
pub mod hook_server;
/// An HTTP server whose answers a scenario makes.
pub mod http_server;
/// A file of API keys.
pub mod key_file;
/// A server of JSON Web Key Sets.
pub mod key_server;
/// A TCP proxy that delays, cuts and blocks.
pub mod proxy;
/// A redis-server with the module.
pub mod redis;
/// A chat-relay process.
pub mod relay;
/// Sentinels, and the servers that they watch.
pub mod sentinel;
/// What the server under test can do.
pub mod server;
/// The server of an application with sessions.
pub mod session_server;
/// What holds rooms.
pub mod store;
/// An issuer of tokens.
pub mod tokens;
