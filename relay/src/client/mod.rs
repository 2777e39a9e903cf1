//! One client: frames in and out, the outbox, and the JSON of requests, replies and
//! errors. Nothing here knows rooms or Redis.

pub(crate) mod bounded_object;
pub(crate) mod close;
pub(crate) mod connection;
pub(crate) mod error;
pub(crate) mod frame;
pub(crate) mod frame_reader;
pub(crate) mod json;
pub(crate) mod outbox;
pub(crate) mod payloads;
pub(crate) mod relay_frame;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod sink;
pub(crate) mod unannounced;
mod unanswered;
