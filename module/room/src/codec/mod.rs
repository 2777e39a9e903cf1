//! The forms in which a room leaves the core: records, snapshots, events.

pub(crate) mod event;
pub(crate) mod record;
pub(crate) mod snapshot_read;
pub(crate) mod snapshot_write;
