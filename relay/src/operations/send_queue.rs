//! The sends of one connection that wait for Redis.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use serde_json::value::RawValue;

use crate::client::frame::Frame;
use crate::upstream::Command;

/// The sends of one connection that wait for Redis, in order.
#[derive(Default)]
pub(super) struct SendQueue {
    pub(super) waiting: VecDeque<Arc<PendingSend>>,
    /// A task is emptying it.
    pub(super) running: bool,
}

/// A message on its way.
pub(super) struct PendingSend {
    pub(super) reference: Box<RawValue>,
    pub(super) room: String,
    pub(super) command: Command,
    pub(super) mentions: Vec<String>,
    pub(super) nonce: String,
    /// Not later than this is it submitted.
    pub(super) until: Instant,
    /// What this relay's clients are shown while it waits.
    pub(super) shown: Option<Frame>,
}
