//! `docs/asyncapi.yaml`: the frames of sockets and streams, and the check of each against its schema.
//!
//! The clients of scenarios check every frame that they send or receive, so a frame that the document
//! does not describe fails the scenario in which it came.

mod contract;
mod document;
mod exchange;

pub use contract::{Channel, Contract};
pub use document::document;
pub(crate) use exchange::Exchange;
