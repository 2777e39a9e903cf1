//! The harness of the scenarios in `it/`: real servers, real relays, real sockets, a real browser.
//!
//! Scenarios are plain threads and read from top to bottom. Every process has a directory and a
//! port of its own and ends with the value that stands for it, so all scenarios run side by side.
//! Of the product it shares only `chat-protocol`; everything else is observed in replies of commands
//! and in the bytes of events (`docs/commands.md`).
//!
//! - [`servers`]: the processes under test and what stands between them
//! - [`clients`]: of a server and of a relay, from a plain socket to a browser
//! - [`traffic`]: random commands, damaged payloads, records that no primary sends
//! - [`checking`]: what a room holds, what its events amount to, what was lost or repeated
//! - [`asyncapi`]: the description of frames, with which clients compare each
//! - [`documents`]: the Markdown files of the repository
//! - [`yaml`]: as JSON; [`tools`]: programs of this machine
//! - [`process`] and [`port`]: one process, one free port; [`wait`]: waiting with a deadline;
//!   [`at_once`]: several cases side by side; [`seed`]: repeatable randomness

#![forbid(unsafe_code)]

pub mod asyncapi;
pub mod at_once;
pub mod checking;
pub mod clients;
pub mod documents;
pub mod port;
pub mod process;
pub mod seed;
pub mod servers;
pub mod tools;
pub mod traffic;
pub mod wait;
pub mod yaml;
