//! What other users learn of a profile: on request, and when it changes.

pub(crate) mod profile;
mod tracker;
pub(super) mod updates;

pub(super) use tracker::ProfileTracker;
