//! Rate limits: how often a client may do something, without asking Redis.
//!
//! There is one rule, the [`bucket`], which refills evenly. [`users`] limits what a
//! user asks of this relay, over all of the user's sockets; [`signals`] limits how often a signal
//! is passed on. Limits of the store, such as a room's `slow`, are the module's.
//!
//! The caller passes the time, so tests need no clock. Nothing here closes a socket or answers a
//! client.

mod bucket;
mod signals;
mod users;

pub(crate) use signals::SignalRateLimit;
pub(crate) use users::{Allowance, Allowances, Verdict};
