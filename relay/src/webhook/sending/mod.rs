//! The sink `webhook`: which events go together, and how they are sent.

mod batch;
mod outcome;
mod queues;
mod receiver;
mod room_queue;
mod signature;

pub(super) use batch::{Batch, Event};
pub(super) use outcome::Outcome;
pub(super) use queues::Queues;
pub(super) use receiver::Receiver;
