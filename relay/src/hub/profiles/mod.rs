//! Profiles of users as other users receive them: on request, and when they change.

pub(crate) mod profile;
mod tracker;
pub(super) mod updates;

pub(super) use tracker::ProfileTracker;
