//! What leaves the server after a change: records to replicas and the append-only file, events to
//! the channel of the room.
//!
//! Records travel as `CHAT.APPLY room records`. They are written only if a replica or an
//! append-only file may receive them, see `timers/watch.rs`.

use std::ffi::CStr;

use chat_room::{Outcome, Replication};

use crate::info::{self, COUNTERS};
use crate::redis::{Call, MainThread, Name, ReplicationTarget};

/// The command by which changes are replicated.
pub(crate) const APPLY: &CStr = c"CHAT.APPLY";

/// Buffers of the last command, unless a command is using them.
static BUFFERS: MainThread<Option<Box<Outcome>>> = MainThread::new(None);
/// Whether a replica or an append-only file may receive records.
static REPLICATION: MainThread<Replication> = MainThread::new(Replication::On);

/// Notes whether a replica or an append-only file may receive records.
pub(crate) fn set_replication(replication: Replication) {
    REPLICATION.replace(replication);
}

/// Takes the buffers of the last command, emptied; to be given back to [`keep_buffers`].
pub(crate) fn take_buffers() -> Box<Outcome> {
    let mut outcome = BUFFERS.with(Option::take).unwrap_or_default();
    outcome.begin(REPLICATION.with(|replication| *replication));
    outcome
}

/// Keeps buffers for the next command.
pub(crate) fn keep_buffers(outcome: Box<Outcome>) {
    BUFFERS.replace(Some(outcome));
}

/// Replicates the records of a change, then publishes its events.
pub(crate) fn send(call: &Call<'_>, name: &Name<'_>, outcome: &Outcome) {
    if !outcome.durable.is_empty() {
        call.replicate(ReplicationTarget::ReplicasAndFile, APPLY, name, &outcome.durable);
    }
    if !outcome.presence.is_empty() {
        call.replicate(ReplicationTarget::ReplicasOnly, APPLY, name, &outcome.presence);
    }
    info::count(&COUNTERS.events, outcome.events.len() as u64);
    outcome.events.iter().for_each(|event| publish(call, name, event));
}

/// Publishes an event of a room.
pub(crate) fn publish(call: &Call<'_>, name: &Name<'_>, event: &[u8]) {
    info::count(&COUNTERS.publishes, 1);
    call.publish(name, event);
}
