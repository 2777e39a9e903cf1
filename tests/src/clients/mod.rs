//! Clients of a server and of a relay, from a plain socket to a browser.

pub mod browser;
pub mod client;
pub mod frames;
pub mod listener;
pub mod raw_socket;
pub mod reply;
pub mod subscriber;
pub mod wire;
