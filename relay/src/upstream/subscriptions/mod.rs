//! Wanted channels, where they are asked for, and where they are confirmed.
//!
//! `subscriptions` decides: events in, actions out, with the state of each channel in `channels`.
//! `wanted` carries the events there, and the actions to nodes and to the hub.

mod actions;
mod channels;
mod subscriptions;
#[cfg(test)]
mod tests;
pub(super) mod wanted;

pub(super) use actions::{Action, Order, Verb};
pub(super) use channels::NodeNumber;
pub(super) use subscriptions::Subscriptions;
