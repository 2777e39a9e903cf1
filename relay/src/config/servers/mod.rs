//! The settings of the servers: where Redis is, how to log in there, and how to encrypt.
//!
//! `address` reads the URL of `--redis`, `settings` checks it together with the flags beside it.
//! Files of passwords (`login`) and of certificates (`tls_files`) are read at start, so that their
//! mistakes are told with all others, and again whenever the relay connects.

mod address;
mod endpoint;
mod login;
mod settings;
mod tls_files;

pub(crate) use endpoint::{Endpoint, Servers};
pub(crate) use login::{Login, Secret};
pub(super) use settings::RedisArgs;
pub(crate) use settings::{RedisSettings, redis_settings};
pub(crate) use tls_files::TlsFiles;
