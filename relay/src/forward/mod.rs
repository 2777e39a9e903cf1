//! `chat-relay forward`: writes every event of every room to a stream of another Redis, or of the
//! same.
//!
//! `reading` finds out which rooms have changed and reads their events, by the rules of `CHAT.CHANGES`
//! in docs/commands.md. `stream` writes them, together with the positions in the rooms, in one
//! transaction under a lease: so each event is in the stream once, whatever ends when, and one process
//! writes at a time. `create` makes the state that `run` goes on from. docs/forward.md is for users.

mod create;
mod entry;
mod ops;
mod reading;
mod run;
mod settings;
mod status;
mod stream;
mod trimming;

pub(crate) use create::create;
pub(crate) use run::run;
pub(crate) use settings::{Action, ForwardArgs, Settings, flags};
