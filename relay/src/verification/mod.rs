//! Verifying tokens while keys change: what `auth/` decides with the keys at hand, with keys that are
//! fetched.

mod demand;
mod fetch;
mod http_client;
mod verification;

pub(crate) use verification::Verification;
