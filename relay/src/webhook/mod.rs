//! `chat-relay forward … --to https://…`: hands every durable event of every room to an HTTP service.
//!
//! The one idea: the rooms are the outbox. `changed.rs` learns from `CHAT.CHANGES` which rooms have
//! changed, `reading.rs` reads each with `CHAT.SYNC` from its stored position, and `active.rs` moves the
//! position when the receiver has the events. So a crash at any moment repeats events and loses
//! none. `run.rs` is the process around it, `state.rs` is what is stored: positions, the lease by which one of several processes is
//! active, and the events that were given up. `sending/` sends; `redrive.rs` sends again what was
//! given up; `create.rs` begins. Streams are the business of `forward/`, which writes what it reads in
//! one transaction; here every room waits for the receiver by itself, so the reading differs.

mod act;
mod active;
mod changed;
mod create;
mod ops;
mod place;
mod reading;
mod redrive;
mod rooms;
mod run;
mod sending;
mod servers;
mod settings;
mod state;
mod status;

pub(crate) use act::act;
pub(crate) use settings::{Action, Settings, WebhookArgs, WebhookSettings};
