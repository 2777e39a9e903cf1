//! The processes under test and what stands between them.

pub mod artefacts;
pub mod clock;
pub mod fake_primary;
pub mod fixture;
pub mod proxy;
pub mod redis;
pub mod relay;
pub mod server;
