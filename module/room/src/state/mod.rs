//! A room and its parts. This layer has the reading functions and the primitive changes; `apply.rs`
//! decides which changes a record makes.

pub(crate) mod creation_limit;
mod defragment;
pub(crate) mod follows;
mod lazy_free;
pub mod limits;
pub(crate) mod log;
pub(crate) mod nonces;
pub(crate) mod numbers;
pub(crate) mod pending_free;
pub(crate) mod presence;
pub(crate) mod rate_limit;
pub(crate) mod repeated;
pub(crate) mod room;
pub(crate) mod sanctions;
pub(crate) mod settings;
pub(crate) mod users;
