//! What the subscriptions require of their caller: actions, and commands to write.

use std::sync::Arc;

use crate::upstream::subscriptions::channels::NodeNumber;

/// What the caller must do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A node has confirmed the subscription to this wanted channel: what it missed can be fetched.
    Confirmed(Arc<str>),
    /// No node sends this wanted channel's messages any more, or its node is gone.
    Lost(Arc<str>),
    /// A wanted channel was confirmed by another node than before.
    Moved,
    /// The map of slots may be out of date.
    Refresh,
    /// This node's queue has orders and had none before.
    Write(NodeNumber),
}

/// A command to write to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) verb: Verb,
    pub(crate) channel: Arc<str>,
    /// `ASKING` must stand before the command, in the same write.
    pub(crate) asking: bool,
}

/// The command of an [`Order`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// `SSUBSCRIBE`
    Subscribe,
    /// `SUNSUBSCRIBE`
    Unsubscribe,
}
