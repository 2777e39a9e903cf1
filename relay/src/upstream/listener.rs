//! What the upstream calls when something arrives from Redis on its own. The hub implements it.

/// What comes from Redis unasked. Called on the connection's own task: it waits for nothing but
/// work in memory, and reading goes no faster than this.
pub(crate) trait Listener: Send + Sync + 'static {
    /// A message on a subscribed channel.
    fn message(&self, channel: &str, payload: Vec<u8>);
    /// The subscription to this channel is in force.
    fn subscribed(&self, channel: &str);
    /// The subscription to this channel has ended.
    fn unsubscribed(&self, channel: &str);
    /// What a relay, perhaps this one, has published for all relays about a user's profile.
    fn profile_updates(&self, payload: Vec<u8>);
    /// The path is open anew: no channel is subscribed, anything may have happened.
    fn opened(&self);
}
