//! More than one server: clusters whose shards fail, move and come back, and a primary whose
//! Sentinels choose another one.

mod fixture;
// Relays follow the primary that Sentinels name.
mod sentinel;
