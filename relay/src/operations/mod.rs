//! The operations that a client can request, each in the file of its name.
//!
//! `execute` holds their table. The user of every command is the connection's, every read goes `AS`
//! that user; no field of a request can change that.

mod answer;
mod auth;
mod caller;
mod contacts;
mod context;
mod edit;
mod execute;
mod follows;
mod inbox;
mod join;
mod leave;
mod login;
mod measure;
mod moderate;
mod notices;
mod queries;
mod renewal;
mod resume;
mod scopes;
mod send;
mod send_queue;
mod signal;
mod subscribe;
mod table;
mod token_profile;

pub(crate) use context::Context;
pub(crate) use execute::{execute, outcome, register_metrics, reply, trace_of};
pub(crate) use login::login;
pub(crate) use renewal::renew_session;
