//! What a room holds, in parts. Reading is here; only `apply.rs` changes a room.

pub(crate) mod creation_limit;
pub(crate) mod defragment;
pub(crate) mod follows;
pub(crate) mod lazy_free;
pub(crate) mod log;
pub(crate) mod nonces;
pub(crate) mod presence;
pub(crate) mod rate_limit;
pub mod room;
pub(crate) mod sanctions;
pub mod settings;
pub(crate) mod users;
