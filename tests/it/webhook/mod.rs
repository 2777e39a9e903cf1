//! `chat-relay forward --to http…`: every event reaches an HTTP service.

// Processes that end at any moment, and others that take over.
mod crashes;
// What arrives, in which order and form, and how it is signed.
mod delivery;
// What is lost is told.
mod losses;
// Receivers that refuse, are slow or want no more.
mod refusals;
// Shards of a cluster that fail.
mod shards;
// Forwarders and receivers.
mod stage;
