//! The fuzz targets: each takes any bytes for what comes from outside in one form and panics if a
//! promise is broken.
//!
//! `cargo test -p chat-fuzz` runs them over the corpus in `fuzz/corpus` and mutations of it, on any
//! toolchain; the crate in `fuzz/` hands the same functions to libFuzzer.

#![forbid(unsafe_code)]

mod arguments;
mod relay;
mod requests;
mod rooms;
mod tokens;

pub use arguments::arguments;
pub use relay::{events, frames, protocol, replies};
pub use requests::requests;
pub use rooms::{records, stored};
pub use tokens::tokens;

/// A function that takes any bytes.
pub type Target = fn(&[u8]);

/// All targets. The name is that of the folder in the corpus and of the binary of cargo-fuzz.
pub const TARGETS: &[(&str, Target)] = &[
    ("stored", stored),
    ("records", records),
    ("arguments", arguments),
    ("frames", frames),
    ("protocol", protocol),
    ("events", events),
    ("tokens", tokens),
    ("requests", requests),
    ("replies", replies),
];
