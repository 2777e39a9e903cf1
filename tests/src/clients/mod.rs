//! Clients of a server and of a relay, from a plain socket to a browser.

/// A response over HTTP.
pub mod answer;
/// Headless Chromium.
pub mod browser;
/// A chat client: operations, replies, events.
pub mod client;
/// A client of a cluster that follows redirects.
pub mod cluster_wire;
/// The description of the API over HTTP.
pub mod described;
/// A stream of events over HTTP.
pub mod event_stream;
/// The client side of a WebSocket.
pub mod frames;
/// An HTTP client of a relay.
pub mod http;
/// A thread that collects pushed replies.
pub mod listener;
/// A WebSocket client that sends arbitrary bytes.
pub mod raw_socket;
/// A parsed reply and its bytes.
pub mod reply;
/// A plain connection to Redis.
pub mod wire;
