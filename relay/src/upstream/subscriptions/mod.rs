//! Wanted channels, where they are asked for, and where they are confirmed.
#![cfg_attr(not(test), expect(dead_code, unused_imports, reason = "nothing drives it yet"))]

mod actions;
mod channels;
mod subscriptions;
#[cfg(test)]
mod tests;

pub(super) use actions::{Action, Order, Verb};
pub(super) use channels::NodeId;
pub(super) use subscriptions::Subscriptions;
