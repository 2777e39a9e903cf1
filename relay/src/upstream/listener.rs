//! What the upstream calls when something arrives from Redis on its own. The hub implements it.

use std::sync::Arc;

use crate::upstream::nodes::overview::NodeId;

/// Receives what arrives from Redis without a request. Called on a connection's own task: the
/// methods must not wait, and reading goes no faster than they return.
pub(crate) trait Listener: Send + Sync + 'static {
    /// A message on a subscribed channel. While a room moves to another node, messages of both may
    /// arrive.
    fn message(&self, channel: &str, payload: &[u8]);
    /// All messages that had arrived together have been handed over.
    fn caught_up(&self);
    /// The subscription to this channel is confirmed, by whichever node and for whatever reason it
    /// was asked for. Events before this may have been missed.
    fn subscribed(&self, channel: &str);
    /// The subscriptions to these channels are lost, and events are missed from now on. The
    /// upstream asks for them again by itself.
    fn lost(&self, channels: &[Arc<str>]);
    /// A node accepts everything: it has just been reached, or it refused something before.
    fn opened(&self, node: &NodeId);
    /// A relay, perhaps this one, has published a change of a profile for all relays.
    fn profile_update(&self, payload: &[u8]);
}

/// For those who subscribe to nothing: nothing arrives.
pub(crate) struct NoSubscriptions;

impl Listener for NoSubscriptions {
    fn message(&self, _channel: &str, _payload: &[u8]) {}
    fn caught_up(&self) {}
    fn subscribed(&self, _channel: &str) {}
    fn lost(&self, _channels: &[Arc<str>]) {}
    fn opened(&self, _node: &NodeId) {}
    fn profile_update(&self, _payload: &[u8]) {}
}

/// Receives what arrives on one link.
pub(super) trait LinkListener: Send + Sync + 'static {
    /// A message on a subscribed channel.
    fn message(&self, channel: &str, payload: &[u8]);
    /// All messages that had arrived together have been handed over.
    fn caught_up(&self);
    /// The subscription to this channel is confirmed.
    fn subscribed(&self, channel: &str);
    /// The subscription to this channel has ended, asked for or not.
    fn unsubscribed(&self, channel: &str);
}
