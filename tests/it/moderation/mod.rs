//! Who may do what, in Redis and through relays, and how a user is put out, silenced or suspended.

mod access;
mod bounded_rights;
mod full_memory;
mod race;
mod relay;
mod revoking;
mod rule_deeds;
mod rule_table;
mod sanction_lists;
mod sanctions;
