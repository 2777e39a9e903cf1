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
pub(in crate::operations) struct SendQueue {
    pub(in crate::operations) waiting: VecDeque<Arc<PendingSend>>,
    /// A task submits the waiting sends.
    pub(in crate::operations) running: bool,
}

/// A message that is being submitted.
pub(in crate::operations) struct PendingSend {
    pub(in crate::operations) reference: Box<RawValue>,
    pub(in crate::operations) room: String,
    pub(in crate::operations) command: Command,
    pub(in crate::operations) mentions: Vec<String>,
    pub(in crate::operations) nonce: String,
    /// When it was requested.
    pub(in crate::operations) begun: Instant,
    /// The span of its request, with the trace that it belongs to.
    pub(in crate::operations) span: Span,
    /// The last time at which it may be submitted.
    pub(in crate::operations) until: Instant,
    /// The frame that shows it to this relay's clients while it waits (`--offline local`).
    pub(in crate::operations) local_frame: Option<Frame>,
}
