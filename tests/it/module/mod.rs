//! The module inside Redis.

pub(crate) mod bounds;
mod commands;
mod keys;
mod persistence;
mod replication;
