//! The harness of the scenarios in `it/`: real servers, real relays, real sockets, a real browser.
//!
//! Scenarios are plain threads and read from top to bottom. Every process has a directory and a
//! port of its own and ends with the value that stands for it, so all scenarios run side by side.
//! Nothing here knows the product's code: the module and the relay are met at the replies of
//! commands and at the bytes of events (`docs/reference.md`).
//!
//! - [`artefacts`]: the module and the relay under test; [`process`], [`port`]
//! - [`redis`]: a server; [`server`]: which one; [`wire`] and [`reply`]: a client of it; [`subscriber`]: of its channels;
//!   [`monitor`]: what it is asked
//! - [`relay`]: a relay; [`client`] and [`frames`]: a WebSocket client of it; [`raw_socket`]: one
//!   that knows no manners; [`browser`]: one with a screen
//! - [`proxy`]: bad weather between the two; [`clock`]: a server's wall clock, to be set;
//!   [`fixture`]: lines of C
//! - [`wait`]: waiting with a deadline; [`at_once`]: several cases side by side; [`seed`]:
//!   randomness to be had again
//! - [`traffic`], [`noise`], [`payload`]: random commands, damaged payloads; [`view`]: what a room
//!   answers; [`records`], [`fake_primary`]: what no primary of ours would send; [`people`]: who is in it; [`fold`]: what its events make of it
//! - [`checker`] and [`reader`]: nothing is lost, nothing comes twice

#![forbid(unsafe_code)]

pub mod artefacts;
pub mod at_once;
pub mod browser;
pub mod checker;
pub mod client;
pub mod clock;
pub mod fake_primary;
pub mod fixture;
pub mod fold;
pub mod frames;
pub mod listener;
pub mod monitor;
pub mod noise;
pub mod payload;
pub mod people;
pub mod port;
pub mod process;
pub mod proxy;
pub mod raw_socket;
pub mod reader;
pub mod records;
pub mod redis;
pub mod relay;
pub mod reply;
pub mod seed;
pub mod server;
pub mod subscriber;
pub mod traffic;
pub mod view;
pub mod wait;
pub mod wire;
