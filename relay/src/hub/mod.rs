//! The rooms and connections of this relay, and the tasks that keep them up to date.
//!
//! Events arrive on the upstream's task and wait in `event_queue` until everything that arrived
//! with them has been read. A task dispatches them to their rooms (`dispatch`), which queue frames
//! in the outboxes. The `flusher` writes them, so that frames queued meanwhile leave in one write.
//! `hub` holds the lists of rooms and connections; the other files add what happens to them, each
//! using only the files before it: `sync_permits`, `hub`, `api_keys`, `logins`, `presence`, `access`,
//! `profiles`, `sync`, `beats`, `status_updates`, `relays`, `dispatch`, `tasks`.

pub(crate) mod access;
mod api_keys;
mod beats;
mod dispatch;
mod event_queue;
mod flusher;
mod follow_cache;
mod hub;
pub(crate) mod logins;
pub(crate) mod presence;
pub(crate) mod profiles;
pub(crate) mod relays;
pub(crate) mod standing;
pub(crate) mod status_updates;
pub(crate) mod sync;
mod sync_permits;
mod tasks;
mod upstream_status;

pub(crate) use crate::clock::now_ms;
pub(crate) use hub::Hub;
pub(crate) use logins::login::Login;
pub(crate) use tasks::start;
