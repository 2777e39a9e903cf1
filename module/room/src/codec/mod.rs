//! The forms in which a room leaves the core: records, snapshots, events.

pub(crate) mod event;
pub(crate) mod event_buffer;
pub(crate) mod event_ephemeral;
pub(crate) mod event_fields;
pub(crate) mod event_message;
mod fields;
pub(crate) mod record;
pub(crate) mod record_content;
mod record_forms;
pub(crate) mod snapshot_read;
pub(crate) mod snapshot_write;
