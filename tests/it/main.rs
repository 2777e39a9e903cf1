//! The scenarios against real servers and relays: one file per property, one folder per area, in
//! one binary. `cargo test -p chat-tests --test it -- presence::` runs a folder.

#![forbid(unsafe_code)]

mod browser;
mod faults;
mod moderation;
mod module;
mod nothing_is_missing;
mod presence;
mod relay;
