//! Rate limits: how often a client may do something, without a question to Redis.
//!
//! There is one rule, the bucket (`bucket`), which refills evenly. `users` limits what a user does
//! on this relay, over all of the user's sockets; `signals` limits how often a signal is passed on.
//! The module enforces the limits of a room, such as `slow`.
//!
//! The caller passes the time, so tests need no clock. Nothing here closes a socket or answers a
//! client.

mod bucket;
mod signals;
mod users;

pub(crate) use signals::SignalRateLimit;
pub(crate) use users::{Allowance, Allowances, Verdict};
