//! The operations that a client can request. `execute` has their table.
//!
//! The user of every command is the caller's (`caller`), and every read goes `AS` that user. No field
//! of a user's request can change that; only the backend names the user as whom it acts.

mod answer;
mod caller;
mod contacts;
mod context;
mod execute;
mod login;
mod measure;
mod messages;
mod moderate;
mod operators;
mod queries;
mod room_list;
mod room_settings;
mod rooms;
mod scopes;
mod table;
mod watch;

pub(crate) use context::Context;
pub(crate) use execute::{execute, outcome, register_metrics, reply, trace_of};
pub(crate) use login::bearer::watch_bearer;
pub(crate) use login::login::login;
pub(crate) use login::renewal::renew_session;
pub(crate) use operators::user;
