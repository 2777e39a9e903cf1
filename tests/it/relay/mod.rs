//! The socket: every operation, every close code, every setting, and clients that misbehave.

mod changes;
mod chat;
pub(crate) mod closes;
mod direct;
pub(crate) mod drain;
mod floods;
pub(crate) mod hostile;
mod http;
mod inbox;
mod ops;
mod profiles;
mod replies;
mod resume;
mod settings;
mod typing;
