//! The operations that a client can request, each in the file of its name or in one of its folder.
//!
//! `execute` holds their table. The user of every command is the connection's, every read goes `AS`
//! that user; no field of a request can change that.

mod answer;
mod caller;
mod contacts;
mod context;
mod execute;
mod login;
mod measure;
mod messages;
mod moderate;
mod queries;
mod rooms;
mod scopes;
mod table;

pub(crate) use context::Context;
pub(crate) use execute::{execute, outcome, register_metrics, reply, trace_of};
pub(crate) use login::login::login;
pub(crate) use login::renewal::renew_session;
