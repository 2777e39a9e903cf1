//! Wanted channels, where they are asked for, and where they are confirmed.

mod actions;
mod channels;
mod subscriptions;
#[cfg(test)]
mod tests;

pub(super) use actions::{Action, Order, Verb};
pub(super) use channels::NodeNumber;
pub(super) use subscriptions::Subscriptions;
