//! The module inside Redis, without relays: one folder per area.

// Wrong, oversized and hostile input.
pub(crate) mod bounds;
// What a caller of the commands sees.
mod commands;
// Rooms are keys: what Redis does to keys it does to rooms.
mod keys;
// Restarts, snapshots, append-only files, upgrades, deletion.
mod persistence;
// Replicas, failover, promotion.
mod replication;
