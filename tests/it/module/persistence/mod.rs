//! What was acknowledged survives restarts, snapshots, append-only files and upgrades; what was deleted does not.

mod deletion;
mod foreign_records;
mod random_traffic;
mod restart;
mod saving;
mod upgrade;
