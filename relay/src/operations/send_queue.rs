//! The waiting sends of one connection.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use serde_json::value::RawValue;
use tracing::Span;

use crate::client::frame::Frame;
use crate::upstream::Command;

/// The sends of one connection that wait for Redis, in order.
#[derive(Default)]
pub(super) struct SendQueue {
    pub(super) waiting: VecDeque<Arc<PendingSend>>,
    /// A task submits the waiting sends.
    pub(super) running: bool,
}

/// A message that is being submitted.
pub(super) struct PendingSend {
    pub(super) reference: Box<RawValue>,
    pub(super) room: String,
    pub(super) command: Command,
    pub(super) mentions: Vec<String>,
    pub(super) nonce: String,
    /// When it was requested.
    pub(super) begun: Instant,
    /// The span of its request, with the trace that it belongs to.
    pub(super) span: Span,
    /// The last time at which it may be submitted.
    pub(super) until: Instant,
    /// The frame that shows it to this relay's clients while it waits (`--offline local`).
    pub(super) local_frame: Option<Frame>,
}
