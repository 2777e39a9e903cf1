//! One client's socket: frames in and out, the outbox, and the JSON of requests and errors.

pub mod close;
pub mod connection;
pub mod error;
pub mod frame;
pub mod frame_reader;
pub mod outbox;
pub mod request;
