//! What the upstream calls when something arrives from Redis on its own. The hub implements it.

/// Receives what arrives from Redis without a request. Called on the connection's own task: the
/// methods must not wait, and reading goes no faster than they return.
pub(crate) trait Listener: Send + Sync + 'static {
    /// A message on a subscribed channel.
    fn message(&self, channel: &str, payload: Vec<u8>);
    /// The subscription to this channel is confirmed.
    fn subscribed(&self, channel: &str);
    /// The subscription to this channel has ended.
    fn unsubscribed(&self, channel: &str);
    /// A relay, perhaps this one, has published a change of a profile for all relays.
    fn profile_update(&self, payload: Vec<u8>);
    /// A new link is open: no channel is subscribed, and events may have been missed.
    fn connected(&self);
}
