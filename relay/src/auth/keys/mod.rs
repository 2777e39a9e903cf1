//! Keys: those that verify tokens, from files and key sets, and the API keys of the backend.

pub(in crate::auth) mod api_keys;
pub(in crate::auth) mod jwks;
pub(in crate::auth) mod key;
pub(in crate::auth) mod key_files;
