//! The scenarios, one file per property, in one binary.

#![forbid(unsafe_code)]

mod acl;
mod browser;
mod checked_failover;
mod checked_redis;
mod command_docs;
mod commands;
mod hostile_module;
mod keys;
mod nonces;
mod nothing_is_missing;
mod persistence;
mod presence;
mod promotion;
mod random_traffic;
mod refusals;
mod relay_chat;
mod relay_checked;
mod relay_closes;
mod relay_drain;
mod relay_hostile;
mod relay_ops;
mod relay_outage;
mod relay_resume;
mod relay_waiting;
mod replication;
mod settings;
mod wrong_calls;
