//! Tokens (JWT: RFC 7519, 7515, 7517, 8725): whether a token is good, and what it says.
//!
//! A token carries an identity and an upper bound. Members, roles, bans and access stay in the room.
//! This module is pure: bytes and the time in, an [`Identity`] or a [`LoginError`] out. Sockets, files
//! and settings are for others.

mod claims;
mod header;
mod identity;
mod json;
mod jwks;
mod key_files;
mod keys;
mod login_error;
mod room_filter;
mod scopes;
mod service_url;
mod verifier;

pub use claims::Rules;
pub use identity::{Identity, LEEWAY};
pub use jwks::parse as jwks_keys;
pub(crate) use key_files::secret_of;
pub use key_files::{pem as pem_keys, secret as secret_key};
pub use keys::Key;
pub use login_error::LoginError;
pub use room_filter::RoomFilter;
pub use scopes::{Scope, Scopes};
pub(crate) use service_url::ServiceUrl;
pub use verifier::{TOKEN_MAX, Verifier};
