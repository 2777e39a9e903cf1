//! Rate limits: how often a client may do something, without a question to Redis.
//!
//! There is one rule, the bucket (`bucket`), which refills evenly. `users` limits what a user does
//! on this relay, over all of the user's sockets; `signals` limits how often a signal is passed on;
//! `refusals` limits the wrong credentials of an address.
//! The module enforces the limits of a room, such as `slow`.
//!
//! `log_limit` is for lines of the log.
//!
//! The caller passes the time, so tests need no clock. Nothing here closes a socket or answers a
//! client.

mod bucket;
mod log_limit;
mod refusals;
mod signals;
mod users;

pub(crate) use log_limit::LogLimit;
pub(crate) use refusals::Refusals;
pub(crate) use signals::SignalRateLimit;
pub(crate) use users::{Allowance, Allowances, Verdict};
