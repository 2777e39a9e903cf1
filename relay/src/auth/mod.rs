//! Credentials: tokens (JWT: RFC 7519, 7515, 7517, 8725) and sessions of an application; whether one
//! is good, and what it says.
//!
//! A credential carries an identity and an upper bound. Members, roles, bans and access stay in the
//! room. This module is pure: bytes and the time in, an [`Identity`] or a [`LoginError`] out. Sockets,
//! files and settings are for others.

mod claims;
mod forwarded;
mod guest;
mod header;
mod identity;
mod json;
mod keys;
mod login_error;
mod room_filter;
mod scopes;
mod service_url;
mod session_answer;
mod verifier;
mod watch_filter;

pub use claims::Rules;
pub(crate) use forwarded::{ForwardNames, Forwarded, cookies, is_cookie_name};
pub(crate) use guest::{GUEST, is_guest_name};
pub use identity::{Identity, LEEWAY, Proof};
pub(crate) use keys::api_keys::ApiKeys;
pub use keys::jwks::parse as jwks_keys;
pub use keys::key::Key;
pub(crate) use keys::key_files::secret_of;
pub use keys::key_files::{pem as pem_keys, secret as secret_key};
pub use login_error::LoginError;
pub use room_filter::RoomFilter;
pub use scopes::{Scope, Scopes};
pub(crate) use service_url::ServiceUrl;
pub use session_answer::identity as session_identity;
pub use verifier::{TOKEN_MAX, Verifier};
pub use watch_filter::WatchFilter;
