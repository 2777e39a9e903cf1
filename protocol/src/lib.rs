//! What the module, the relay and the tests share, so that they cannot disagree.
//!
//! Each definition stands here once: the rules for [`names`], event [`id`]s, fixed bounds
//! ([`limits`]), the words of errors ([`error_code`]), [`glob`] patterns, WebSocket close codes
//! ([`close_code`]), the [`slot`] of a key and the beginning of every event ([`event_header`]).
//!
//! The crate knows neither Redis nor sockets. It never panics on input, and allocates nothing but a
//! compiled pattern.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "the module uses this crate, and a panic in a command would stop Redis"
    )
)]

pub mod close_code;
pub mod error_code;
pub mod event_header;
pub mod every_byte;
pub mod glob;
pub mod id;
pub mod limits;
pub mod names;
pub mod slot;
pub mod visibility;
